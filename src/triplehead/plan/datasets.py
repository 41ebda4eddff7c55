"""experiments/datasets/*.yaml: where a data set's archives lie, and what is there once they are unpacked."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from triplehead.paths import EXPERIMENTS
from triplehead.plan.documents import Layer, read_yaml, validate
from triplehead.plan.options.base import Options


def _inside(place: str) -> str:
    path = PurePosixPath(place)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ValueError("expected a path below the data set's folder")
    return place


Place = Annotated[str, AfterValidator(_inside)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]


def _without_password(address: str) -> str:
    if "@" in address.split("/")[2]:
        raise ValueError("expected no name or password in the address, which is shown; put them into ~/.netrc")
    return address


Mirror = Annotated[Url, AfterValidator(_without_password)]


class Archive(Options):
    """One official archive. `bytes`, `md5`: as published, none where nothing is.

    `gives`: places below the data set's folder, each with the fewest files that are there once it is unpacked (1 for a
    file itself). `optional`: fetched only when it is asked for by name.
    """

    file: Annotated[str, Field(pattern=r"^[\w-][\w.-]*\.(zip|tar|tar\.gz|tgz)$")]
    url: Url | None = None
    bytes: PositiveInt | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    gives: Annotated[dict[Place, PositiveInt], Field(min_length=1)]
    optional: bool = False


class Part(Options):
    """What a list of images holds officially. `objects`: of the data set's classes; `counted`: those of them that
    evaluation does not ignore (crowds, difficult). None where nobody has published it."""

    images: PositiveInt
    objects: PositiveInt | None = None
    counted: PositiveInt | None = None


class DatasetFile(Options):
    """experiments/datasets/*.yaml. `by_hand`: what to do where archives have no address of their own."""

    title: str
    page: Url
    folder: Place
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    by_hand: str | None = None
    archives: Annotated[tuple[Archive, ...], Field(min_length=1)]
    parts: dict[str, Part]

    @model_validator(mode="after")
    def _archives_fit(self) -> Self:
        files = [archive.file for archive in self.archives]
        for index, archive in enumerate(self.archives):
            if files.index(archive.file) != index:
                raise ValueError(f"archives.{index}.file: {archive.file} is listed twice")
            if archive.url is None and self.by_hand is None:
                raise ValueError(f"archives.{index}: has no url, and by_hand does not say how to get it")
        return self

    def official(self, parts: Iterable[str]) -> Part | None:
        """What several parts hold together; none where one of them is not known."""
        asked = tuple(parts)
        known = [self.parts[part] for part in asked if part in self.parts]
        if not known or len(known) < len(asked):
            return None
        return Part(
            images=sum(part.images for part in known),
            objects=_sum([part.objects for part in known]),
            counted=_sum([part.counted for part in known]),
        )


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def read_dataset(name: str, folder: Path = EXPERIMENTS) -> DatasetFile:
    """The declaration of a data set by its layout's name. Raises InputError as all documents do."""
    path = folder / "datasets" / f"{name}.yaml"
    return validate(DatasetFile, Layer(path, "", read_yaml(path)))
