"""The command line: what it prints, and that a mistake is one line and status 2."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

from triplehead import __version__
from triplehead.digests import record
from triplehead.plan.plan import load_plan


@pytest.fixture(autouse=True)
def _without_results(tmp_path_factory, monkeypatch):
    """Not where a study may have been run: what lies below results/ is part of most answers."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(folder)


def triplehead(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "triplehead", *arguments]
    wide = os.environ | {"COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=wide, cwd=cwd)


def test_params_are_table_4():
    result = triplehead("params", "--json")
    rows = json.loads(result.stdout)
    assert {label: row["counted"] for label, row in rows.items()} == {
        "FCOS": 32_244_250,
        "Faster R-CNN": 41_704_036,
        "Ours": 34_614_307,
    }
    for row in rows.values():
        assert sum(row["parts"].values()) == row["counted"] == row["published"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "-c", "scale=huge"), "error: --config: scale: no scale 'huge'"),
        (("plan", "--scale", "huge"), "error: --config: scale: no scale 'huge'"),
        (("plan", "--scale", "smoke", "-c", "scale=proxy"), "--scale: smoke, but --config says scale=proxy"),
        (("plan", "--batch-size", "2"), "--batch-size: is for --calibrate alone"),
        (("plan", "tabel5"), "tabel5: no such exhibit; did you mean table5? allowed: table1"),
        (("plan", "table5", "--power"), "--power: is about the whole study, not table5 alone"),
        (("bench", "--scale", "huge"), "error: --config: scale: no scale 'huge'"),
        (("plan", "-c", "scale"), "--config: expected KEY=VALUE, found 'scale'"),
        (("status", "-c", "extra=2024-13-45"), "2024-13-45: no such folder, expected that of your experiments"),
        (("status", "-c", "seeds=0b_"), "--config: seeds: "),
        (("status", "-c", "seeds=" + "9" * 5000), "--config: seeds: "),
        (("status", "-c", "seeds=" + "[" * 3000 + "]" * 3000), "--config: seeds: is nested too deep"),
        (("data", "check", "-c", "scale=mini", "-c", "data_root=" + "x" * 300), "File name too long"),
        (("train", "nothing"), "nothing: no such run at scale proxy"),
        (("resample", "nothing"), "nothing: no such run at scale proxy"),
        (("verify", "table99"), "table99: no such exhibit; allowed: table1"),
        (("speed", "table5"), "table5: no such exhibit of kind speed; allowed: table3"),
        (("table", "table99"), "table99: no such table; allowed: table1"),
        (("testdev", "pack", "nothing", "--out", "there"), "nothing: no such run at scale proxy"),
        (("testdev", "scores", "nothing", "stdout.txt"), "nothing: no such run at scale proxy"),
        (("figure", "fig99"), "fig99: no such figure; allowed: overview, fig4"),
        (("data", "prepare", "nothing"), "nothing: no such data at scale proxy"),
        (
            ("claims", "jla-gian"),
            "jla-gian: no such claim; did you mean jla-gain? `triplehead claims` has each one's id",
        ),
        (("claims", "??"), "??: no such claim; `triplehead claims` has each one's id"),
        (
            ("audit", "theta-rul"),
            "theta-rul: no such entry; did you mean theta-rule? `triplehead audit` has each one's id",
        ),
        (("plan", "-c", "tracking_uri=5"), "--config: tracking_uri: input should be a valid string, found 5"),
        (("plan", "-c", "tracking_uri=foo"), "--config: tracking_uri: expected one of http://..., https://..., sqlite"),
        (("plan", "--gpus", "0"), "error: triplehead plan: invalid value for '--gpus': Input should be greater"),
        (("new", "foo", "mine"), "error: triplehead new: invalid value for 'part': 'foo' is not one of 'assigner',"),
        (("foo",), "error: triplehead: no such command 'foo'"),
        (("data", "foo"), "error: triplehead data: no such command 'foo'"),
        (("plan", "--gups", "2"), "error: triplehead plan: no such option: --gups"),
        (("train",), "error: triplehead train: missing argument 'run_id'"),
        (("status", "now"), "error: triplehead status: got unexpected extra argument(s) (now)"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message):
    result = triplehead(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert result.stdout == ""


def test_the_file_is_named_where_the_file_says_it(experiments):
    file = experiments / "config.yaml"
    for key, wrong in (("scale", "huge"), ("tracking_uri", "foo")):
        text = file.read_text()
        file.write_text(re.sub(rf"^{key}: \w+", f"{key}: {wrong}", text, flags=re.MULTILINE))
        said = triplehead("plan", cwd=experiments.parent)
        file.write_text(text)
        assert said.returncode == 2 and said.stderr.startswith(f"error: experiments/config.yaml: {key}: ")


def test_a_command_without_its_subcommand_is_told_them():
    result = triplehead("data")
    assert result.returncode == 2 and "Usage: triplehead data" in result.stdout and result.stderr == ""
    assert triplehead("data", "--help").returncode == 0


def test_status_and_plan_know_the_tables_of_ones_own_folder(tmp_path):
    folder = tmp_path / "my folder"
    assert triplehead("new", "loss", "mine", "--into", str(folder)).returncode == 0
    found = json.loads(triplehead("status", "--json", "-c", "scale=smoke", "--extra", str(folder)).stdout)
    assert "mine" in [each["name"] for each in found["exhibits"]]
    wrong = triplehead("status", "--extra", str(folder), "-c", "extra=other")
    assert wrong.returncode == 2 and "--config says extra=other" in wrong.stderr


@pytest.mark.parametrize("command", ["tables", "rebuild"])
def test_a_table_that_is_cut_short_is_not_logged(tmp_path, experiments, command):
    results = tmp_path / "results"
    results.mkdir()
    if command == "tables":
        result = triplehead("track", "tables", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (2, "error: results/table1.csv: no such table; make it first\n")
    (results / "table1.csv").write_text("exhibit,row,label,metric,mean,std\ntable1,0,K = 25,AP,3")
    result = triplehead("track", command, cwd=tmp_path)
    assert result.returncode == 2
    assert (
        result.stderr.startswith("error: results/table1.csv: expected the columns") and "Traceback" not in result.stderr
    )
    assert [file.name for file in results.iterdir()] == ["table1.csv"]


def test_power_says_what_is_not_measured():
    result = triplehead("plan", "--power", "--json", "-c", "scale=smoke")
    found = json.loads(result.stdout)["differences"]
    claimed = {
        (each["metric"], each["a"][1], each["b"][1]): each["claimed"] for each in found if each["a"][0] == "table5"
    }
    assert claimed["AP", "JLA", "Baseline"] == pytest.approx(4.5)
    assert claimed["AP75", "JLA", "Baseline"] == pytest.approx(5.0)
    assert "not measured" in triplehead("plan", "--power", "-c", "scale=smoke").stdout


def test_verify_passes_on_the_parameters_and_fails_on_another_count(experiments, tmp_path, monkeypatch):
    assert triplehead("verify", "table4").returncode == 0
    said = triplehead("verify").stdout
    assert "With bands: table4 (3 cells).\n" in said
    assert (
        "no row carries a band at scale proxy: table1, table2, table3, table5, table6, table7, table8, table9" in said
    )
    file = experiments / "table4.yaml"
    file.write_text(file.read_text().replace("34614307}, accept", "34614308}, accept"))
    monkeypatch.chdir(tmp_path)
    result = triplehead("verify", "table4")
    assert result.returncode == 1 and "2 within, 1 outside" in result.stdout
    assert "nothing to verify" in triplehead("verify", "table5").stdout


def test_what_verify_says_fits_80_columns():
    command = [sys.executable, "-m", "triplehead", "verify"]
    said = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}).stdout
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    assert "table1, table2, table3, table5" in " ".join(said.split()) and "(docs/statistics.md)." in said


def test_audit_as_json_and_one_entry():
    entries = {entry["id"]: entry for entry in json.loads(triplehead("audit", "--json").stdout)}
    assert (
        entries["gain-over-fcos"]["outcome"] == "contradiction"
        and "40.3 − 37.0 = 3.3" in entries["gain-over-fcos"]["result"]
    )
    listed = " ".join(triplehead("audit").stdout.split())
    assert "AP (IoU threshold is 0.05)" in listed and "implausible │ small-objects (Table 9" in listed
    assert "2 implausible numbers" in listed
    one = triplehead("audit", "theta-rule")
    assert one.returncode == 0 and "0.433 (n = 3)" in one.stdout
    wrong = triplehead("audit", "theta")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: theta: no such entry; did you mean theta-rule? ")


def test_audit_shows_the_sentence_of_each_finding():
    said = " ".join(re.sub(r"[│┃]", " ", triplehead("audit").stdout).split())
    entries = json.loads(triplehead("audit", "--json").stdout)
    assert len(entries) > 20 and all(entry["sentence"] for entry in entries)
    for entry in entries:
        assert f"“{' '.join(entry['sentence'].split())}”" in said


def test_claims_of_a_study_that_has_not_run(tmp_path, monkeypatch):
    (tmp_path / "experiments").symlink_to(os.path.abspath("experiments"))
    monkeypatch.chdir(tmp_path)
    result = triplehead("claims", "--write", "-c", "scale=proxy")
    assert result.returncode == 0, result.stderr
    assert "42 not measured at this scale" in result.stdout and "3 supported" in result.stdout
    first = (tmp_path / "results" / "claims.csv").read_bytes()
    triplehead("claims", "--write", "-c", "scale=proxy")
    assert (tmp_path / "results" / "claims.csv").read_bytes() == first
    missing = triplehead("silence", "-c", "scale=proxy")
    assert missing.returncode == 2 and "run `snakemake silence` first" in missing.stderr


def test_verify_as_json_says_the_same_as_its_status(experiments, tmp_path, monkeypatch):
    found = json.loads(triplehead("verify", "table4", "--json", "-c", "scale=smoke").stdout)
    assert found["scale"] == "smoke" and found["passed"] is True and found["counts"] == {"within": 3}
    ours = next(cell for cell in found["cells"] if cell["row"] == "Ours")
    assert ours["expected"] == ours["measured"] == 34_614_307 and ours["tolerance"] == 0 and ours["n"] == 1
    file = experiments / "table4.yaml"
    file.write_text(file.read_text().replace("34614307}, accept", "34614308}, accept"))
    monkeypatch.chdir(tmp_path)
    result = triplehead("verify", "--json")
    found = json.loads(result.stdout)
    assert result.returncode == 1 and found["passed"] is False and found["counts"]["outside"] == 1
    made = tmp_path / "results" / "a.csv"
    made.parent.mkdir()
    made.write_text("1")
    record("table/a", [made], tmp_path / "results")
    made.write_text("2")
    found = json.loads(triplehead("verify", "table5", "--json").stdout)
    assert found["cells"] == [] and found["passed"] is False and found["files"]["known"] == 1
    assert [each["file"] for each in found["files"]["altered"]] == ["results/a.csv"]


@pytest.mark.parametrize("command", ["plan", "plan --json", "status", "audit", "data check -c scale=smoke", "--help"])
def test_whoever_has_read_enough_of_it_hears_no_complaint(command):
    """The reader is gone before the first line, as `head` is before a later one."""
    arguments = [sys.executable, "-m", "triplehead", *command.split()]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(timeout=120) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", ["plan --json", "audit", "status"])
def test_a_full_disk_is_one_line(command):
    with open("/dev/full", "w") as full:
        arguments = [sys.executable, "-m", "triplehead", *command.split()]
        result = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert result.returncode == 2
    assert result.stderr == "error: standard output: cannot be written (No space left on device)\n"


def test_a_mistake_is_one_whether_or_not_somebody_can_hear_it():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "triplehead", "plan", "nonsense"]
        assert subprocess.run(command, stderr=full, stdout=subprocess.DEVNULL, timeout=120).returncode == 2


def test_a_run_that_is_done_is_not_trained_by_hand(tmp_path):
    run = next(iter(load_plan({"scale": "smoke"}).runs))
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    scores = tmp_path / "results" / "runs" / run / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("{}")
    digests = tmp_path / "results" / "digests" / "train" / f"{run}.json"
    digests.parent.mkdir(parents=True)
    digests.write_text("{}")
    result = triplehead("train", run, "-c", "scale=smoke", cwd=tmp_path)
    assert result.returncode == 2 and f"results/runs/{run}: holds this run, trained and scored" in result.stderr
    assert digests.read_text() == "{}"


def test_the_version():
    result = triplehead("--version")
    assert (result.returncode, result.stdout) == (0, f"triplehead {__version__}\n")


def test_standard_output_may_be_closed():
    command = f"{sys.executable} -m triplehead status -c scale=smoke >&-"
    result = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")


def test_claims_that_cannot_be_judged_stand_below_the_reason_a_line_each():
    narrow = os.environ | {"COLUMNS": "80"}
    command = [sys.executable, "-m", "triplehead", "claims", "-c", "scale=smoke"]
    said = subprocess.run(command, capture_output=True, text=True, env=narrow).stdout
    lines = [line.rstrip() for line in said.splitlines()]
    assert max(map(len, lines)) <= 80
    reason = lines.index("Not judged: training at the smoke scale is so short that its numbers mean")
    claims = [claim for claim in load_plan().claims.claims if claim.quantity.kind != "parameters"]
    listed = lines[reason + 2 : reason + 2 + len(claims)]
    assert [line.split(maxsplit=1) for line in listed] == [
        [claim.id, f"{claim.title} ({claim.section})"] for claim in claims
    ]
    assert len({line.index(claim.title) for line, claim in zip(listed, claims, strict=True)}) == 1  # aligned


def test_one_claim_in_full():
    said = triplehead("claims", "parameters-exact", "-c", "scale=smoke").stdout
    words = " ".join(said.split())
    assert words.startswith("Scale smoke claim: parameters-exact title: Parameters of Ours ")
    assert " value: 34614307 " in words and " says: Counted exactly, at any scale: as claimed. " in words
    (entry,) = json.loads(triplehead("claims", "parameters-exact", "--json").stdout)
    assert entry["verdict"] == "supported"
    wrong = triplehead("claims", "parameters")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: parameters: no such claim; ")


def test_claims_as_json_are_the_ledger_by_claim():
    found = json.loads(triplehead("claims", "--json", "-c", "scale=smoke").stdout)
    by_id = {entry["claim"]: entry for entry in found}
    assert len(by_id) == len(found) == len(load_plan({"scale": "smoke"}).claims.claims)
    assert by_id["parameters-exact"]["verdict"] == "supported"
    assert {"published", "value", "low", "high", "n", "verdict", "says", "scale"} <= by_id["parameters-exact"].keys()


def test_what_data_check_finds_as_json(tmp_path):
    result = triplehead("data", "check", "coco", "--json", "-c", "scale=paper", "-c", f"data_root={tmp_path}")
    found = json.loads(result.stdout)
    assert result.returncode == 2 and found["data_root"] == str(tmp_path)
    train = found["datasets"]["coco"]["splits"]["train"]
    assert train["state"] == "missing" and train["fault"] and train["official"]["images"] == 118_287


def test_bench_shows_what_it_writes(tmp_path, monkeypatch, capsys):
    from triplehead.cli import bench as command
    from triplehead.engine import bench

    step = {"step_seconds": {"median": 0.28}, "step_memory": 18_400_000_000, "FPS": 27.72}
    shares = {"assign_share": {"early": 0.072, "late": 0.07}}
    rows = [
        {"label": "Ours", "precision": "32-true"} | step | shares | {"crowd": {"out_of_memory": True}},
        {"label": "JLA", "precision": "32-true"} | step | shares | {"crowd": {"assign_share": {"early": 0.1, "late": 0.131}}},
        {"label": "Faster R-CNN", "precision": "bf16-mixed"} | step | {"step_memory": None},
        {"label": "FCOS", "precision": "bf16-mixed", "out_of_memory": True},
    ]  # fmt: skip
    monkeypatch.setattr(bench, "bench", lambda *_: {"hardware": "H200", "rows": rows})
    monkeypatch.setattr(bench, "write_bench", lambda record: tmp_path / "h200.json")
    command.bench(scale="smoke", accelerator="cpu", batch_size=None, repeats=20, warmup=5)
    said = [re.findall(r"[^\s│]+", line) for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert said == [
        ["Ours", "32-true", "280", "18.4", "7.2%", "full", "27.7"],
        ["JLA", "32-true", "280", "18.4", "7.2%", "13.1%", "27.7"],
        ["Faster", "R-CNN", "bf16-mixed", "280", "27.7"],
        ["FCOS", "bf16-mixed", "full"],
    ]
