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


def test_a_file_that_is_older_than_the_one_before_is_another(tmp_path):
    """As an archive dates it."""
    (tmp_path / "coco/annotations").mkdir(parents=True)
    file = tmp_path / "coco/annotations/instances_train2017.json"
    seen = []
    for time in (1_600_000_000, 1_500_000_000):
        file.write_text("{}")
        os.utime(file, (time, time))
        seen.append(fingerprint(CocoFolder(source="folder"), tmp_path))
    assert None not in seen and seen[0] != seen[1]
    lists = [name for name in VOC.annotations if name.endswith(".txt")]
    assert [Path(name).name for name in lists] == ["trainval.txt", "trainval.txt", "test.txt"]
