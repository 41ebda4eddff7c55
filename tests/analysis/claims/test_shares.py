"""Shares of predictions under resamples of the images."""

import numpy as np
import pytest
from tests.engine.protocol_scenes import CATEGORIES, random_scene, result, truth_of

from triplehead.analysis.claims.shares import counted, resampled
from triplehead.analysis.quantiles import prediction_ious, shares
from triplehead.analysis.statistics import excess
from triplehead.analysis.statistics.samples import Sample

IMAGES = 12


@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_a_resample_is_the_share_among_these_images(iou):
    """Against the same images really held as often."""
    truth, results = random_scene(1, images=IMAGES)
    sides = counted(truth, results, CATEGORIES, iou)
    counts = np.random.default_rng(0).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), 20)
    expected = []
    for line in counts:
        copies, found = [], []
        for one, count in zip(truth, line, strict=True):
            for _ in range(count):
                copies.append(type(one)(**vars(one) | {"image_id": 1000 + len(copies)}))
                own = (row for row in results if row["image_id"] == one.image_id)
                found += [row | {"image_id": copies[-1].image_id} for row in own]
        expected.append(100 * np.mean(prediction_ious(copies, found, CATEGORIES) >= iou))
    assert len(set(expected)) > 5
    assert resampled(*sides, counts) == pytest.approx(expected)


@pytest.mark.parametrize(("iou", "reached"), [(0.9, 3), (0.95, 2), (0.951, 1)])
def test_a_prediction_at_the_threshold_counts_and_one_below_does_not(iou, reached):
    """Of IoU 0.93, 0.95 exactly, and 1; as the figure counts, too."""
    truth = [truth_of(1), truth_of(2, [(0, 0, 100, 100)])]
    found = [result((0, 0, 100, side), 0.9, image_id=2) for side in (93, 95, 100)]
    sides = counted(truth, found, CATEGORIES, iou)
    assert [side.tolist() for side in sides] == [[0, reached], [0, 3]]
    assert shares(prediction_ious(truth, found, CATEGORIES), (iou,))["share"][0] == pytest.approx(100 * reached / 3)


def test_a_resample_without_predictions_has_no_share():
    found = resampled(np.array([2, 0]), np.array([4, 0]), np.array([[1, 1], [0, 2]]))
    assert found[0] == 50 and np.isnan(found[1])


def test_an_excess_is_in_percent_of_the_other_and_carries_the_images_noise():
    generator = np.random.default_rng(0)
    common = generator.normal(0, 1, 500)
    ours, theirs = ({seed: mean + seed + common for seed in range(3)} for mean in (30.0, 20.0))
    samples = [
        Sample({seed: mean + seed for seed in range(3)}, drawn, 100) for mean, drawn in ((30.0, ours), (20.0, theirs))
    ]
    found = excess(*samples)
    r = 31 / 21
    assert found.value == pytest.approx(100 * (r - 1)) and found.sources == ("seeds", "images")
    assert found.image_se == pytest.approx(100 * abs(1 - r) / 21 * common.std(ddof=1) * np.sqrt(100 / 99))
    assert excess(samples[0], Sample({0: 0.0})).value is None
