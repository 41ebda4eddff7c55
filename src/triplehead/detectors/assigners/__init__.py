"""Assigners: which ground-truth box, if any, each point has to learn."""

from triplehead.detectors.assigners.fcos import FCOSAssigner
from triplehead.detectors.assigners.jla import JLAAssigner
from triplehead.plan import options as plan

__all__ = ["FCOSAssigner", "JLAAssigner", "build_assigner"]


def build_assigner(options: plan.Assigner, loss: plan.Loss) -> FCOSAssigner | JLAAssigner:
    """The assigner that the options name; `loss` gives JLA the focal loss that training minimises.

    Raises TypeError for options of another part.
    """
    match options:
        case plan.FCOSAssigner():
            return FCOSAssigner(options)
        case plan.JLA():
            return JLAAssigner(options, focal_alpha=loss.focal_alpha, focal_gamma=loss.focal_gamma)
    raise TypeError(f"options of an assigner expected, got {type(options).__name__}")
