"""Assigners: which ground-truth box, if any, each point has to learn."""

from triplehead.detectors.assigners.atss import ATSSAssigner
from triplehead.detectors.assigners.fcos import FCOSAssigner
from triplehead.detectors.assigners.jla import JLAAssigner
from triplehead.detectors.assigners.max_iou import MaxIoUAssigner
from triplehead.detectors.own import CheckedAssigner
from triplehead.plan import options as plan

__all__ = ["ATSSAssigner", "Assigner", "FCOSAssigner", "JLAAssigner", "MaxIoUAssigner", "build_assigner"]

Assigner = ATSSAssigner | FCOSAssigner | JLAAssigner | MaxIoUAssigner | CheckedAssigner


def build_assigner(options: plan.Assigner, loss: plan.Loss) -> Assigner:
    """The assigner that the options name; `loss` gives JLA the focal loss that training minimises.

    Raises TypeError for options of another part.
    """
    match options:
        case plan.ATSS():
            return ATSSAssigner(options)
        case plan.FCOSAssigner():
            return FCOSAssigner(options)
        case plan.JLA():
            return JLAAssigner(options, focal_alpha=loss.focal_alpha, focal_gamma=loss.focal_gamma)
        case plan.MaxIoU():
            return MaxIoUAssigner(options)
        case plan.OwnAssigner():
            return CheckedAssigner(options)
    raise TypeError(f"options of an assigner expected, got {type(options).__name__}")
