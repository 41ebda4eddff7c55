"""A file appears whole or not at all."""

import pytest

from triplehead.errors import InputError
from triplehead.paths import atomic, check_places, workplace


def test_what_is_written_appears_with_its_folders(tmp_path):
    with atomic(tmp_path / "a" / "b.txt") as file:
        file.write_text("new")
        assert not (tmp_path / "a" / "b.txt").exists()
    assert (tmp_path / "a" / "b.txt").read_text() == "new"
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as file:
        file.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / ".b.txt.tmp").write_text("left over")
    with atomic(tmp_path / "b.txt") as file:
        file.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"b\.txt: cannot be written"), atomic(tmp_path / "file" / "b.txt") as file:
        file.write_text("never")


def test_a_link_replaces_a_link_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_text("")
    for _ in range(2):
        with atomic(tmp_path / "root") as link:
            link.symlink_to(tmp_path / "images")
    assert (tmp_path / "root" / "a.jpg").exists()


def test_a_folder_replaces_a_folder(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").write_text("")
    with atomic(tmp_path / "d") as folder:
        folder.mkdir()
        (folder / "new").write_text("")
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["new"]


def test_places_that_can_be_written_pass(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old.csv").write_text("x")
    check_places([tmp_path / "there/old.csv", tmp_path / "not/yet/new.csv"], [tmp_path / "other"])
    assert [path.name for path in tmp_path.iterdir()] == ["there"]  # nothing is made


def test_a_link_to_nowhere_is_no_folder(tmp_path):
    (tmp_path / "results").symlink_to(tmp_path / "unplugged")
    with pytest.raises(InputError, match=r"results: is no folder, but .*results/runs/ is to be written"):
        check_places([tmp_path / "results/runs/a.json"])


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # whoever runs the tests
    with pytest.raises(InputError, match=f"^{tmp_path}: cannot be written to, but {tmp_path}/results/ is to be"):
        check_places([tmp_path / "results/a.csv"])


def test_a_workplace_is_empty_and_gone_afterwards_however_the_one_before_ended(tmp_path):
    left = tmp_path / ".report.pdf.work.tmp"
    left.mkdir()
    (left / "of a killed process").touch()
    with workplace(tmp_path / "report.pdf") as folder:
        assert folder == left and not any(folder.iterdir())
        (folder / "page").touch()
    assert not left.exists()
    with pytest.raises(ZeroDivisionError), workplace(tmp_path / "report.pdf"):
        raise ZeroDivisionError
    assert not left.exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), workplace(tmp_path / "file" / "report.pdf"):
        pass
