"""Heads: features of all levels -> predictions."""

from collections.abc import Callable

from torch import nn

from triplehead.detectors.heads.border import BorderHead
from triplehead.detectors.heads.dyhead import DyHead
from triplehead.detectors.heads.fcos import FCOSHead
from triplehead.detectors.heads.triple import TripleHead
from triplehead.detectors.own import own_head
from triplehead.plan import options
from triplehead.plan.options import Head


def build_head(head: Head, channels: int, num_classes: int, strides: list[int]) -> nn.Module:
    """The head that the options name; `strides` of the levels, finest first. Raises InputError for a class of the
    user's that is not loaded."""
    kinds: dict[type, Callable[..., nn.Module]] = {
        options.FCOSHead: FCOSHead,
        options.TripleHead: TripleHead,
        options.BorderHead: BorderHead,
        options.DyHead: DyHead,
        options.OwnHead: own_head,
    }
    return kinds[type(head)](head, channels, num_classes, strides)
