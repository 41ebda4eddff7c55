"""Average precision from stored matches: equal to the protocols', and to theirs on images really taken again."""

import json

import numpy as np
import pytest
from tests.engine.protocol_scenes import CATEGORIES, random_coco, random_scene
from tests.engine.pycocotools_reference import coco_numbers

from triplehead.engine.accumulate import resampled_scores
from triplehead.engine.coco_scores import coco_evaluation, coco_matches
from triplehead.engine.matches import read_matches, write_matches
from triplehead.engine.visdrone_scores import visdrone_matches, visdrone_scores
from triplehead.engine.voc_scores import voc_matches, voc_scores
from triplehead.errors import InputError
from triplehead.plan.options import Evaluation

COCO = ("AP", "AP50", "AP75", "APS", "APM", "APL")
SIZES = Evaluation(area_small=256, area_large=1600)


def same(matches):
    return {name: values[0] for name, values in resampled_scores(matches, ones(matches)).items()}


def ones(matches):
    return np.ones((1, matches.num_images), dtype=int)


def taken(content, results, counts):
    """The data set that a resample stands for: each image as often as it is drawn, under an id of its own."""
    images, annotations, found, number = [], [], [], 0
    for image, count in zip(content["images"], counts, strict=True):
        for _ in range(count):
            number += 1
            images.append(image | {"id": number})
            annotations += [
                row | {"image_id": number} for row in content["annotations"] if row["image_id"] == image["id"]
            ]
            found += [row | {"image_id": number} for row in results if row["image_id"] == image["id"]]
    annotations = [row | {"id": index} for index, row in enumerate(annotations, 1)]
    return content | {"images": images, "annotations": annotations}, found


def evaluated(content, results, path):
    path.write_text(json.dumps(content))
    return coco_evaluation(path, results, SIZES)


def by_pycocotools(content, results, path):
    path.write_text(json.dumps(content))
    return coco_numbers(path, results, SIZES)


def test_as_the_images_are_it_is_pycocotools_number_to_the_last_bit(real_data):
    folder = real_data / "coco_eval"
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    evaluation = coco_evaluation(folder / "instances_val2014_100.json", results, Evaluation())
    scores = coco_numbers(folder / "instances_val2014_100.json", results, Evaluation())
    assert same(coco_matches(evaluation)) == {name: scores[name] for name in COCO}
    assert scores["AP"] == pytest.approx(50.4581, abs=1e-4)  # what COCO's repository says of them


@pytest.mark.parametrize("seed", range(6))
def test_a_resample_is_the_data_set_with_these_images(tmp_path, seed):
    content, results = random_coco(seed)
    matches = coco_matches(evaluated(content, results, tmp_path / "all.json"))
    scores = by_pycocotools(content, results, tmp_path / "all.json")
    assert same(matches) == {name: scores[name] for name in COCO}
    counts = np.random.default_rng(seed).multinomial(40, np.full(40, 1 / 40), 5)
    found = resampled_scores(matches, counts)
    for index, line in enumerate(counts):
        expected = by_pycocotools(*taken(content, results, line), tmp_path / "some.json")
        assert {name: values[index] for name, values in found.items()} == {name: expected[name] for name in COCO}


def test_a_class_or_size_that_a_resample_lacks_does_not_count(tmp_path):
    box = {"bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0}
    content = {
        "images": [{"id": number, "width": 100, "height": 100} for number in (1, 2)],
        "categories": [{"id": number, "name": str(number)} for number in (1, 2)],
        "annotations": [box | {"id": number, "image_id": number, "category_id": number} for number in (1, 2)],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.5}]
    matches = coco_matches(evaluated(content, found, tmp_path / "a.json"))
    scores = resampled_scores(matches, np.array([[1, 1], [2, 0], [0, 2]]))
    assert scores["AP"].tolist() == pytest.approx([50, 100, 0])
    assert np.isnan(scores["APM"]).all()


def test_without_detections_all_is_0(tmp_path):
    content, _ = random_coco(0)
    matches = coco_matches(evaluated(content, [], tmp_path / "a.json"))
    assert set(same(matches).values()) == {0.0}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("protocol", "stored"), [(voc_scores, voc_matches), (visdrone_scores, visdrone_matches)])
def test_voc_and_visdrone_are_resampled_by_their_own_protocol(protocol, stored, seed):
    truth, results = random_scene(seed, images=9, with_regions=protocol is visdrone_scores)
    # No two scores alike in an image and class: where copies stand among equal ones is a convention.
    step = np.random.default_rng(seed).permutation(len(results)) / 1e4
    results = [row | {"score": row["score"] + float(each)} for row, each in zip(results, step, strict=True)]
    matches = stored(truth, results, CATEGORIES)
    expected = protocol(truth, results, CATEGORIES)
    assert same(matches) == pytest.approx({name: expected[name] for name in same(matches)}, abs=1e-9)
    for counts in np.random.default_rng(seed).multinomial(9, np.full(9, 1 / 9), 4):
        copies, found = [], []
        for image, count in zip(truth, counts, strict=True):
            for _ in range(count):
                copies.append(type(image)(**vars(image) | {"image_id": 1000 + len(copies)}))
                found += [
                    row | {"image_id": copies[-1].image_id} for row in results if row["image_id"] == image.image_id
                ]
        expected = protocol(copies, found, CATEGORIES)
        for name, value in resampled_scores(matches, counts[None]).items():
            assert value[0] == pytest.approx(
                np.nan if expected[name] is None else expected[name], abs=1e-9, nan_ok=True
            )


def test_many_resamples_are_the_same_a_few_at_a_time(tmp_path, monkeypatch):
    content, results = random_coco(1)
    matches = coco_matches(evaluated(content, results, tmp_path / "a.json"))
    counts = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), 50)
    whole = resampled_scores(matches, counts)
    monkeypatch.setattr("triplehead.engine.accumulate.AT_ONCE", 300)
    for name, values in resampled_scores(matches, counts).items():
        assert np.array_equal(values, whole[name])


def test_the_file_is_the_same_bytes_and_comes_back(tmp_path):
    truth, results = random_scene(2)
    matches = voc_matches(truth, results, CATEGORIES)
    for name in ("a.npz", "b.npz"):
        write_matches(tmp_path / name, matches)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = read_matches(tmp_path / "a.npz")
    for name, value in vars(matches).items():
        assert np.array_equal(getattr(again, name), value)


@pytest.mark.parametrize("change", [{"image": [99]}, {"label": [-1]}, {"protocol": "other"}, {"positives": [1]}])
def test_inconsistent_matches_are_refused(tmp_path, change):
    truth, results = random_scene(2)
    parts = vars(voc_matches(truth, results, CATEGORIES))
    for name, value in change.items():
        full = isinstance(value, list) and name != "positives"
        parts = parts | {name: np.resize(value, parts[name].shape) if full else np.array(value)}
    write_matches(tmp_path / "a.npz", _Loose(**parts))
    with pytest.raises(InputError, match=r"a\.npz: is inconsistent"):
        read_matches(tmp_path / "a.npz")


class _Loose:
    def __init__(self, **parts):
        self.__dict__.update(parts)


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"a\.npz: cannot be read as \.npz"):
        read_matches(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no such file"):
        read_matches(tmp_path / "b.npz")
