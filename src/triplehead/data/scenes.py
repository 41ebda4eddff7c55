"""Scenes of digits: the embedded data. Each kind is composed in a file of its own and written in the layout of the
data set that it stands for."""

from collections.abc import Callable
from pathlib import Path

from triplehead.data import layouts, scenes_coco, scenes_visdrone, scenes_voc
from triplehead.data.render import Split
from triplehead.data.scene_parts import Scene
from triplehead.plan.options import AnyScenes

_COMPOSERS: dict[str, Callable[..., Scene]] = {
    "coco": scenes_coco.compose,
    "voc": scenes_voc.compose,
    "visdrone": scenes_visdrone.compose,
}


def compose(options: AnyScenes, split: Split, index: int) -> Scene:
    """Scene `index` of a split: depends on nothing but the options' look, their seed, split and index."""
    return _COMPOSERS[options.kind](options, split, index)


def write(options: AnyScenes, folder: Path) -> None:
    """Write both splits below `folder` in the kind's layout (`layouts`); the bytes follow the seed."""
    writer = {"coco": layouts.write_coco, "voc": layouts.write_voc, "visdrone": layouts.write_visdrone}[options.kind]
    counts: dict[Split, int] = {"train": options.train, "val": options.val}
    for split, count in counts.items():
        writer((compose(options, split, index) for index in range(count)), split, folder)
