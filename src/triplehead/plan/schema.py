"""What the files under experiments/ may say."""

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from triplehead.plan.datasets import Mirror
from triplehead.plan.engines import Engine
from triplehead.plan.options import (
    Backbone,
    Data,
    DatasetName,
    Evaluation,
    Input,
    Options,
    Precision,
    Schedule,
    Weights,
)
from triplehead.plan.resources import JobName, JobResources
from triplehead.plan.speed import REFERENCE, SPEED_METRICS, Speed

Accelerator = Literal["cpu", "auto", "gpu"]  # auto: a GPU where there is one
BackboneName = Literal["resnet50", "resnet101"]
HeadName = Literal["fcos", "triple", "border", "dyhead"]
AssignerName = Literal["fcos", "jla", "atss", "max_iou"]
Drawing = Literal[  # that triplehead.analysis.figures can make
    "fig4", "fig5", "fig6", "fig_learning_curves", "fig_ap_by_size", "fig_heads_by_assigners"
]  # fmt: skip
Settings = dict[str, Any]  # part of an Options class; checked when merged
SCORES = {  # what tables may print, by the protocol that measures it
    "coco": ("AP", "AP50", "AP75", "APS", "APM", "APL"),
    "voc": ("AP", "AP50", "AP75"),
    "visdrone": ("AP", "AP50", "AP75"),
}
AVERAGES = {"coco": (), "voc": ("11point",), "visdrone": ("classmean",)}  # scores.json holds AP_<average> beside AP


def _word(value: Any) -> Any:
    """Snakemake's --config knows True, but hands down true as a text."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _store(uri: str) -> str:
    scheme = uri.partition("://")[0].partition("+")[0]
    if "://" not in uri or scheme not in STORES:
        raise ValueError(f"expected one of {', '.join(f'{name}://...' for name in STORES)}")
    return uri


def _kind(name: str) -> str:
    if not re.fullmatch(rf"(\S+ )?\S+ \S+ \d+x\d+ \d+ classes ({'|'.join(get_args(Precision))})(, \d+ at once)?", name):
        raise ValueError('expected a kind of run, like "fcos-jla resnet50 800x1333 80 classes 32-true"')
    return name


Kind = Annotated[str, AfterValidator(_kind)]
MOST_SEEDS = 1000  # of a row: each is a training, and a mistyped number would fill the memory
Seeds = Annotated[int, Field(gt=0, le=MOST_SEEDS)]
STORES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")  # that MLflow can open
Switch = Annotated[bool, BeforeValidator(_word)]


class Config(Options):
    """experiments/config.yaml, overridden by `--config key=value`."""

    scale: str = "proxy"
    other_scale: Literal["refuse", "replace"] = "refuse"  # what becomes of the tables of another scale in results/
    seeds: Seeds | None = None  # none: as many as the scale says
    data_root: str | None = None
    data_complete: Switch | None = None  # whether data sets must hold what is official; none: as the scale says
    download: Switch = False  # whether a data set that is not below data_root is fetched
    data_mirror: Mirror | None = None  # archives are fetched from here, by their file names; none: official addresses
    tracking_uri: Annotated[str, AfterValidator(_store)] | None = None  # none: SQLite below results/
    weights_root: str | None = None  # none: weights/ below data_root
    download_weights: Switch = False  # those that are not there, from their publishers
    extra: str | None = None  # a folder of the user's own experiments, run beside the paper's
    # Where to train: no part of a run, whose numbers do not depend on it but by rounding. None: as the scale says.
    accelerator: Accelerator | None = None
    devices: PositiveInt | None = None
    micro_batch: PositiveInt | None = None
    runs_per_gpu: PositiveInt | None = None
    engine: Engine | None = None  # of rows that name none and can have it; none: triplehead. Part of a run's id
    # What to train otherwise than the scale says: part of a run's id (plan/overrides.py).
    weights: Weights | None = None
    iterations: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    precision: Precision | None = None
    short_side: PositiveInt | None = None


class DetectorFile(Options):
    """experiments/detectors/*.yaml."""

    architecture: Literal["dense", "faster_rcnn", "retinanet"] = "dense"
    head: Settings = {}
    assigner: Settings = {}
    loss: Settings = {}
    postprocess: Settings = {}


Seconds = Annotated[float, Field(gt=0, le=86_400)]  # of a step, an image or what stands around a run: at most a day


class Step(Options):
    """What one kind of run took on a machine, medians: steps of `batch_size` images and detection in one."""

    batch_size: PositiveInt  # images of a step as it was timed
    step: Seconds  # forward, assignment, losses, backward, optimiser
    image: Seconds  # to detect in one image, NMS included
    memory: PositiveInt | None = None  # peak bytes on the GPU; none on the CPU


class Cost(Options):
    """Seconds on the machine named: to estimate with before anything ran.

    Either fitted to whole studies (`image` and `run`), where a head that is not listed costs as much as the dearest,
    or timed (`kinds`), of those kinds of run alone.
    """

    machine: str
    device: Literal["cpu", "gpu"] = "cpu"
    image: dict[str, Seconds] = {}  # per training image, by head
    run: Seconds | None = None  # what a run takes around its steps
    kinds: dict[Kind, Step] = {}  # as `triplehead plan --calibrate` has them in results/calibration.json

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if bool(self.kinds) == bool(self.image) or bool(self.image) != (self.run is not None):
            raise ValueError("expected either kinds, or image with at least one head and run")
        return self


class Resampling(Options):
    """Resamples of the validation images, for intervals; no part of a run, whose id must not depend on it."""

    replicates: Annotated[int, Field(ge=100)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0  # the same seed, the same intervals


class DatasetSettings(Options):
    """What one data set changes in a scale's blocks of the same names."""

    input: Settings = {}
    postprocess: Settings = {}
    evaluation: Settings = {}


class Scale(Options):
    """experiments/scales/*.yaml: same code, other data, image size, backbone and schedule."""

    about: str
    meaningful: bool = True  # false: scores show that everything runs, and nothing else
    seeds: Seeds
    threads: PositiveInt
    num_workers: Annotated[int, Field(ge=0)] = 0
    accelerator: Accelerator = "cpu"
    devices: PositiveInt = 1  # that share the batches of one run
    micro_batch: PositiveInt | None = None  # images that a device takes at once; none: all of its share
    runs_per_gpu: PositiveInt = 1  # of this machine, at once: one small run leaves most of it idle
    datasets: dict[DatasetName, Data]
    data_complete: bool = False  # whether the user's data sets must hold what is official
    dataset_settings: dict[DatasetName, DatasetSettings] = {}
    input: Input
    backbones: dict[BackboneName, Backbone]
    detectors: dict[str, str] = {}  # a detector file -> the one that stands for it at this scale
    heads: dict[HeadName, Settings] = {}
    assigners: dict[AssignerName, Settings] = {}
    second_stage: Settings = {}  # of Faster R-CNN
    loss: Settings = {}
    postprocess: Settings = {}
    schedules: dict[str, Schedule]
    evaluation: Evaluation = Evaluation()
    speed: Speed = Speed()
    resampling: Resampling = Resampling()
    cost: Cost | None = None
    resources: JobResources = JobResources()

    @model_validator(mode="after")
    def _data_sets_fit(self) -> Self:
        for name, data in self.datasets.items():
            if data.layout != name:
                key = "kind" if data.source == "scenes" else "layout"
                raise ValueError(f"datasets.{name}.{key}: found {data.layout!r}, expected {name!r}")
        if unknown := self.dataset_settings.keys() - self.datasets.keys():
            raise ValueError(f"dataset_settings: {sorted(unknown)[0]} is not among datasets")
        return self

    def gpus_of(self, job: JobName) -> int:
        """GPUs that one job of a rule needs; 0 where the scale computes on the CPU."""
        asked = getattr(self.resources, job).gpu
        if asked is not None:
            return asked
        return {"train": self.devices, "speed": 1}.get(job, 0) if self.accelerator != "cpu" else 0

    def cpus_of(self, job: JobName) -> int:
        """Cores that one job of a rule takes."""
        asked = getattr(self.resources, job).cpus
        return asked or (self.devices * (self.threads + self.num_workers) if job == "train" else self.threads)

    def mem_mb_of(self, job: JobName) -> int:
        """Memory of one job of a rule: each device of a training has a process with a copy of the annotations."""
        return getattr(self.resources, job).mem_mb * (self.devices if job == "train" else 1)

    def settings_of(self, dataset: DatasetName) -> DatasetSettings:
        """What `dataset` changes; nothing, where the file does not say."""
        return self.dataset_settings.get(dataset, DatasetSettings())


class Spec(Options):
    """What a row trains, before a scale and a seed are chosen."""

    detector: str
    engine: Engine | None = None  # none: the configuration's
    dataset: DatasetName = "coco"
    backbone: BackboneName = "resnet50"
    schedule: str = "1x"
    head: Settings = {}
    assigner: Settings = {}
    loss: Settings = {}
    postprocess: Settings = {}


class Band(Options):
    """What a group expects of a cell at one scale: `triplehead verify` holds its own reproduction against it.

    value: none, the number that the paper prints, which only the paper scale can be held against. tolerance: in the
    metric's unit; at most so far may the mean lie from it. seeds: from how many on it is judged (speed: repeats; a
    count is always). split: whose scores it is about; none, the split that the table prints.
    """

    value: float | None = None
    tolerance: Annotated[float, Field(ge=0)]
    seeds: PositiveInt = 3
    split: Literal["val", "test-dev"] | None = None


class Row(Options):
    """One line of a table, or one curve of a figure."""

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    ticks: dict[str, bool | int | float | str] = {}  # the columns left of the numbers, as printed
    spec: Spec | None = None  # none: a number that the paper only cites
    published: dict[str, float | int] = {}
    group: str | None = None  # sub-heading above the row
    note: str | None = None
    accept: dict[str, dict[str, Band]] = {}  # scale -> metric -> band; a count is the paper scale's at every scale

    @field_validator("spec", mode="before")
    @classmethod
    def _left_out(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.mode == "json":  # from a file
            raise ValueError("expected what is trained; leave the key out of a row that is only cited")
        return value


class Exhibit(Options):
    """A table or figure: experiments/table*.yaml, experiments/fig*.yaml."""

    kind: Literal["scores", "parameters", "speed", "figure"]
    title: str
    section: str | None = None  # of the paper, where it is discussed; none: beyond the paper
    columns: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    transposed: bool = False  # the paper prints the rows as columns
    protocol: DatasetName = "coco"
    seeds: Seeds | None = None  # that it needs of each row, at most the scale's; none: all of them
    average: str | None = None  # which of the protocol's other averages is printed; none: AP itself
    # The paper's scores are of this split. test-dev's come back from COCO's server; val's stand in until they do.
    split: Literal["val", "test-dev"] = "val"
    notes: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    rows_of: str | None = None  # instead of rows: the labels and specs of that exhibit
    drawn_as: Drawing | None = None  # of a figure: the one whose drawing it is with other rows; none: its own

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if bool(self.rows) == bool(self.rows_of):
            raise ValueError("expected either rows or rows_of")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key in ("columns", "metrics"):
            names = getattr(self, key)
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"{key}: {twice!r} is used twice")
        return self

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        allowed = {
            "scores": set(SCORES[self.protocol]),
            "parameters": {"parameters"},
            "speed": set(SPEED_METRICS),
            "figure": set(),
        }[self.kind]
        if unknown := set(self.metrics) - allowed:
            raise ValueError(f"metrics: {sorted(unknown)[0]} is not a metric of kind {self.kind}")
        if self.average is not None and self.average not in AVERAGES[self.protocol]:
            averages = ", ".join(AVERAGES[self.protocol]) or "none"
            raise ValueError(f"average: found {self.average!r}, allowed for protocol {self.protocol}: {averages}")
        if self.split == "test-dev" and self.protocol != "coco":
            raise ValueError(f"split: test-dev is COCO's, the protocol is {self.protocol}")
        labels = [row.label for row in self.rows]
        for index, row in enumerate(self.rows):
            if labels.index(row.label) != index:
                raise ValueError(f"rows.{index}.label: {row.label!r} is used twice")
            if self.kind == "scores" and row.spec and row.spec.dataset != self.protocol:
                raise ValueError(f"rows.{index}.spec.dataset: {row.spec.dataset}, but the protocol is {self.protocol}")
            if unknown := set(row.published) - set(self.metrics):
                raise ValueError(f"rows.{index}.published: {sorted(unknown)[0]} is not among metrics")
            for metric, value in row.published.items():
                if self.kind == "scores" and not 0 <= value <= 100:
                    raise ValueError(f"rows.{index}.published.{metric}: expected percent of 0..100, found {value:g}")
                if self.kind != "scores" and value <= 0:
                    raise ValueError(f"rows.{index}.published.{metric}: expected more than 0, found {value:g}")
            if unknown := set(row.ticks) - set(self.columns):
                raise ValueError(f"rows.{index}.ticks: {sorted(unknown)[0]} is not among columns")
        return self

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        for index, row in enumerate(self.rows):
            for scale, bands in row.accept.items():
                at = f"rows.{index}.accept.{scale}"
                if row.spec is None:
                    raise ValueError(f"{at}: nothing is run for this row, so nothing can be accepted")
                if self.kind == "parameters" and scale != "paper":
                    raise ValueError(f"{at}: parameters are counted at the paper scale alone")
                for metric, band in bands.items():
                    if metric not in self.metrics:
                        raise ValueError(f"{at}: {metric} is not among metrics")
                    if band.value is None and scale != "paper":
                        problem = "required, since what the paper prints is of the paper scale"
                        raise ValueError(f"{at}.{metric}.value: {problem}")
                    if band.value is None and metric not in row.published:
                        raise ValueError(f"{at}.{metric}.value: required, since the paper prints none")
                    if band.split not in (None, self.split) and self.split != "test-dev":
                        raise ValueError(f"{at}.{metric}.split: the table prints {self.split} alone")
        return self

    @model_validator(mode="after")
    def _speed_is_comparable(self) -> Self:
        if self.kind == "speed":
            trained = {row.label: row.spec.dataset for row in self.rows if row.spec}
            if REFERENCE not in trained:
                raise ValueError(f"rows: kind speed needs a row {REFERENCE} with a spec, which ratios refer to")
            if len(set(trained.values())) > 1:
                raise ValueError("rows: speed is compared on the same images, so on one dataset")
        return self
