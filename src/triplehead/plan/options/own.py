"""Parts whose class is the user's: what a run's spec keeps of them."""

from typing import Any, Literal

from pydantic import Field

from triplehead.plan.options.base import Options


class OwnPart(Options):
    """A class of the user's folder, resolved (plan/own_code.py): what decides a run's numbers.

    options: all that the class takes, defaults written out. source: digest of the files that define the class, so that
    an edited one is another run.
    """

    name: Literal["own"] = "own"
    path: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")  # for example mine.TopK
    options: dict[str, Any] = {}
    source: str

    @property
    def class_name(self) -> str:
        return self.path.rpartition(".")[2]

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class OwnAssigner(OwnPart):
    """Called as every assigner is (docs/your-own.md)."""


class OwnHead(OwnPart):
    """A module as every head is (docs/your-own.md)."""

    @property
    def quality(self) -> str:
        """What its quality branch learns, if it has one: none, centerness or iou."""
        return self.options.get("quality", "none")


class OwnBoxLoss(OwnPart):
    """Loss of predicted with true boxes (docs/your-own.md)."""
