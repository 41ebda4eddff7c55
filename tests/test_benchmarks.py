"""What is timed side by side gives the same result; the harness itself."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import coverage, evaluation, measure, parts, plan, probes
from benchmarks.__main__ import _line, cells, digits
from benchmarks.assigner import OneByOne, scene

from triplehead.detectors.assigners.jla import JLAAssigner
from triplehead.plan.options import JLA
from triplehead.plan.plan import load_plan


@pytest.mark.parametrize("num_boxes", [1, 7, 60])
def test_mixtures_one_by_one_choose_the_same_positives(num_boxes):
    given = (*scene(num_boxes), 0.0)
    matched = JLAAssigner(JLA(k=35))(*given)
    assert (matched >= 0).sum() >= num_boxes / 2
    assert torch.equal(matched, OneByOne(JLA(k=35))(*given))


@pytest.mark.parametrize(
    ("ratio", "target", "said"),
    [
        (1849.6, ">= 10", "ratio 1,850 (1,850 to 1,850), target >= 10: met"),
        (56.6, ">= 60", "target >= 60: missed"),
        (1.62, "<= 1.25", "target <= 1.25: missed"),
        (1.0, "", "ratio 1 (1 to 1)"),
    ],
)
def test_a_line_says_whether_the_target_was_met(ratio, target, said):
    row = measure.Result("it", "a", "b", 1.0, ratio, (ratio,) * 3, target)
    assert _line(row).endswith(said)


def test_calls_take_turns(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("time.process_time", lambda: float(next(clock)))
    order = []
    [row] = measure.compare("it", {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3  # the first round is warm-up
    assert row.ratio == (1, 1, 1) and row.seconds == 1


def test_evaluations_agree_on_what_is_made_up(tmp_path):
    """A row only comes out if both evaluations gave the same numbers."""
    [row] = evaluation._evaluations(tmp_path / "a.json", 20, rounds=1)
    assert "2000 detections" in row.subject


def test_resamples_cost_a_small_part_of_as_many_accumulations(tmp_path):
    """Side by side in CPU time; measured: a hundredth (docs/performance.md)."""
    calls = evaluation.resample_calls(tmp_path / "a.json", 500)
    ours, one = (seconds for (seconds,) in measure.by_turns(calls, rounds=1, warmup=0).values())
    assert ours < evaluation.RESAMPLES * one / 25


def test_coverage_is_of_the_interval_that_is_printed(monkeypatch):
    generator = np.random.default_rng(0)
    assert 93 <= coverage.coverage(generator, seeds=3, share=0.5, noise=2, studies=2000) <= 97
    monkeypatch.setattr(coverage, "half_width", lambda seed, seed_df, image, image_df, own: 1.96 * image)
    assert 89 <= coverage.coverage(generator, seeds=3, share=0.5, noise=1, studies=2000) <= 93  # 91.0: b is not all


@pytest.mark.parametrize("share", [1 / 20, None])
def test_as_many_candidates_pass_as_are_said_to(share):
    probe = probes.probe(probes.spec_of(load_plan({"scale": "smoke"}), "table5", "All"), 1)
    probe.pass_candidates(share)
    with torch.inference_mode():
        logits = probe.detector.eval().predict(probe.images)[0].logits
    passing = int((logits.sigmoid() > probe.detector.postprocess.score_threshold).sum())
    assert passing == (logits.numel() if share is None else round(logits[..., 0].numel() / 20))


def test_the_parts_of_a_step_are_the_step():
    rows = list(parts.run(rounds=2))
    assert len({row.subject for row in rows}) == 2
    for subject in {row.subject for row in rows}:
        own = [row for row in rows if row.subject == subject]
        assert {row.ours for row in own} == {"backbone", "head", "assignment", "losses", "backward", "optimiser"}
        assert sum(row.seconds for row in own) == pytest.approx(own[0].other_seconds, rel=0.25)


def test_a_sweep_is_planned_and_its_dag_built():
    rows = list(plan.run(specs=3, rounds=1))
    assert [(row.subject, row.ours) for row in rows] == [
        ("plan of 9 runs", "triplehead plan"),
        ("plan of 9 runs", "snakemake -n"),
    ]
    assert all(row.seconds > 0.1 and row.ratio[0] == row.other_seconds / row.seconds for row in rows)


def test_the_table_of_the_docs_is_the_newest_record():
    """Subjects that were measured anew on that day have a record of their own."""
    files = {
        path: re.search(r"\d{4}-\d\d-\d\d", path.stem).group() for path in Path("benchmarks").glob("ratios-*.json")
    }
    newest = [json.loads(path.read_text()) for path, date in files.items() if date == max(files.values())]
    rows = [measure.Result(**{**row, "ratio": tuple(row["ratio"])}) for record in newest for row in record["rows"]]
    text = Path("docs/performance.md").read_text()
    alone = [row for row in rows if row.subject == "assignment, scaling"]
    profile = [row for row in rows if row.subject.startswith(parts.SUBJECT)]
    for row in rows:
        assert row in alone or row in profile or cells(row) in text, cells(row)
    assert ", ".join(f"{row.ours.split()[0]}: {digits(1000 * row.seconds)}" for row in alone) in text
    for part in {row.ours for row in profile}:
        fcos, ours = (digits(1000 * row.seconds) for row in profile if row.ours == part)
        assert re.search(rf"^\| {part} \|( [\d.]+ \|){{4}} {fcos} \| {ours} \|$", text, re.M), part


def test_the_gpu_table_of_the_docs_is_the_record():
    rows = json.loads(Path("benchmarks/nvidia-h200-2026-11-27.json").read_text())["rows"]
    text = Path("docs/performance.md").read_text()
    for label in ("FCOS", "Faster R-CNN", "Ours"):
        pair = [row for row in rows if row["label"] == label]
        step = ", bfloat16 " if label == "FCOS" else ", "
        cells = [step.join(f"{1000 * row['step_seconds']['median']:.0f}" for row in pair)]
        cells.append(", ".join(f"{row['step_memory'] / 1e9:.1f}" for row in pair))
        for measured in (pair, [row.get("crowd", {}) for row in pair]):
            shares = [[f"{share:.1%}" for share in row.get("assign_share", {}).values()] for row in measured]
            cells.append(", ".join(" and ".join(each) for each in shares) if label == "Ours" else "")
        cells.append(", ".join(f"{row['FPS']:.1f}" for row in pair))
        assert " ".join(f"| {label} | {' | '.join(cells)} |".split()) in text
