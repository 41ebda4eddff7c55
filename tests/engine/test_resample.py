"""replicates.npz: the same for the same seed, pairs for runs on the same data, refused where it does not belong."""

import json
import shutil

import numpy as np
import pytest
from tests.engine.protocol_scenes import CATEGORIES, random_scene
from tests.helpers import changed

from triplehead.analysis.statistics import cell, difference
from triplehead.analysis.statistics.replicates import read_replicates
from triplehead.data.resamples import generator_of, image_counts
from triplehead.engine.matches import write_matches
from triplehead.engine.resample import resample
from triplehead.engine.voc_scores import voc_matches, voc_scores
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Resampling

OURS, FCOS = ("table6", "Ours"), ("table6", "FCOS")


@pytest.fixture
def plan():
    return load_plan({"scale": "smoke", "seeds": 2})


def write_run(plan, results, spec, seed, images=20):
    """A run whose detections are a random scene's, on ground truth that is the same for all."""
    truth, _ = random_scene(0, images=images)
    _, found = random_scene(0, images=images)
    keep = np.random.default_rng(seed).random(len(found)) < 0.8
    found = [row for row, kept in zip(found, keep, strict=True) if kept]
    folder = results / "runs" / spec.id
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(voc_scores(truth, found, CATEGORIES)))
    write_matches(folder / "matches.npz", voc_matches(truth, found, CATEGORIES))
    resample(spec, folder, plan.scale.resampling)
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(plan, tmp_path):
    spec = plan.specs[OURS][0]
    folder = write_run(plan, tmp_path, spec, 0)
    first = (folder / "replicates.npz").read_bytes()
    resample(spec, folder, plan.scale.resampling)
    assert (folder / "replicates.npz").read_bytes() == first
    resample(spec, folder, Resampling(seed=1))
    assert (folder / "replicates.npz").read_bytes() != first


def test_runs_on_the_same_data_share_their_resamples(plan):
    resampling = plan.scale.resampling
    ours, other = (plan.specs[row][0].data_id for row in (OURS, ("table7", "Ours")))
    draws = [image_counts(generator_of(each, resampling), 30, resampling) for each in (ours, ours, other)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])
    assert set(draws[0].sum(axis=1)) == {30} and draws[0].shape == (resampling.replicates, 30)


def test_cells_and_differences_carry_the_noise_of_images(plan, tmp_path):
    for row in (OURS, FCOS):
        for spec in plan.specs[row]:
            write_run(plan, tmp_path, spec, 2 * spec.seed + (row == OURS))
    found = cell(plan, tmp_path, *OURS, "AP")
    assert found.sources == ("seeds", "images") and found.image_se > 0
    assert found.low < found.value < found.high
    between = difference(plan, tmp_path, OURS, FCOS, "AP")
    apart = cell(plan, tmp_path, *FCOS, "AP").image_se
    assert between.image_se < 0.7 * np.hypot(found.image_se, apart)  # what both share cancels
    same = difference(plan, tmp_path, OURS, OURS, "AP")
    assert (same.value, same.image_se) == (0, 0)


def test_one_run_without_resamples_leaves_seeds_alone(plan, tmp_path):
    folders = [write_run(plan, tmp_path, spec, spec.seed) for spec in plan.specs[OURS]]
    (folders[1] / "replicates.npz").unlink()
    assert cell(plan, tmp_path, *OURS, "AP").sources == ("seeds",)


def test_replicates_of_something_else_are_refused(plan, tmp_path):
    spec, other = plan.specs[OURS]
    folder = write_run(plan, tmp_path, spec, 0)
    file = folder / "replicates.npz"
    with pytest.raises(InputError, match="of other images or resamples"):
        read_replicates(file, spec, Resampling(replicates=500))
    with pytest.raises(InputError, match="of other images or resamples"):
        read_replicates(file, changed(spec, data={"val": 33}), plan.scale.resampling)
    shutil.copy(write_run(plan, tmp_path, other, 1) / "replicates.npz", file)
    with pytest.raises(InputError, match=r"replicates\.npz: AP_11point: is of other scores"):
        cell(plan, tmp_path, *OURS, "AP")
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"replicates\.npz: cannot be read as \.npz"):
        cell(plan, tmp_path, *OURS, "AP")
