"""VisDrone's layout: what is read from it, and what is refused in one line that names file and line."""

import json
import logging
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from triplehead.data.visdrone import CLASSES, VisDroneDataset, image_truth, read_rows
from triplehead.errors import InputError

ROWS = """1,2,10,20,1,4,0,0
30,20,5,5,0,1,0,1
0,0,15,15,0,0,0,0
20,5,6,7,0,11,0,0
5,6,4,4,1,10,1,2
"""


class Split:
    """Image a with two cars' worth of rows of every sort, image b with none."""

    def __init__(self, root):
        self.root = root
        for part in ("images", "annotations"):
            (root / part).mkdir(parents=True)
        for name in "ba":
            pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"{name}.jpg")
        self.file = root / "annotations" / "a.txt"
        self.file.write_text(ROWS)
        (root / "annotations" / "b.txt").write_text("")

    def open(self, **options) -> VisDroneDataset:
        return VisDroneDataset(self.root, **options)


@pytest.fixture
def split(tmp_path) -> Split:
    return Split(tmp_path / "VisDrone2019-DET-val")


def test_rows_of_every_sort(split):
    dataset = split.open()
    dataset.check_files()
    assert [entry.file_name for entry in dataset.entries] == ["a.jpg", "b.jpg"]
    assert (dataset.image_ids, dataset.sizes) == ([1, 2], [(30, 40)] * 2)
    assert dataset.categories == list(enumerate(CLASSES, 1))
    assert dataset.counts == {"num_ignored": 1, "num_regions": 1, "num_others": 1, "num_degenerate": 0}
    target = dataset[0][1]
    assert target["boxes"].tolist() == [[1, 2, 11, 22], [5, 6, 9, 10]]
    assert target["labels"].tolist() == [3, 9]
    assert tuple(dataset[1][1]["boxes"].shape) == (0, 4)


def test_truth_has_ignored_objects_and_regions_and_no_others(split):
    truth, empty = split.open().truth()
    assert truth.boxes.tolist() == [[1, 2, 11, 22], [30, 20, 35, 25], [5, 6, 9, 10]]
    assert truth.labels.tolist() == [3, 0, 9]
    assert truth.ignore.tolist() == [False, True, False]
    assert truth.regions.tolist() == [[0, 0, 15, 15]]
    assert (truth.image_id, truth.height, truth.width) == (1, 30, 40)
    assert (truth.boxes.dtype, truth.labels.dtype, truth.ignore.dtype) == (np.float64, np.int64, bool)
    assert [getattr(empty, name).shape for name in ("boxes", "labels", "ignore", "regions")] == [
        (0, 4),
        (0,),
        (0,),
        (0, 4),
    ]


@pytest.mark.parametrize(
    "text", [ROWS.replace("\n", "\r\n"), ROWS.replace("\n", ",\n"), ROWS.strip(), "\ufeff" + ROWS, ROWS + "\n\n"]
)
def test_line_ends_and_trailing_commas(split, text):
    split.file.write_bytes(text.encode())
    assert read_rows(split.file).tolist()[0] == [1, 2, 10, 20, 1, 4, 0, 0]
    assert len(split.open().truth()[0].boxes) == 3


def test_degenerate_boxes_are_no_targets_but_stay_in_the_truth(split, caplog):
    split.file.write_text("1,1,5,0,1,4,0,0\n50,1,5,5,1,4,0,0\n1,1,5,5,1,4,0,0\n3,3,4,0,0,0,0,0\n-2,25,9,9,1,4,0,0\n")
    with caplog.at_level(logging.WARNING):
        dataset = split.open()
    assert dataset[0][1]["boxes"].tolist() == [[1, 1, 6, 6], [0, 25, 7, 30]]
    assert dataset.counts["num_degenerate"] == 2
    assert dataset.truth()[0].boxes.tolist()[0] == [1, 1, 6, 1]
    assert dataset.truth()[0].regions.tolist() == [[3, 3, 7, 3]]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,10,20,1,4,0", "line 2 has 7 fields, expected left,top,width,height,score"),
        ("1,2,10,20,1,4,0,0,0", "line 2 has 9 fields"),
        ("1,2,10,20,1,4,0,0,,", "line 2 has 9 fields"),
        ("1 2 10 20 1 4 0 0", "line 2 has 1 fields"),
        ("1,nan,10,20,1,4,0,0", "line 2: top is 'nan', expected a finite number"),
        ("1,2,inf,20,1,4,0,0", "line 2: width is 'inf'"),
        ("1,2,1e999,20,1,4,0,0", "line 2: width is '1e999'"),
        ("1e308,2,1e308,4,1,4,0,0", "line 2: left is '1e308', expected a finite number, at most 2**53 from 0"),
        ("1,2,10,1e16,1,4,0,0", "line 2: height is '1e16'"),
        (",2,10,20,1,4,0,0", "line 2: left is ''"),
        ("1,2,10,20,1,4,0,x", "line 2: occlusion is 'x'"),
        ("1,2,-10,20,1,4,0,0", "line 2: width is -10, expected at least 0"),
        ("1,2,10,-1,1,4,0,0", "line 2: height is -1"),
        ("1,2,10,20,2,4,0,0", "line 2: score is 2, expected 0 or 1"),
        ("1,2,10,20,0.5,4,0,0", "line 2: score is 0.5"),
        ("1,2,10,20,1,12,0,0", "line 2: category is 12, expected 0 to 11"),
        ("1,2,10,20,1,-1,0,0", "line 2: category is -1"),
        ("1,2,10,20,1,4.5,0,0", "line 2: category is 4.5"),
    ],
)
def test_rows_that_are_wrong(split, row, said):
    split.file.write_text(f"1,1,5,5,1,1,0,0\n{row}\n")
    with pytest.raises(InputError) as caught:
        split.open()
    assert str(caught.value).startswith(f"{split.file}: {said}")
    assert "\n" not in str(caught.value)


def test_annotations_that_are_no_text(split):
    split.file.write_bytes(b"1,2,\xff\n")
    with pytest.raises(InputError, match=r"a\.txt: is not UTF-8 text \(byte 4\)"):
        split.open()


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("annotations/a.txt", r"annotations/a\.txt: no such file, but the image is there"),
        ("images/b.jpg", r"images/b\.jpg: no such file, but its annotations are there"),
    ],
)
def test_images_and_annotations_belong_together(split, lost, said):
    (split.root / lost).unlink()
    with pytest.raises(InputError, match=said):
        split.open()


@pytest.mark.parametrize("part", ["images", "annotations"])
def test_missing_folder(split, part):
    (split.root / part).rename(split.root / "elsewhere")
    with pytest.raises(InputError, match=rf"{part}: no such folder, expected the {part}"):
        split.open()


def test_other_files_beside_them_are_none_of_ours(split):
    for name in ("images/Thumbs.db", "images/._a.jpg", "annotations/.DS_Store"):
        (split.root / name).write_text("x")
    assert len(split.open()) == 2


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_an_image_that_is_none(split, content):
    (split.root / "images/a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jpg: is not a readable image"):
        split.open()


def test_an_image_that_is_truncated(split):
    path = split.root / "images/a.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    dataset = split.open()
    with pytest.raises(InputError, match=r"a\.jpg: is not a readable image, or truncated"):
        dataset[0]


def test_digest_tells_which_file_holds_a_row(split):
    first = split.open().digest()
    assert split.open().digest() == first
    rows = split.file.read_text().splitlines(keepends=True)
    split.file.write_text("".join(rows[:-1]))
    (split.root / "annotations/b.txt").write_text(rows[-1])
    assert split.open().digest() != first


REAL = [("train", 8, 540, 39, 4, 583), ("val", 2, 223, 8, 0, 231), ("test-dev", 6, 514, 16, 2, 532)]


@pytest.mark.parametrize(("name", "images", "boxes", "regions", "others", "rows"), REAL)
def test_real_samples(real_data, name, images, boxes, regions, others, rows):
    dataset = VisDroneDataset(real_data / "visdrone" / f"VisDrone2019-DET-{name}")
    dataset.check_files()
    assert (len(dataset), dataset.num_boxes) == (images, boxes)
    assert dataset.counts == {"num_ignored": 0, "num_regions": regions, "num_others": others, "num_degenerate": 0}
    assert sum(len(read_rows(entry.source)) for entry in dataset.entries) == rows == boxes + regions + others
    assert not any(truth.ignore.any() for truth in dataset.truth())
    image, target = dataset[0]
    assert tuple(image.shape[1:]) == target["size"]
    bus = CLASSES.index("bus")
    assert (name == "test-dev") == any(bus in truth.labels for truth in dataset.truth())


def test_real_rows_with_windows_line_ends_and_the_densest_image(real_data):
    root = real_data / "visdrone"
    crlf = root / "VisDrone2019-DET-train/annotations/0000002_00448_d_0000015.txt"
    assert b"\r\n" in crlf.read_bytes()
    assert len(read_rows(crlf)) == len(crlf.read_bytes().splitlines())
    assert len(read_rows(root / "VisDrone2019-DET-test-dev/annotations/0000161_01584_d_0000158.txt")) == 233
    dataset = VisDroneDataset(root / "VisDrone2019-DET-test-dev")
    (densest,) = [entry for entry in dataset.entries if entry.file_name.startswith("0000161_01584")]
    assert (densest.height, densest.width) == (540, 960)


def test_real_annotations_without_images(real_data):
    folder = real_data / "visdrone/annotations_only/VisDrone2019-DET-train"
    rows = {name: read_rows(next(folder.glob(f"{name}*.txt"))) for name in ("0000059", "0000293", "9999974", "9999985")}
    assert len(rows["0000059"]) == 914
    assert len(rows["9999974"]) == 34
    assert all(line.endswith(",") for line in next(folder.glob("9999974*.txt")).read_text().split())
    flat_region = (rows["0000293"][:, 5] == 0) & (rows["0000293"][:, 3] == 0)
    assert flat_region.sum() == 1
    regions = image_truth(rows["0000293"], 1, 540, 960).regions
    assert (len(regions), (regions[:, 3] == regions[:, 1]).sum()) == ((rows["0000293"][:, 5] == 0).sum(), 1)
    flat_car = (rows["9999985"][:, 5] == 4) & (rows["9999985"][:, 3] == 0)
    assert (flat_car.sum(), rows["9999985"][flat_car][0, 4]) == (1, 1)


def test_real_boxes_are_those_of_a_peers_conversion(real_data):
    """Kitware's conversion of eleven test-dev images to COCO's format: category minus 1, regions and others dropped."""
    root = real_data / "visdrone"
    peer = json.loads((root / "peer_coco/annotations.json").read_text())
    boxes = defaultdict(list)
    for each in peer["annotations"]:
        boxes[each["image_id"]].append((*each["bbox"], each["category_id"]))
    assert len(peer["images"]) == 11
    for image in peer["images"]:
        name = image["file_name"].removeprefix("images/").removesuffix(".jpg") + ".txt"
        places = [root / "VisDrone2019-DET-test-dev/annotations", root / "annotations_only/VisDrone2019-DET-test-dev"]
        (file,) = [place / name for place in places if (place / name).is_file()]
        truth = image_truth(read_rows(file), image["id"], image["height"], image["width"])
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        found = np.column_stack([truth.boxes[:, :2], sides, truth.labels])
        assert not truth.ignore.any()
        assert sorted(map(tuple, found.tolist())) == sorted(boxes[image["id"]])
    assert sum(map(len, boxes.values())) == 546
