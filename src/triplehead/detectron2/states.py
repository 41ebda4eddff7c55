"""detectron2's checkpoints, kept as this suite's states are: whole or not at all, with a digest, and the one before."""

from pathlib import Path
from typing import Any

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import hooks

from triplehead.engine import checkpoint
from triplehead.errors import InputError


class Checkpointer(DetectionCheckpointer):
    """Writes what detectron2's own would; its readers read past the digest."""

    def save(self, name: str, **more: Any) -> None:
        """Raises InputError where the disk will not take it."""
        parts = {key: part.state_dict() for key, part in self.checkpointables.items()}
        file = Path(self.save_dir) / f"{name}.pth"
        checkpoint.save_sealed(file, {"model": self.model.state_dict()} | parts | more)
        try:
            self.tag_last_checkpoint(file.name)
        except OSError as error:
            raise InputError(file.with_name("last_checkpoint"), f"cannot be written ({error.strerror})") from None

    def resume(self, saver: hooks.PeriodicCheckpointer) -> bool:
        """Go on from the last sound state, if there is any, and have `saver` count those that are there.

        Raises InputError where every state is damaged, or not one of this trainer's.
        """
        states = sorted(Path(self.save_dir).glob("model_*.pth"))
        if (last := checkpoint.last_sound(states[::-1])) is None:
            return False
        saver.recent_checkpoints = [str(file) for file in states[: states.index(last) + 1]]
        try:
            self.load(str(last))
        except Exception as error:  # of a dozen types
            raise InputError(last, f"is no state that detectron2 can read ({error!r:.120}); delete it") from error
        return True


class Saver(hooks.PeriodicCheckpointer):
    """Saves after the schedule's last iteration, not after the last before a stop: no kill saves."""

    def __init__(self, checkpointer: Checkpointer, every: int, iterations: int):
        super().__init__(checkpointer, every, max_iter=iterations, max_to_keep=2)

    def before_train(self) -> None:
        pass
