"""Data sets, and the size of images."""

from abc import abstractmethod
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from triplehead.plan.options.base import Options, Share

DatasetName = Literal["coco", "voc", "visdrone"]
# VOC's difficult objects in training. "drop", as in the code base that the paper's counts point to; detectron2 keeps.
Difficult = Literal["keep", "drop"]
ImageSets = Annotated[tuple[Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")], ...], Field(min_length=1)]


class AnyScenes(Options):
    """The embedded data: scenes of scikit-learn's handwritten digits, of one kind or another.

    `train`, `val`: images; `objects`: fewest and most in one; `small`, `medium`: shares of objects, the rest are
    large; `overlap`: share of objects that are put partly over another one.
    """

    source: Literal["scenes"] = "scenes"
    kind: DatasetName
    image_size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 128
    train: PositiveInt = 3000
    val: PositiveInt = 500
    objects: tuple[PositiveInt, PositiveInt] = (2, 8)
    small: Share = 0.41
    medium: Share = 0.34
    overlap: Share = 0.3
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def layout(self) -> DatasetName:
        """Of which data set: its name, as CocoFolder and its like have it."""
        return self.kind

    @property
    def num_classes(self) -> int:
        return 10

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.small + self.medium > 1:
            raise ValueError("small + medium must not exceed 1: the rest are large objects")
        if self.objects[0] > self.objects[1]:
            raise ValueError("objects must be [fewest, most]")
        return self


class Scenes(AnyScenes):
    """Digits of mixed sizes in COCO's layout."""

    kind: Literal["coco"] = "coco"


class VocScenes(AnyScenes):
    """Few digits, mostly large, in the VOC devkit's layout; `difficult_share` of them hard to see and flagged so."""

    kind: Literal["voc"] = "voc"
    objects: tuple[PositiveInt, PositiveInt] = (1, 4)
    small: Share = 0.05
    medium: Share = 0.25
    difficult_share: Share = 0.15
    difficult: Difficult = "drop"


class VisDroneScenes(AnyScenes):
    """Many tiny digits in VisDrone's layout. `regions`: share of images with ignored regions; `ignored`: share of
    objects with score 0."""

    kind: Literal["visdrone"] = "visdrone"
    objects: tuple[PositiveInt, PositiveInt] = (8, 30)
    small: Share = 0.45
    medium: Share = 0.35
    overlap: Share = 0.2
    regions: Share = 0.5
    ignored: Share = 0.05


LAYOUTS = {"coco": "COCO", "voc": "VOC", "visdrone": "VisDrone"}  # as their authors write them


class Folder(Options):
    """Images that the user has, in a data set's official layout below `data_root`.

    `annotations`: files and folders below it whose change makes other data. `images`: folders. `parts(split)`: the
    official lists of images that a split is, by their names in experiments/datasets/.
    """

    source: Literal["folder"]
    layout: DatasetName

    @property
    @abstractmethod
    def annotations(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def images(self) -> tuple[str, ...]: ...

    @abstractmethod
    def parts(self, split: str) -> tuple[str, ...]: ...


class CocoFolder(Folder):
    """COCO 2017."""

    layout: Literal["coco"] = "coco"
    num_classes: PositiveInt = 80
    train_images: str = "coco/train2017"
    train_annotations: str = "coco/annotations/instances_train2017.json"
    val_images: str = "coco/val2017"
    val_annotations: str = "coco/annotations/instances_val2017.json"

    @property
    def annotations(self) -> tuple[str, ...]:
        return self.train_annotations, self.val_annotations

    @property
    def images(self) -> tuple[str, ...]:
        return self.train_images, self.val_images

    def parts(self, split: str) -> tuple[str, ...]:
        return (PurePosixPath(getattr(self, f"{split}_annotations")).stem,)


class VocFolder(Folder):
    """PASCAL VOC: trained on trainval of 2007 and 2012, tested on 2007's test (paper, section 4.2)."""

    layout: Literal["voc"] = "voc"
    devkit: str = "voc/VOCdevkit"
    train: ImageSets = ("VOC2007/trainval", "VOC2012/trainval")
    val: ImageSets = ("VOC2007/test",)
    difficult: Difficult = "drop"

    @property
    def num_classes(self) -> int:
        return 20

    @property
    def annotations(self) -> tuple[str, ...]:
        sets = [each.split("/") for each in (*self.train, *self.val)]
        parts = [f"{year}/ImageSets/Main/{name}.txt" for year, name in sets]
        parts += dict.fromkeys(f"{year}/Annotations" for year, _ in sets)
        return tuple(f"{self.devkit}/{part}" for part in parts)

    @property
    def images(self) -> tuple[str, ...]:
        years = dict.fromkeys(each.split("/")[0] for each in (*self.train, *self.val))
        return tuple(f"{self.devkit}/{year}/JPEGImages" for year in years)

    def parts(self, split: str) -> tuple[str, ...]:
        return getattr(self, split)


class VisDroneFolder(Folder):
    """VisDrone2019-DET. The paper does not say on which split it tested; val is the one that everybody has."""

    layout: Literal["visdrone"] = "visdrone"
    train: str = "visdrone/VisDrone2019-DET-train"
    val: str = "visdrone/VisDrone2019-DET-val"

    @property
    def num_classes(self) -> int:
        return 10

    @property
    def annotations(self) -> tuple[str, ...]:
        return f"{self.train}/annotations", f"{self.val}/annotations"

    @property
    def images(self) -> tuple[str, ...]:
        return f"{self.train}/images", f"{self.val}/images"

    def parts(self, split: str) -> tuple[str, ...]:
        return (PurePosixPath(getattr(self, split)).name,)


AnyFolder = CocoFolder | VocFolder | VisDroneFolder
Data = Annotated[
    Annotated[Scenes | VocScenes | VisDroneScenes, Field(discriminator="kind")]
    | Annotated[AnyFolder, Field(discriminator="layout")],
    Field(discriminator="source"),
]


class Input(Options):
    """Shorter side is scaled to `short` unless the longer would exceed `long` (pixels).

    `mean`, `std`: of RGB pixels of 0..1; those of ResNet weights follow the weights.
    """

    short: PositiveInt = 800
    long: PositiveInt = 1333
    flip: Share = 0.5
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.long < self.short:
            raise ValueError("long must be at least short")
        return self
