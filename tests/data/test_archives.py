"""From archives on a server to a data set on disk."""

import shutil
from pathlib import Path

import pytest
from tests.data import official
from tests.data.server import Server, serve

from triplehead.data import archives
from triplehead.data.archives import absent, find, get, instructions
from triplehead.data.prepare import prepare
from triplehead.errors import InputError
from triplehead.plan.datasets import DatasetFile, read_dataset
from triplehead.plan.options import CocoFolder


@pytest.fixture
def server():
    with serve() as server:
        yield server


@pytest.fixture
def packed(tmp_path_factory) -> dict[str, bytes]:
    return official.pack(official.write(tmp_path_factory.mktemp("authors") / "set"))


@pytest.fixture
def declared(experiments, server: Server, packed) -> DatasetFile:
    server.files = {f"/{name}": content for name, content in packed.items()}
    official.declare(experiments, packed, server.address)
    return read_dataset("coco", experiments)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


def get_all(declared: DatasetFile, root: Path, **options) -> list[str]:
    lines = []
    for archive in declared.archives:
        get(declared, archive, root, say=lines.append, **options)
    return lines


def states(declared: DatasetFile, root: Path) -> list[str]:
    return [find(declared, archive, root).state for archive in declared.archives]


def test_a_data_set_comes_whole_and_can_be_trained_on(declared, root, tmp_path, server):
    assert states(declared, root) == ["missing"] * 3 and absent(declared, root)
    lines = get_all(declared, root)
    assert states(declared, root) == ["unpacked"] * 3 and not absent(declared, root)
    manifest = prepare(CocoFolder(source="folder", num_classes=10), root, tmp_path / "out", declared)
    assert [manifest["splits"][split]["num_images"] for split in ("train", "val")] == [6, 4]
    assert lines[0] == f"annotations.zip: from {server.address}/annotations.zip"


def test_the_second_time_nothing_is_asked_for(declared, root, server):
    get_all(declared, root)
    asked, files = len(server.requests), sorted(root.rglob("*"))
    assert get_all(declared, root) == [f"{name}: what it gives is there" for name in official.PARTS]
    shutil.rmtree(root / archives.FOLDER)
    get_all(declared, root)
    assert len(server.requests) == asked
    assert [file for file in files if archives.FOLDER not in file.parts] == sorted(root.rglob("*"))


def test_what_was_unpacked_and_then_lost_is_unpacked_from_the_archive(declared, root, server):
    get_all(declared, root)
    asked = len(server.requests)
    next((root / "coco" / "train2017").iterdir()).unlink()
    found = find(declared, declared.archives[2], root)
    assert (found.state, found.lacking) == ("ready", f"{root}/coco/train2017 holds 5 files, expected 6")
    get_all(declared, root)
    assert states(declared, root) == ["unpacked"] * 3 and len(server.requests) == asked


def test_again_unpacks_what_seems_to_be_there(declared, root):
    get_all(declared, root)
    image = next((root / "coco" / "val2017").iterdir())
    whole = image.read_bytes()
    image.write_bytes(b"broken")
    get_all(declared, root)
    assert image.read_bytes() == b"broken"
    get_all(declared, root, again=True)
    assert image.read_bytes() == whole


def test_an_archive_of_the_users_is_taken_but_checked(declared, root, server, packed):
    (root / archives.FOLDER).mkdir(parents=True)
    file = root / archives.FOLDER / "train.zip"
    file.write_bytes(packed["train.zip"][:-1])
    with pytest.raises(InputError, match=r"train\.zip: has .* bytes, expected"):
        get(declared, declared.archives[2], root)
    assert file.exists()
    file.write_bytes(packed["train.zip"])
    get(declared, declared.archives[2], root)
    assert server.requests == [] and find(declared, declared.archives[2], root).state == "unpacked"


def test_a_part_is_found(declared, root, server):
    server.cuts = [65536] + [0] * 20
    big = declared.archives[2].model_copy(update={"bytes": None, "md5": None})
    server.files["/train.zip"] = bytes(200_000)
    with pytest.raises(InputError, match="the same command goes on"):
        archives.download.fetch(big.url, root / archives.FOLDER / big.file, pause=0)
    found = find(declared, big, root)
    assert (found.state, found.bytes) == ("part", 65536)


def test_a_mirror(declared, root, server):
    server.files = {f"/copy{path}": content for path, content in server.files.items()}
    get_all(declared, root, mirror=f"{server.address}/copy/")
    assert {path for path, _ in server.requests} == {f"/copy/{name}" for name in official.PARTS}


def test_an_archive_that_holds_something_else(declared, root):
    other = declared.archives[0].model_copy(update={"gives": {"elsewhere": 1}})
    with pytest.raises(InputError, match=r"annotations\.zip: has been unpacked, but .*elsewhere is not there"):
        get(declared, other, root)


def test_an_unpacking_that_was_killed_is_not_taken_for_whole(declared, root):
    get_all(declared, root)
    (root / "coco" / ".train.zip.unpacking").mkdir()
    assert states(declared, root) == ["unpacked", "unpacked", "ready"]
    get_all(declared, root)
    assert states(declared, root) == ["unpacked"] * 3


def test_by_hand(root, packed):
    declared = read_dataset("visdrone")
    with pytest.raises(InputError, match=r"VisDrone2019-DET-train\.zip: no such file, .* by hand"):
        get(declared, declared.archives[0], root)
    said = instructions(declared, root)
    assert f"{root}/archives" in said and declared.page in said
    assert f"{root}/visdrone/VisDrone2019-DET-val/images (548 files)" in said
    assert "VisDrone2019-DET-test-dev.zip (if wanted)" in said
