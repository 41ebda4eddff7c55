"""triplehead data check, download, prepare: what they print, and their status."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data import official
from tests.data.server import serve

from triplehead.plan.plan import load_plan


@pytest.fixture
def server():
    with serve() as server:
        yield server


@pytest.fixture
def project(experiments, server, tmp_path) -> Path:
    """A folder to run commands in, whose COCO is a small one that a server on the loopback address has."""
    packed = official.pack(official.write(tmp_path / "authors"))
    server.files = {f"/{name}": content for name, content in packed.items()}
    official.declare(experiments, packed, server.address)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "triplehead", "data", arguments[0], "-c", "scale=mini", *arguments[1:]]
    environment = os.environ | {"COLUMNS": "200", "NO_PROXY": "127.0.0.1"}
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, env=environment)


def failed(result: subprocess.CompletedProcess, *said: str) -> None:
    assert result.returncode == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ") and result.stderr.count("error: ") == 1, result.stderr
    assert all(each in line for each in said), line


def test_from_nothing_to_a_checked_data_set(project, server):
    root = "data_root=root"
    failed(run(project, "check", "coco", "-c", root), "root: no such folder, expected data_root")
    (project / "root").mkdir()
    missing = run(project, "check", "coco", "-c", root)
    failed(missing, "root/coco/train2017: no such folder", "`triplehead data download coco -c data_root=root` gets it")
    assert "- of 6" in missing.stdout and "missing" in missing.stdout

    server.cuts = [None, None, 100]
    got = run(project, "download", "coco", "-c", root)
    assert got.returncode == 0, got.stderr
    assert got.stderr.count("unpacked to root/coco") == 3

    there = run(project, "check", "coco", "-c", root, "-c", "data_complete=true")
    assert there.returncode == 0, there.stderr
    assert there.stdout.count("complete") == 2 and there.stderr == ""

    asked = len(server.requests)
    again = run(project, "download", "coco", "-c", root)
    assert again.stderr.count("what it gives is there") == 3 and len(server.requests) == asked


def test_check_as_json_tells_what_is_there(project):
    shutil.copytree(project / "authors", project / "root" / "coco")
    archives = project / "root" / "archives"
    archives.mkdir()
    (archives / "val.tar.gz.part").write_bytes(b"12345")
    for file in list((project / "root/coco/val2017").iterdir())[:1]:
        file.unlink()
    result = run(project, "check", "coco", "--json", "-c", "data_root=root")
    failed(result, "coco: root/coco/val2017/", ".png: no such file")
    coco = json.loads(result.stdout)["datasets"]["coco"]
    assert coco["splits"]["train"]["state"] == "complete"
    assert coco["splits"]["train"]["found"]["images"] == coco["splits"]["train"]["official"]["images"] == 6
    assert (coco["splits"]["val"]["state"], coco["splits"]["val"]["found"]) == ("wrong", None)
    assert [(each["archive"], each["state"]) for each in coco["archives"]] == [
        ("annotations.zip", "unpacked"), ("val.tar.gz", "part"), ("train.zip", "unpacked")
    ]  # fmt: skip
    assert coco["archives"][1]["bytes"] == 5
    assert "val.tar.gz: part (5 bytes), not unpacked:" in run(project, "check", "coco", "-c", "data_root=root").stdout


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"category_id": 3,', '"category_id": 5,', "category_id 5 is not the id of a category"),
        ('"name": "nine"', '"name": "nine"}, {"id": 99, "name": "ten"', "has 11 categories, expected 10"),
        ('"iscrowd": 0', '"iscrowd": 2', "iscrowd is 2, expected 0 or 1"),
    ],
)
def test_labels_outside_the_classes(project, before, after, said):
    shutil.copytree(project / "authors", project / "root" / "coco")
    file = project / "root" / "coco" / "annotations" / "instances_train2017.json"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    data_id = load_plan({"scale": "mini"}, project / "experiments").specs["table5", "FCOS"][0].data_id
    for command in (("check", "coco"), ("prepare", data_id)):
        failed(run(project, *command, "-c", "data_root=root"), "instances_train2017.json: ", said)
    assert not list(project.glob("results/data/*/manifest.json"))


def test_prepare_demands_whole_data_sets_where_asked(project):
    shutil.copytree(project / "authors", project / "root" / "coco")
    declared = project / "experiments" / "datasets" / "coco.yaml"
    declared.write_text(declared.read_text().replace("images: 6", "images: 7"))
    data_id = load_plan({"scale": "mini"}, project / "experiments").specs["table5", "FCOS"][0].data_id
    demanded = run(project, "prepare", data_id, "-c", "data_root=root", "-c", "data_complete=true")
    failed(demanded, "the train split has 6 images, expected 7", "data_complete=false takes it as it is")
    assert "download" not in demanded.stderr  # nothing is absent
    assert run(project, "prepare", data_id, "-c", "data_root=root").returncode == 0


def test_prepare_says_how_to_get_what_is_absent(project):
    data_id = load_plan({"scale": "mini"}, project / "experiments").specs["table7", "FCOS"][0].data_id
    (project / "root").mkdir()
    absent = run(project, "prepare", data_id, "-c", "data_root=root")
    failed(absent, "visdrone/VisDrone2019-DET-train/images: no such folder", "data download visdrone", "says how")


def test_visdrone_is_fetched_by_hand(project):
    result = run(project, "download", "visdrone", "-c", "data_root=root")
    failed(result, "root/archives/VisDrone2019-DET-train.zip: no such file; it must be fetched by hand")
    assert "https://github.com/VisDrone/VisDrone-Dataset" in result.stdout


def test_archives_by_name(project, server):
    result = run(project, "download", "coco", "--archive", "train.zip", "-c", "data_root=root")
    assert result.returncode == 0 and [path for path, _ in server.requests] == ["/train.zip"]
    failed(
        run(project, "download", "coco", "--archive", "x.zip", "-c", "data_root=root"),
        "x.zip: no such archive of Made up; allowed: annotations.zip, val.tar.gz, train.zip",
    )


def test_a_mirror_by_configuration(project, server):
    server.files = {f"/copy{path}": content for path, content in server.files.items()}
    mirror = f"data_mirror={server.address}/copy"
    assert run(project, "download", "coco", "-c", "data_root=root", "-c", mirror).returncode == 0
    failed(run(project, "download", "coco", "-c", "data_root=root", "-c", "data_mirror=nowhere"), "data_mirror")


def test_a_mirrors_password_is_not_shown(project):
    mirror = "data_mirror=http://user:secret@127.0.0.1:1/a"
    result = run(project, "download", "coco", "-c", "data_root=root", "-c", mirror)
    failed(result, "data_mirror: expected no name or password in the address", "~/.netrc")
    assert "secret" not in result.stdout + result.stderr


def test_check_and_prepare_want_the_same_categories_of_both_splits(project):
    shutil.copytree(project / "authors", project / "root" / "coco")
    file = project / "root" / "coco" / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    content["categories"][0]["name"] = "martian"
    file.write_text(json.dumps(content))
    data_id = load_plan({"scale": "mini"}, project / "experiments").specs["table5", "FCOS"][0].data_id
    for command in (("check", "coco"), ("prepare", data_id)):
        failed(run(project, *command, "-c", "data_root=root"), "instances_val2017.json: its categories differ from")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("download", "imagenet", "-c", "data_root=root"), "imagenet: no such data set; allowed: coco, voc, visdrone"),
        (("download", "coco"), "data_root: is not set"),
        (("check", "coco"), "data_root: is not set"),
        (("check", "imagenet", "-c", "data_root=root"), "imagenet: no such data set at scale mini; allowed: coco"),
        (
            ("check", "coco", "-c", "scale=smoke", "-c", "data_root=root"),
            "coco: no such data set at scale smoke; allowed: none, it draws its own; -c scale=paper has it",
        ),
    ],
)
def test_mistakes(project, arguments, said):
    failed(run(project, *arguments), said)


def test_a_scale_that_draws_its_own(project):
    result = run(project, "check", "-c", "scale=proxy")
    assert result.returncode == 0 and result.stdout.startswith("Scale proxy\nIt draws its own data")


def test_real_samples_at_both_scales(project, real_data):
    shutil.copytree("experiments", project / "experiments", dirs_exist_ok=True)
    there = run(project, "check", "-c", f"data_root={real_data}")
    assert there.returncode == 0, there.stderr
    assert "86 of 118,287" in there.stdout and there.stdout.count("other counts") == 6
    demanded = run(project, "check", "-c", f"data_root={real_data}", "-c", "data_complete=true")
    failed(demanded, "coco: the train split has 86 images, expected 118,287", "(and 5 more)")
