"""Means with 95% intervals, over seeds and over images, and what follows from them (docs/statistics.md)."""

from triplehead.analysis.statistics.cells import cell, difference, excess, ratio
from triplehead.analysis.statistics.estimate import Estimate, estimate

__all__ = ["Estimate", "cell", "difference", "estimate", "excess", "ratio"]
