"""How inference speed is measured, and the record that a measurement leaves (`results/speed/<exhibit>.json`)."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from triplehead.errors import InputError
from triplehead.plan.documents import Layer, read_yaml, validate
from triplehead.plan.options import Options

REFERENCE = "FCOS"  # the row that ratios refer to
SPEED_METRICS = ("FPS", "FPS_model", "FPS_ratio")


class Speed(Options):
    """A scale's protocol; no part of a run, whose id must not depend on it."""

    images: PositiveInt = 100  # the first of the validation split, one at a time
    repeats: Annotated[int, Field(ge=5)] = 10
    warmup: PositiveInt = 10  # calls before each pass over the images, not counted
    threads: PositiveInt | None = None  # none: all cores that the job holds; never more


class Seconds(Options):
    """Mean and median seconds an image, of one repeat."""

    mean: PositiveFloat
    median: PositiveFloat


class SpeedRow(Options):
    """model: from the image to raw predictions of all points. full: with decoding and NMS. One entry a repeat."""

    label: str
    run: str  # whose weights
    model: tuple[Seconds, ...]
    full: tuple[Seconds, ...]


class SpeedRecord(Options):
    """results/speed/*.json: what one measurement found, row by row, and under what conditions."""

    scale: str
    device: str  # name of the processor or GPU
    environment: dict[str, str]
    asked: Speed | None = None  # older records do not say
    protocol: Speed  # as carried out: images that there were, threads in use
    batch_size: Literal[1] = 1
    precision: str
    memory_format: Literal["channels_last"] = "channels_last"
    image_sizes: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)]  # (height, width) resized
    rows: tuple[SpeedRow, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for index, row in enumerate(self.rows):
            if {len(row.model), len(row.full)} != {self.protocol.repeats}:
                raise ValueError(f"rows.{index}: expected {self.protocol.repeats} repeats")
        return self


def read_speed(path: Path) -> SpeedRecord:
    """A record from disk. Raises InputError naming the file and what is wrong in it."""
    if not path.is_file():
        raise InputError(path, "no such file: speed has not been measured")
    return validate(SpeedRecord, Layer(path, "", read_yaml(path)))
