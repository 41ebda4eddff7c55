import os
from pathlib import Path

import pytest

from triplehead.data.fingerprint import fingerprint
from triplehead.plan.options import CocoFolder, VisDroneFolder, VocFolder

VOC = VocFolder(source="folder")
FOLDERS = {
    VOC: ["voc/VOCdevkit/VOC2007/Annotations", "voc/VOCdevkit/VOC2012/Annotations"],
    VisDroneFolder(source="folder"): [f"visdrone/VisDrone2019-DET-{split}/annotations" for split in ("train", "val")],
}


@pytest.mark.parametrize("data", FOLDERS, ids=lambda data: data.layout)
def test_it_follows_every_file_of_every_folder(data, tmp_path):
    seen = [fingerprint(data, tmp_path)]
    assert seen == [None]
    for folder in FOLDERS[data]:
        (tmp_path / folder).mkdir(parents=True)
        file = tmp_path / folder / "a.xml"
        file.write_text("1")
        seen.append(fingerprint(data, tmp_path))
        os.utime(file, ns=(1, 1))  # edited in place, same size
        seen.append(fingerprint(data, tmp_path))
        file.rename(file.with_name("b.xml"))
        seen.append(fingerprint(data, tmp_path))
        (tmp_path / folder / "nothing").symlink_to("nowhere")
        seen.append(fingerprint(data, tmp_path))
    assert len(set(seen)) == len(seen) == 9
    assert fingerprint(data, tmp_path) == seen[-1]


def test_files_are_inputs_of_their_own(tmp_path):
    (tmp_path / "coco/annotations").mkdir(parents=True)
    (tmp_path / "coco/annotations/instances_train2017.json").write_text("{}")
    assert fingerprint(CocoFolder(source="folder"), tmp_path) is None
    lists = [name for name in VOC.annotations if name.endswith(".txt")]
    assert [Path(name).name for name in lists] == ["trainval.txt", "trainval.txt", "test.txt"]
