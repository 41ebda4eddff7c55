"""Who trains and evaluates a run: this suite, or detectron2 (docs/detectron2.md)."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from triplehead.errors import InputError

Engine = Literal["triplehead", "detectron2"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
# What an engine can score: detectron2's evaluators of the other two protocols are not their authors'.
DATASETS = {"triplehead": ("coco", "voc", "visdrone"), "detectron2": ("coco",)}


def importable() -> bool:
    """Whether there is a detectron2 here; finding it does not import it."""
    return find_spec("detectron2") is not None


def chosen_engine(row: Engine | None, study: Engine | None, dataset: str) -> Engine:
    """What a row says; else what the study says, where that can score the row's data set; else this suite."""
    return row or (study if study and dataset in DATASETS[study] else "triplehead")


def check_engine(engine: Engine, dataset: str, sharing: dict[str, int | bool | None], file: Path, at: str) -> None:
    """Raise InputError, naming the place that asks for it, where the engine cannot train the run.

    sharing: the settings by which a batch is shared, none where it is not.
    """
    if engine == "triplehead":
        return
    where = f"{at}: found {engine!r}"
    if not importable():
        raise InputError(file, f"{where}, but it cannot be imported here; docs/detectron2.md says how to get it")
    if dataset not in DATASETS[engine]:
        raise InputError(file, f"{where}, whose evaluator is COCO's, on dataset {dataset!r}; allowed: triplehead")
    if shared := next((name for name, value in sharing.items() if value), None):
        raise InputError(file, f"{where}, which takes a batch whole, in one process; expected {shared} not to be set")
