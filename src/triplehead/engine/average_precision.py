"""A detector's outcomes in order of score -> average precision."""

import numpy as np

THRESHOLDS = np.arange(50, 100, 5) / 100  # IoU .50:.05:.95
# As linspace gives them, a hair above 0.3, 0.6 and 0.7: detectron2's evaluator and the test cases that are known
# have the same ones. A recall of exactly 6/10 does not reach the seventh point.
ELEVEN_POINTS = np.linspace(0, 1, 11)


def curve(hits: np.ndarray, positives: int) -> tuple[np.ndarray, np.ndarray]:
    """Recall [D] and the monotone envelope of precision [D] (the best at this recall or a higher one).

    hits: bool [D], best score first: true positive or false positive; what is ignored has been left out.
    """
    true = np.cumsum(hits)
    precision = true / np.arange(1, len(hits) + 1)
    return true / positives, np.maximum.accumulate(precision[::-1])[::-1]


def area(hits: np.ndarray, positives: int) -> float:
    """Area under the envelope (VOC since 2010, VisDrone): every recall counts."""
    recall, precision = curve(hits, positives)
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def eleven_points(hits: np.ndarray, positives: int) -> float:
    """Mean of the envelope at the recalls 0, 0.1, ... 1 (VOC2007); 0 beyond the last recall."""
    recall, precision = curve(hits, positives)
    at = np.searchsorted(recall, ELEVEN_POINTS)
    return float(np.append(precision, 0)[at].sum() / len(ELEVEN_POINTS))
