"""Snakemake's side: what is promised works as typed, and mistakes end before anything runs."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.helpers import put_resamples

from triplehead.plan.plan import load_plan

ROOT = Path(__file__).parents[2]
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake"))]


@pytest.fixture
def clone(tmp_path) -> Path:
    """The tracked files that Snakemake reads, without results."""
    copy_project(tmp_path)
    return tmp_path


def copy_project(folder: Path) -> None:
    for name in ("workflow", "experiments", "profiles", "reports"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pdf"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key != "TRIPLEHEAD_CONFIG"}
    return subprocess.run(
        [*SNAKEMAKE, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_reproduce_all_plans_every_table_figure_and_the_report(clone):
    result = snakemake(clone, "-n", "--cores", "4", "reproduce_all")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    plan = load_plan()
    figures = sum(exhibit.kind == "figure" for exhibit in plan.exhibits.values())
    found = {rule: int(counts[rule]) for rule in ("train", "table", "figure", "speed", "claims", "report")}
    tables = len(plan.exhibits) - figures
    assert found == {
        "train": len(plan.runs),
        "table": tables,
        "figure": figures,
        "speed": 1,
        "claims": 1,
        "report": 1,
    }
    assert "resample" not in counts  # the end of `train`


def test_silence_plans_its_variants_and_their_defaults_only(clone):
    result = snakemake(clone, "-n", "silence", "--config", "seeds=2")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    plan = load_plan({"seeds": 2})
    defaults = {spec.id for variant in plan.variants for spec in plan.specs[variant.base]}
    assert int(counts["train"]) == len(plan.extra_runs) + len(defaults)
    assert counts["silence_effects"] == "1" and "report" not in counts and "table" not in counts


def test_a_wrong_claim_ends_before_anything_runs(clone):
    file = clone / "experiments" / "claims.yaml"
    file.write_text(file.read_text().replace("[table5, JLA]", "[table5, JAL]", 1))
    result = snakemake(clone, "results/table5.csv")
    assert result.returncode == 2
    assert "claims.yaml: claims.0.quantity: no row 'JAL' in table5" in result.stderr
    assert not (clone / "results").exists()


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("results/table99.csv", 1, "No rule to produce results/table99.csv"),
        ("results/runs/nothing/scores.json", 1, "No rule to produce results/runs/nothing/scores.json"),
        (
            "results/runs/proxy-fcos-s0-0000000000/scores.json",
            2,
            "error: proxy-fcos-s0-0000000000: no such run at scale",
        ),
    ],
)
def test_what_nothing_makes_is_named_before_anything_runs(clone, target, status, said):
    result = snakemake(clone, "--cores", "1", target)
    assert result.returncode == status and said in result.stderr
    assert "Traceback" not in result.stderr and not (clone / "results").exists()


def test_braces_in_the_folders_path_are_one_line(clone):
    folder = clone.with_name("a {study}")
    clone.rename(folder)
    result = snakemake(folder, "-n")
    assert result.returncode == 2 and f"error: {folder}: has braces in its path" in result.stderr
    assert "Traceback" not in result.stderr


def test_braces_in_a_claim_are_no_wildcard(clone):
    file = clone / "experiments" / "claims.yaml"
    file.write_text(re.sub(r"title: (.*)", r"title: \1 {x}", file.read_text(), count=1))
    assert "{x}" in file.read_text()
    result = snakemake(clone, "-n", "--cores", "1", "results/claims.csv")
    assert result.returncode == 0, result.stderr


def test_one_table_without_cores_plans_only_its_runs(clone):
    result = snakemake(clone, "-n", "results/table5.csv")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (counts["train"], counts["table"]) == ("21", "1")
    assert "report" not in counts


def test_one_figure_plans_only_its_runs_and_their_data(clone):
    result = snakemake(clone, "-n", "results/fig4.pdf", "--config", "seeds=1")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (counts["train"], counts["figure"], counts["data"]) == ("2", "1", "1")
    assert "table" not in counts
    job = result.stdout.split("rule figure:")[1].split("rule ")[0]
    assert job.count("assignments.json.gz") == job.count("history.csv") == 2


def test_a_figure_that_nothing_draws_ends_before_anything_runs(clone):
    (clone / "experiments" / "fig4.yaml").rename(clone / "experiments" / "fig7.yaml")
    (clone / "experiments" / "claims.yaml").unlink()
    (clone / "experiments" / "silence.yaml").unlink()
    result = snakemake(clone, "-n")
    assert result.returncode == 2
    assert "error: fig7: no such figure; allowed: fig4" in result.stderr and "Traceback" not in result.stderr


def test_speed_needs_one_seed_and_takes_all_cores(clone):
    result = snakemake(clone, "-n", "results/table3.csv", "--cores", "3")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (counts["train"], counts["speed"], counts["table"]) == ("3", "1", "1")
    job = result.stdout.split("rule speed:")[1].split("rule ")[0]
    assert "threads: 3" in job
    assert job.count("model.pt") == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("scale=huge", "scale: no scale 'huge'; allowed: mini, paper, proxy, smoke"),
        ("sede=3", "sede: unknown key; did you mean seeds?"),
        ("seeds=none", "seeds: input should be a valid integer, found 'none'"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_status_2(clone, config, message):
    result = snakemake(clone, "-n", "--config", config)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if "error" in line.lower()]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in result.stderr


def test_a_wrong_spec_ends_before_anything_runs(clone):
    file = clone / "experiments" / "table1.yaml"
    file.write_text(file.read_text().replace("{k: 25}", "{k: -25}"))
    result = snakemake(clone, "results/table5.csv")
    assert result.returncode == 2
    assert "table1.yaml: rows.0.spec.assigner.k: input should be greater than 0, found -25" in result.stderr
    assert not (clone / "results").exists()


def pretend_done(folder: Path) -> None:
    """Run Table 5's DAG with commands that only touch their outputs: Snakemake keeps its books as ever."""
    for file in (folder / "workflow" / "rules").glob("*.smk"):
        file.write_text(re.sub(r'"triplehead [^"]*"', '"touch {output:q}"', file.read_text()))
    done = snakemake(folder, "results/table5.csv", "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0, done.stderr
    put_resamples(folder, "smoke")
    assert "Nothing to be done" in planned(folder)


def planned(folder: Path, *config: str) -> str:
    result = snakemake(folder, "-n", "results/table5.csv", "--cores", "1", "--config", "scale=smoke", *config)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_only_what_changed_is_trained_again(clone):
    """What is no part of a run's spec retrains nothing; another spec trains its own run alone."""
    pretend_done(clone)
    assert "rule train:" not in planned(clone, "data_root=/somewhere")
    assert "rule train:" not in planned(clone, "tracking_uri=sqlite:///elsewhere.db")
    assert planned(clone, "seeds=2").count("rule train:") == 7  # the second seed of seven rows
    for made in ("data/*/manifest.json", "pretrained/*.pt"):  # anew, by another data_root or a file that was copied
        (file,) = clone.glob(f"results/{made}")
        file.write_text("other")
        assert "rule train:" not in planned(clone)
    file = clone / "experiments" / "table5.yaml"
    text = file.read_text()
    file.write_text(text.replace("published: {AP: 37.0}", "published: {AP: 37.1}"))
    relabelled = planned(clone)
    assert "rule train:" not in relabelled and "rule table:" in relabelled
    file.write_text(text.replace("spec: {detector: baseline}", "spec: {detector: baseline, loss: {box: iou}}"))
    assert planned(clone).count("rule train:") == 1


def test_resamples_of_trained_runs_are_made_after_them_and_nothing_is_trained(clone):
    """A run without resamples or with another draw: rule `resample` alone, and the file stays that rule's."""
    pretend_done(clone)
    plan = load_plan({"scale": "smoke"})
    files = [clone / "results" / "runs" / run / "replicates.npz" for run in plan.run_ids("table5")[:2]]
    put_resamples(clone, "smoke", [files[1]], seed=plan.scale.resampling.seed + 1)
    files[0].unlink()
    wanted = planned(clone)
    assert wanted.count("rule resample:") == 2 and "rule train" not in wanted
    done = snakemake(clone, "results/table5.csv", "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0 and "rule train" not in done.stdout + done.stderr
    put_resamples(clone, "smoke", files)
    assert "Nothing to be done" in planned(clone)


def test_resamples_that_are_damaged_are_made_again(clone):
    """Whichever rule made them, as soon as somebody reads them."""
    pretend_done(clone)
    plan = load_plan({"scale": "smoke"})
    file = clone / "results" / "runs" / plan.run_ids("table5")[0] / "replicates.npz"
    for _ in ("train", "resample"):
        file.write_bytes(file.read_bytes()[:-1])
        (clone / "results" / "table5.csv").unlink()
        wanted = planned(clone)
        assert wanted.count("rule resample:") == 1 and "rule train" not in wanted and "rule table:" in wanted
        done = snakemake(clone, "results/table5.csv", "--cores", "2", "--config", "scale=smoke")
        assert done.returncode == 0 and "rule train" not in done.stdout + done.stderr
        put_resamples(clone, "smoke", [file])
        assert "Nothing to be done" in planned(clone)


@pytest.mark.parametrize(
    ("root", "message"),
    [([], "data_root: is not set, expected the folder of scale"), (["data_root=nowhere"], "nowhere: no such folder,")],
)
def test_a_data_root_that_is_not_there_is_named_before_anything_runs(clone, root, message):
    """But only where the target needs it."""
    for dry in ([], ["-n"]):
        result = snakemake(clone, "results/table5.csv", *dry, "--cores", "2", "--config", "scale=mini", *root)
        assert result.returncode == 2
        assert [line for line in result.stderr.splitlines() if "error" in line] == [result.stderr.splitlines()[-1]]
        assert f"error: {message}" in result.stderr and "Traceback" not in result.stderr
        assert not (clone / "results").exists() and not list(clone.glob(".snakemake/locks/*"))
    counted = snakemake(clone, "results/table4.csv", "-n", "--config", "scale=paper", *root)
    assert counted.returncode == 0, counted.stderr


@pytest.mark.parametrize("place", ["results", "results/data", "results/table4.csv", "logs", "logs/tables", "reports"])
def test_a_place_that_cannot_be_written_is_named_before_anything_runs(clone, place):
    """A file where a folder is wanted, or the other way round: Snakemake's own words for it are a traceback."""
    path = clone / place
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if path.suffix else path.touch()
    result = snakemake(clone, "results/table4.csv", "--cores", "1")
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: {place}: is ") and last.endswith("; move it away")
    assert "Traceback" not in result.stderr


def test_results_of_the_future_are_dated_to_now(clone):
    table, target = clone / "results" / "table4.csv", ["results/table4.csv", "--cores", "1"]
    assert snakemake(clone, *target).returncode == 0
    os.utime(table, (time.time() + 86_400,) * 2)
    again = snakemake(clone, *target)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
    assert "the clock was set back: files of the future, dated now: 1\n" in again.stderr
    assert table.stat().st_mtime <= time.time()


def test_an_annotation_of_the_future_is_named(clone, tmp_path):
    coco = tmp_path / "root" / "coco"
    for folder in ("train2017", "val2017", "annotations"):
        (coco / folder).mkdir(parents=True)
    for part in ("train", "val"):
        (coco / "annotations" / f"instances_{part}2017.json").write_text("{}")
    late = coco / "annotations" / "instances_val2017.json"
    os.utime(late, (time.time() + 86_400,) * 2)
    result = snakemake(clone, "results/table5.csv", "-n", "--config", "scale=mini", f"data_root={tmp_path / 'root'}")
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"error: {late}: was last changed in the future (")


def test_an_annotation_changed_in_place_is_other_data(clone, tmp_path):
    """VOC's and VisDrone's annotations are too many files to be inputs of the rule."""
    root = tmp_path / "root" / "visdrone"
    for split in ("train", "val"):
        for name in ("images", "annotations"):
            (root / f"VisDrone2019-DET-{split}" / name).mkdir(parents=True)
        (root / f"VisDrone2019-DET-{split}" / "annotations" / "a.txt").write_text("1,1,5,5,1,1,0,0\n")
    data = f"results/data/{load_plan({'scale': 'mini'}).specs['table7', 'FCOS'][0].data_id}"
    rules = clone / "workflow" / "rules" / "data.smk"
    rules.write_text(re.sub(r'"triplehead [^"]*"', '"touch {output:q}"', rules.read_text()))
    call = [f"{data}/manifest.json", "--cores", "1", "--config", "scale=mini", f"data_root={tmp_path / 'root'}"]
    assert snakemake(clone, *call).returncode == 0
    assert "Nothing to be done" in snakemake(clone, "-n", *call).stdout
    (root / "VisDrone2019-DET-val" / "annotations" / "a.txt").write_text("2,2,5,5,1,1,0,0\n")
    assert "rule data:" in snakemake(clone, "-n", *call).stdout


def test_tables_of_another_scale_are_not_replaced_unasked(clone):
    target = ("--cores", "1", "results/table4.csv", "--config")
    assert snakemake(clone, *target, "scale=smoke").returncode == 0
    before = (clone / "results/table4.csv").read_bytes()
    refused = snakemake(clone, *target, "scale=mini")
    assert refused.returncode != 0
    assert "error: scale: found mini, but results/ is for scale smoke, whose tables it would replace" in refused.stderr
    assert (clone / "results/table4.csv").read_bytes() == before
    assert snakemake(clone, *target, "scale=smoke").returncode == 0
    assert snakemake(clone, *target, "scale=mini", "other_scale=replace").returncode == 0
    assert "found smoke" in snakemake(clone, "-n", *target, "scale=smoke").stderr
