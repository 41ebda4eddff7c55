"""95% intervals as they are printed and drawn (docs/statistics.md); files keep them as they were computed."""

import math

import numpy as np
import pandas as pd


def shown(low: float | None, high: float | None, metric: str) -> tuple[float, float] | None:
    """The part of an interval where the metric can lie: AP from 0 to 100, frames per second from 0. None where there
    is no interval, and where it has no width: equal scores say nothing of noise."""
    if low is None or high is None or not math.isfinite(low + high) or low == high:
        return None
    return max(0.0, low), min(100.0, high) if metric.startswith("AP") else high


def bars(frame: pd.DataFrame) -> np.ndarray:
    """Error bars of a table's lines: float64 [2, N], how far each reaches below and above its mean; 0 for none."""
    lengths = np.zeros((2, len(frame)))
    for index, (mean, low, high, metric) in enumerate(frame[["mean", "low", "high", "metric"]].itertuples(index=False)):
        if (ends := shown(low, high, metric)) is not None:
            lengths[:, index] = max(0.0, mean - ends[0]), max(0.0, ends[1] - mean)
    return lengths
