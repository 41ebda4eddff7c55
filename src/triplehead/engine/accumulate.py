"""Average precision of a run under many resamples of its images, from stored matches, without matching anew."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from triplehead.engine.average_precision import ELEVEN_POINTS, THRESHOLDS
from triplehead.engine.matches import FALSE, TRUE, Matches

RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's, bit by bit
SIZES = ("", "S", "M", "L")  # the ranges of a COCO run
AT_ONCE = 2_000_000  # counts in memory: resamples x detections of a class


def resampled_scores(matches: Matches, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Each score in percent under B resamples: metric -> float64 [B], NaN where a resample has nothing to find.

    counts: integers [B, N], how often a resample takes each image; all ones is the run's own score, for COCO equal to
    pycocotools' to the last bit. Copies of an image count as images of their own; among equal scores they stand
    together. A class that a resample does not hold is left out of its mean, as the protocols do.

    COCO: AP, AP50, AP75, APS, APM, APL. VOC: AP, AP50, AP75, by area and (AP_11point ...) by eleven points.
    VisDrone: AP, AP50, AP75 by the toolkit's weights and (AP_classmean ...) by class.
    """
    summary = {"coco": _coco, "voc": _voc, "visdrone": _visdrone}[matches.protocol]
    curves = [_curves(matches, size) for size in range(len(matches.positives))]
    longest = max((len(each.base) for parts in curves for each in parts), default=0)
    step = max(1, AT_ONCE // max(longest, matches.num_images, 1))
    parts = [summary(matches, curves, counts[start : start + step]) for start in range(0, len(counts), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class _Curve:
    """One class and one size range. base: images [F] of the detections that are false at the highest threshold, in
    order. At a lower one few are something else; `events` lists, by threshold, what is true or differs from base."""

    label: int
    base: np.ndarray
    events: tuple["_Events", ...]


@dataclass(frozen=True)
class _Events:
    """image: [E]; before: [E], detections of the base up to and with this one; true: bool [E]; extra: [E], what it
    adds to the false ones beyond the base: -1, 0 or 1."""

    image: np.ndarray
    before: np.ndarray
    true: np.ndarray
    extra: np.ndarray


def _curves(matches: Matches, size: int) -> list[_Curve]:
    curves = []
    ends = np.searchsorted(matches.label, np.arange(matches.positives.shape[2] + 1))
    for label, (start, end) in enumerate(pairwise(ends)):
        image, outcome = matches.image[start:end], matches.outcome[size, :, start:end]
        false = outcome == FALSE
        base = false[-1]
        before = np.cumsum(base)
        events = []
        for row, own in zip(outcome, false, strict=True):
            at = np.flatnonzero((row == TRUE) | (own != base))
            extra = own[at].astype(np.int32) - base[at]
            events.append(_Events(image[at], before[at], row[at] == TRUE, extra))
        curves.append(_Curve(label, image[base], tuple(events)))
    return curves


def _true_and_false(curve: _Curve, counts: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(index of the threshold, true detections, false ones), int64 [B, E] each, up to and with each true one."""
    false = np.zeros((len(counts), len(curve.base) + 1), dtype=np.int64)
    np.cumsum(counts[:, curve.base], axis=1, out=false[:, 1:])
    for index, events in enumerate(curve.events):
        weight = counts[:, events.image]
        true = np.cumsum(weight * events.true, axis=1)
        extra = np.cumsum(weight * events.extra, axis=1)
        yield index, true[:, events.true], (false[:, events.before] + extra)[:, events.true]


def _envelope(precision: np.ndarray) -> np.ndarray:
    """The best precision at this place or a later one."""
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _at_recalls(recall: np.ndarray, envelope: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The envelope where recall [B, E] first reaches each point: float64 [B, R], 0 beyond the last recall.

    Between two true detections lie as many points as the second passes and the first does not: it is repeated so
    often.
    """
    passed = np.searchsorted(points, recall, side="right")
    padded = np.pad(passed, ((0, 0), (1, 0)))
    times = np.diff(padded, axis=1, append=len(points))
    return np.repeat(np.pad(envelope, ((0, 0), (0, 1))).ravel(), times.ravel()).reshape(len(recall), len(points))


def _filled(
    curves: list[_Curve], counts: np.ndarray, wanted: np.ndarray, shape: tuple[int, ...], value: Callable
) -> np.ndarray:
    """`value` (true, false, positives [B, 1]) -> [B, *shape] of each threshold and class: [B, T, *shape, K], NaN for
    a class without positives. wanted: [B, K]."""
    table = np.full((len(counts), len(THRESHOLDS), *shape, wanted.shape[1]), np.nan)
    for curve in curves:
        positives = wanted[:, [curve.label]]
        there = positives[:, 0] > 0
        if there.any():
            for index, true, false in _true_and_false(curve, counts[there]):
                table[there, index, ..., curve.label] = value(true, false, positives[there])
    return table


def _coco(matches: Matches, curves: list[list[_Curve]], counts: np.ndarray) -> dict[str, np.ndarray]:
    def at_recalls(true: np.ndarray, false: np.ndarray, positives: np.ndarray) -> np.ndarray:
        precision = true / (false + true + np.spacing(1))  # as pycocotools has it
        return _at_recalls(true / positives, _envelope(precision), RECALLS)

    scores = {}
    for size, name in enumerate(SIZES):
        wanted = counts @ matches.positives[size]
        table = _filled(curves[size], counts, wanted, (len(RECALLS),), at_recalls)
        scores[f"AP{name}"] = _means(table)
        if not name:
            scores |= {"AP50": _means(table[:, 0]), "AP75": _means(table[:, 5])}
    return scores


def _areas(true: np.ndarray, false: np.ndarray, positives: np.ndarray) -> np.ndarray:
    envelope = _envelope(true / np.maximum(true + false, 1))
    return np.sum(np.diff(true / positives, prepend=0, axis=1) * envelope, axis=1)


def _voc(matches: Matches, curves: list[list[_Curve]], counts: np.ndarray) -> dict[str, np.ndarray]:
    def eleven(true: np.ndarray, false: np.ndarray, positives: np.ndarray) -> np.ndarray:
        envelope = _envelope(true / np.maximum(true + false, 1))
        return _at_recalls(true / positives, envelope, ELEVEN_POINTS).sum(axis=1) / len(ELEVEN_POINTS)

    wanted = counts @ matches.positives[0]
    scores: dict[str, np.ndarray] = {}
    for suffix, value in (("", _areas), ("_11point", eleven)):
        table = _filled(curves[0], counts, wanted, (), value)
        parts = {"AP": table, "AP50": table[:, 0], "AP75": table[:, 5]}
        scores |= {f"{name}{suffix}": _means(part) for name, part in parts.items()}
    return scores


def _visdrone(matches: Matches, curves: list[list[_Curve]], counts: np.ndarray) -> dict[str, np.ndarray]:
    table = _filled(curves[0], counts, counts @ matches.positives[0], (), _areas)
    images = counts @ (matches.positives[0] > 0)  # that hold the class: its weight
    scores = {}
    for suffix, weight in (("", images), ("_classmean", images > 0)):
        for name, part in (("AP", table.mean(axis=1)), ("AP50", table[:, 0]), ("AP75", table[:, 5])):
            with np.errstate(invalid="ignore"):
                mean = np.nansum(part * weight, axis=1) / weight.sum(axis=1)
            scores[f"{name}{suffix}"] = 100 * mean
    return scores


def _means(tables: np.ndarray) -> np.ndarray:
    """Mean of what is known in each table, in percent: float64 [B]. Entry by entry in C order, as pycocotools adds."""
    means = np.full(len(tables), np.nan)
    for index, table in enumerate(tables):
        known = table[~np.isnan(table)]
        if len(known):
            means[index] = 100 * float(np.mean(known))
    return means
