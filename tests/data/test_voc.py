"""VOC's layout: what is read from it, and what is refused in one line that names file and place."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from triplehead.data.safe_xml import DEEPEST, LARGEST
from triplehead.data.voc import CLASSES, VocDataset
from triplehead.errors import InputError

SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"


def item(name: str, x1, y1, x2, y2, more: str = "") -> str:
    box = f"<bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin><ymax>{y2}</ymax><ymin>{y1}</ymin></bndbox>"
    return f"<object><name>{name}</name>{more}{box}</object>"


class Devkit:
    """Two years: 000001 (a dog and a difficult cat) and 000002 (nothing), 2008_000001 (a person)."""

    def __init__(self, root):
        self.root = root
        for year, names, set_name in (
            ("VOC2007", ("000001", "000002"), "trainval"),
            ("VOC2012", ("2008_000001",), "trainval"),
        ):
            for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
                (root / year / part).mkdir(parents=True)
            (root / year / "ImageSets/Main" / f"{set_name}.txt").write_text("".join(f"{name}\n" for name in names))
            for name in names:
                pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / year / "JPEGImages" / f"{name}.jpg")
        cat = item("cat", 11.5, 6, 40, 30, "<difficult>1</difficult>")
        self.write("VOC2007/Annotations/000001.xml", SIZE + item("dog", 1, 2, 10, 20) + cat)
        self.write("VOC2007/Annotations/000002.xml", SIZE)
        self.write("VOC2012/Annotations/2008_000001.xml", SIZE + item("person", 5, 5, 5, 5))

    def write(self, name: str, inside: str):
        (self.root / name).write_text(f"<annotation>{inside}</annotation>")

    def first(self, inside: str):
        self.write("VOC2007/Annotations/000001.xml", inside)

    @property
    def set_file(self):
        return self.root / "VOC2007/ImageSets/Main/trainval.txt"

    def open(self, sets=("VOC2007/trainval", "VOC2012/trainval"), **options) -> VocDataset:
        return VocDataset(self.root, sets, **options)


@pytest.fixture
def devkit(tmp_path) -> Devkit:
    return Devkit(tmp_path)


def refuses(devkit: Devkit, file: str, *said: str):
    with pytest.raises(InputError) as caught:
        devkit.open()
    message = str(caught.value)
    assert message.startswith(f"{devkit.root / file}: ")
    assert "\n" not in message
    assert len(message) < 600
    for each in said:
        assert each in message


def test_sets_of_several_years_in_their_order(devkit):
    dataset = devkit.open()
    assert [entry.file_name for entry in dataset.entries] == [
        "VOC2007/JPEGImages/000001.jpg", "VOC2007/JPEGImages/000002.jpg", "VOC2012/JPEGImages/2008_000001.jpg",
    ]  # fmt: skip
    assert dataset.image_ids == [1, 2, 3]
    assert dataset.sizes == [(30, 40)] * 3
    assert dataset.categories[0] == (1, "aeroplane")
    assert dataset.categories[19] == (20, "tvmonitor")
    dataset.check_files()
    image, target = dataset[0]
    assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, 30, 40))
    assert target["size"] == (30, 40)


def test_inclusive_pixels_from_one_become_edges(devkit):
    """xmin 1, xmax 10 are ten pixels: 0 to 10."""
    dataset = devkit.open()
    assert dataset[0][1]["boxes"].tolist() == [[0, 1, 10, 20]]
    assert dataset[0][1]["labels"].tolist() == [CLASSES.index("dog")]
    assert dataset[2][1]["boxes"].tolist() == [[4, 4, 5, 5]]  # one pixel has an area
    assert tuple(dataset[1][1]["boxes"].shape) == (0, 4)


def test_difficult_objects_are_dropped_from_training_unless_kept(devkit):
    dropped, kept = devkit.open(), devkit.open(difficult="keep")
    assert (dropped.num_boxes, kept.num_boxes) == (2, 3)
    assert dropped.counts == kept.counts == {"num_difficult": 1, "num_degenerate": 0}
    assert kept[0][1]["boxes"].tolist() == [[0, 1, 10, 20], [10.5, 5, 40, 30]]
    for dataset in (dropped, kept):
        truth = dataset.truth()[0]
        assert (truth.image_id, truth.height, truth.width) == (1, 30, 40)
        assert truth.boxes.dtype == np.float64
        assert truth.boxes.tolist() == [[0, 1, 10, 20], [10.5, 5, 40, 30]]
        assert truth.labels.tolist() == [CLASSES.index("dog"), CLASSES.index("cat")]
        assert truth.ignore.tolist() == [False, True]
        assert truth.regions.shape == (0, 4)
    assert dropped.truth()[1].boxes.shape == (0, 4)


def test_parts_and_owners_are_no_objects(devkit):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>"
    owner = "<owner><name>someone</name></owner>"
    devkit.first(owner + SIZE + item("person", 2, 2, 20, 20, part * 2))
    dataset = devkit.open(["VOC2007/trainval"])
    assert dataset.truth()[0].boxes.tolist() == [[1, 1, 20, 20]]


def test_boxes_are_clipped_and_the_truth_is_not(devkit, caplog):
    devkit.first(SIZE + item("dog", -3, 20, 60, 90) + item("dog", 50, 1, 60, 9))
    with caplog.at_level(logging.WARNING):
        dataset = devkit.open()
    assert dataset[0][1]["boxes"].tolist() == [[0, 19, 40, 30]]
    assert dataset.truth()[0].boxes.tolist() == [[-4, 19, 60, 90], [49, 0, 60, 9]]
    assert dataset.counts["num_degenerate"] == 1
    assert len(caplog.records) == 1


def test_other_names_and_windows_line_ends(devkit):
    devkit.set_file.write_bytes(b"\xef\xbb\xbf000001\r\n000002\r\n\r\n")
    devkit.first(SIZE + item("zero", 1, 1, 5, 5))
    dataset = devkit.open(["VOC2007/trainval"], classes=("one", "zero"))
    assert dataset.categories == [(1, "one"), (2, "zero")]
    assert dataset.truth()[0].labels.tolist() == [1]


@pytest.mark.parametrize("coding", ["utf-16", "latin-1", "utf-8-sig"])
def test_declared_encodings(devkit, coding):
    text = f"<annotation><owner><name>Jos\xe9</name></owner>{SIZE}</annotation>"
    declared = f'<?xml version="1.0" encoding="{coding.removesuffix("-sig")}"?>{text}'
    (devkit.root / "VOC2007/Annotations/000001.xml").write_bytes(declared.encode(coding))
    assert devkit.open().truth()[0].width == 40


SETS = "VOC2007/ImageSets/Main/trainval.txt"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"000001\n\n000002\n", "line 2 is ''"),
        (b"000001 -1\n000002  1\n", "line 1 is '000001 -1', expected the name of an image"),
        (b"../000001\n", "line 1 is '../000001'"),
        (b"000001\n000001\n", "000001 is listed twice (before in VOC2007)"),
        (b"\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_image_sets_that_are_none(devkit, content, said):
    devkit.set_file.write_bytes(content)
    refuses(devkit, SETS, said)


def test_image_set_that_is_missing(devkit):
    devkit.set_file.unlink()
    refuses(devkit, SETS, "no such file, expected an image set")


def test_an_image_in_two_sets(devkit):
    (devkit.root / "VOC2012/ImageSets/Main/trainval.txt").write_text("2008_000001\n000002\n")
    refuses(devkit, "VOC2012/ImageSets/Main/trainval.txt", "000002 is listed twice (before in VOC2007)")


XML = "VOC2007/Annotations/000001.xml"
DOG = item("dog", 1, 1, 5, 5)


def test_annotation_that_is_missing(devkit):
    (devkit.root / XML).unlink()
    refuses(devkit, XML, "no such file, expected the annotation of a listed image")


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (DOG, "annotation: no <size>"),
        (SIZE + SIZE, "annotation: 2 times <size>"),
        (SIZE.replace("<height>30</height>", ""), "size: no <height>"),
        (SIZE.replace("40", "0"), "size: <width> is '0', expected a whole number from 1"),
        (SIZE.replace("40", "40.5"), "size: <width> is '40.5'"),
        (SIZE.replace("40", "9" * 5000), "size: <width> is '9999"),
        (SIZE + item("unicorn", 1, 1, 5, 5), "object 0: unknown class 'unicorn', expected aeroplane, bicycle"),
        (SIZE + item("a\nb" * 9999, 1, 1, 5, 5), "object 0: unknown class 'a\\nb"),
        (SIZE + DOG + DOG.replace("<name>dog</name>", ""), "object 1: no <name>"),
        (SIZE + DOG.replace("<name>dog</name>", "<name>dog</name><name>cat</name>"), "object 0: 2 times <name>"),
        (SIZE + "<object><name>dog</name></object>", "object 0 (dog): no <bndbox>"),
        (SIZE + "<object><name>dog</name><part><bndbox/></part></object>", "object 0 (dog): no <bndbox>"),
        (SIZE + item("dog", 1, 1, 5, 5, "<bndbox/>"), "object 0 (dog): 2 times <bndbox>"),
        (SIZE + DOG.replace("<ymin>1</ymin>", ""), "object 0 (dog): no <ymin>"),
        (SIZE + item("dog", "nan", 1, 5, 5), "object 0 (dog): <xmin> is 'nan', expected a finite number"),
        (SIZE + item("dog", 1, 1, "inf", 5), "object 0 (dog): <xmax> is 'inf'"),
        (SIZE + item("dog", 1, 1, "1e999", 5), "object 0 (dog): <xmax> is '1e999'"),
        (SIZE + item("dog", 1, "", 5, 5), "object 0 (dog): <ymin> is ''"),
        (SIZE + item("dog", 1, 1, 5, "1_0"), "object 0 (dog): <ymax> is '1_0'"),
        (SIZE + item("dog", 6, 1, 5, 5), "object 0 (dog): <xmax> 5 lies below <xmin> 6"),
        (SIZE + item("dog", 1, 6, 5, 5), "object 0 (dog): <ymax> 5 lies below <ymin> 6"),
        (SIZE + item("dog", 1, 1, 5, 5, "<difficult>2</difficult>"), "object 0 (dog): <difficult> is '2'"),
        (SIZE + item("dog", 1, 1, 5, 5, "<difficult/>"), "object 0 (dog): <difficult> is ''"),
    ],
)  # fmt: skip
def test_annotations_that_are_wrong(devkit, inside, said):
    devkit.first(inside)
    refuses(devkit, XML, said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not well-formed XML (line 1: no element found)"),
        (b"<annotation>\n<size>", "is not well-formed XML (line 2: no element found)"),
        (b"<annotation>\n</annotatoin>", "is not well-formed XML (line 2: mismatched tag)"),
        (b"\x00\x01", "is not well-formed XML (line 1"),
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "is not well-formed XML"),
        (b"<annotations/>", "its root is <annotations>, expected <annotation>"),
        (b"<!DOCTYPE annotation><annotation/>", "line 1: a DOCTYPE is not allowed"),
        (b"<annotation>" + b"<a>" * DEEPEST, f"nested deeper than {DEEPEST} elements"),
        (b"<annotation>" + b" " * LARGEST + b"</annotation>", f"holds more than {LARGEST} bytes"),
    ],
)
def test_files_that_are_no_annotation(devkit, content, said):
    (devkit.root / XML).write_bytes(content)
    refuses(devkit, XML, said)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "dog">',
        '<!ENTITY a SYSTEM "file:///etc/hostname">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:1/x.dtd"> %a;',
        '<!ENTITY b "' + "b" * 100 + '"><!ENTITY a "' + "&b;" * 100 + '">',
    ],
)
def test_entities_are_refused_before_they_are_declared(devkit, declaration):
    text = f"<!DOCTYPE annotation [{declaration}]><annotation>{SIZE}{item('&a;', 1, 1, 5, 5)}</annotation>"
    (devkit.root / XML).write_text(text)
    refuses(devkit, XML, "line 1: a DOCTYPE is not allowed in an annotation")


def test_image_that_is_missing(devkit):
    dataset = devkit.open()
    (devkit.root / "VOC2007/JPEGImages/000002.jpg").unlink()
    with pytest.raises(
        InputError, match=r"JPEGImages/000002\.jpg: no such file, but .*Annotations/000002\.xml lists it"
    ):
        dataset.check_files()
    with pytest.raises(InputError, match=r"000002\.jpg: no such file"):
        dataset[1]


def test_image_of_another_size_than_the_xml_says(devkit):
    devkit.first(SIZE.replace("40", "41"))
    dataset = devkit.open()
    dataset.check_files()
    with pytest.raises(InputError, match=r"000001\.jpg: is 40x30 pixels, but .*000001\.xml says 41x30"):
        dataset[0]


def test_digest_follows_lists_annotations_and_images(devkit):
    digests = {devkit.open().digest()}
    assert devkit.open().digest() in digests
    with (devkit.root / "VOC2007/JPEGImages/000001.jpg").open("ab") as file:
        file.write(b"x")
    digests.add(devkit.open().digest())
    devkit.first(SIZE + DOG)
    digests.add(devkit.open().digest())
    devkit.set_file.write_text("000002\n000001\n")
    digests.add(devkit.open().digest())
    assert len(digests) == 4


@pytest.fixture
def real_devkit(real_data):
    return real_data / "voc" / "VOCdevkit"


def test_real_training_images(real_devkit):
    dataset = VocDataset(real_devkit, ["VOC2007/trainval", "VOC2012/trainval"])
    dataset.check_files()
    assert len(dataset) == 1 + 67
    assert sum(len(truth.labels) for truth in dataset.truth()) == 5 + 181
    assert dataset.counts == {"num_difficult": 2 + 30, "num_degenerate": 0}
    assert dataset.num_boxes == 5 + 181 - 32
    assert VocDataset(real_devkit, ["VOC2012/trainval"], difficult="keep").num_boxes == 181
    assert len({label for truth in dataset.truth() for label in truth.labels.tolist()}) == 20
    for index in range(0, len(dataset), 5):
        image, target = dataset[index]
        assert tuple(image.shape[1:]) == target["size"]


def test_real_test_images(real_devkit):
    dataset = VocDataset(real_devkit, ["VOC2007/test"])
    assert (len(dataset), dataset.num_boxes) == (2, 3)
    assert [dataset.categories[label][1] for label in dataset.truth()[0].labels] == ["dog", "person"]
    assert dataset.truth()[0].boxes.tolist() == [[47, 239, 195, 371], [7, 11, 352, 498]]  # 48 240 195 371, 8 12 352 498


def test_real_annotation_with_parts(real_devkit):
    dataset = VocDataset(real_devkit, ["VOC2012/trainval"])
    (truth,) = [entry.truth for entry in dataset.entries if entry.source.name == "2007_000027.xml"]
    assert truth.boxes.tolist() == [[173, 100, 349, 351]]
    assert dataset.categories[int(truth.labels[0])] == (15, "person")


def test_real_annotation_with_a_fraction_and_another_order(real_devkit, tmp_path):
    (tmp_path / "VOC2012/ImageSets/Main").mkdir(parents=True)
    (tmp_path / "VOC2012/ImageSets/Main/unlisted.txt").write_text("2011_003353\n")
    for part in ("Annotations", "JPEGImages"):
        (tmp_path / "VOC2012" / part).symlink_to(real_devkit / "VOC2012" / part)
    dataset = VocDataset(tmp_path, ["VOC2012/unlisted"])
    assert dataset.truth()[0].boxes.tolist() == [[129, 44.70000076293945, 375, 470]]
    assert dataset[0][1]["size"] == (500, 375)
