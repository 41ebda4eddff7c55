"""Makes or checks a data set and says in a manifest what it is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triplehead.data import layouts, scenes
from triplehead.data.coco import CocoDataset
from triplehead.data.counts import demand_official
from triplehead.data.dataset import DetectionDataset
from triplehead.data.kept import KEPT, LOOKING, MANIFEST
from triplehead.data.render import Split
from triplehead.data.visdrone import VisDroneDataset
from triplehead.data.voc import VocDataset
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.datasets import DatasetFile
from triplehead.plan.documents import Layer, validate
from triplehead.plan.options import (
    AnyFolder,
    CocoFolder,
    Data,
    Folder,
    VisDroneFolder,
    VisDroneScenes,
    VocFolder,
    VocScenes,
)
from triplehead.reading import read_json

ROOT = "root"
SPLITS: tuple[Split, ...] = ("train", "val")
_KINDS = {"images": str, "annotations": str, "num_images": int, "num_boxes": int, "categories": list}


def prepare(data: Data, data_root: Path | None, folder: Path, official: DatasetFile | None = None) -> dict[str, Any]:
    """Write (scenes) or check (the user's folder) a data set; return the manifest at `folder`/manifest.json.

    The manifest holds `source`, `options` and per split the paths of images and annotations below `folder`, the
    counts, the categories and a digest. It is the same bytes each time, and wherever the user's images lie:
    `folder`/root is a link to them. Scenes appear together
    with their manifest or not at all, and are kept where they already are what is asked for. Raises
    InputError where data are missing or wrong; with `official`, also where the user's are not all of that data set.
    """
    folder = Path(folder)
    if isinstance(data, Folder):
        root = _user_root(data, data_root)
        manifest = _manifest(data, root, ROOT, official)
        with atomic(folder / ROOT) as link:
            link.symlink_to(root.resolve())
        with atomic(folder / MANIFEST) as temporary:
            temporary.write_text(_text(manifest), encoding="utf-8")
        return manifest
    kept = _complete_scenes(data, folder)
    if kept is not None:
        return kept
    with atomic(folder) as temporary:
        scenes.write(data, temporary)
        manifest = _manifest(data, temporary)
        (temporary / MANIFEST).write_text(_text(manifest), encoding="utf-8")
    return manifest


def files_of(folder: Path) -> list[Path]:
    """What `prepare` made: the scenes' files and the manifest, or of the user's folder the manifest alone."""
    inside = [path for path in Path(folder).rglob("*") if path.is_file() and path.name not in (KEPT, LOOKING)]
    return [path for path in inside if ROOT not in path.relative_to(folder).parts]


def open_split(folder: Path, split: Split, cache: bool = False) -> DetectionDataset:
    """The data set of a split, by the manifest in `folder`. Raises InputError where there is none, or where the
    annotations, or the names and sizes of the images, are not those that it was made of."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    data = validate(Data, Layer(folder / MANIFEST, "options", manifest["options"]))
    dataset = _open(data, (folder / ROOT if isinstance(data, Folder) else folder).resolve(), split, cache)
    if dataset.digest() != manifest["splits"][split].get("digest"):
        raise InputError(
            dataset.annotations,
            f"they or images in {dataset.images} changed since {folder / MANIFEST} "
            "was made; delete that to prepare the data anew",
        )
    return dataset


def _open(data: Data, root: Path, split: Split, cache: bool = False) -> DetectionDataset:
    """The reader of the data set's layout; `root`: the folder of the scenes, or data_root."""
    match data:
        case VocFolder():
            return VocDataset(root / data.devkit, getattr(data, split), difficult=data.difficult, cache=cache)
        case VisDroneFolder():
            return VisDroneDataset(root / getattr(data, split), cache=cache)
        case CocoFolder():
            return CocoDataset(
                root / getattr(data, f"{split}_images"), root / getattr(data, f"{split}_annotations"), cache
            )
        case VocScenes():
            sets = [layouts.VOC_SETS[split]]
            return VocDataset(root / layouts.VOC_DEVKIT, sets, layouts.DIGIT_NAMES, data.difficult, cache)
        case VisDroneScenes():
            return VisDroneDataset(root / layouts.VISDRONE_FOLDERS[split], layouts.DIGIT_NAMES, cache)
    images, annotations = layouts.COCO_PATHS[split]
    return CocoDataset(root / images, root / annotations, cache)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in `folder`. Raises InputError where there is none, or it is damaged."""
    path, wrong = Path(folder) / MANIFEST, "is not a manifest of prepared data; prepare them again"
    manifest = read_json(path, "no such file: the data have not been prepared", wrong)
    try:
        sound = isinstance(manifest["options"], dict) and all(
            type(manifest["splits"][split][key]) is kind for split in SPLITS for key, kind in _KINDS.items()
        )
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise InputError(path, wrong)
    return manifest


def _manifest(data: Data, base: Path, name: str = ".", official: DatasetFile | None = None) -> dict[str, Any]:
    """Read every split; paths are relative to `base`, which is called `name` below the manifest's folder."""
    opened = {split: _open(data, base, split) for split in SPLITS}
    splits = {}
    for split, dataset in opened.items():
        check_split(data, split, dataset)
        if official is not None and isinstance(data, Folder):
            demand_official(dataset, data, split, official)
        splits[split] = {
            "images": (Path(name) / dataset.images.relative_to(base)).as_posix(),
            "annotations": (Path(name) / dataset.annotations.relative_to(base)).as_posix(),
            "num_images": len(dataset),
            "num_boxes": dataset.num_boxes,
            **dataset.counts,
            "categories": [list(category) for category in dataset.categories],
            "digest": dataset.digest(),
        }
    check_categories(*opened.values())
    return {"source": data.source, "options": data.model_dump(mode="json"), "splits": splits}


def check_categories(train: DetectionDataset, val: DetectionDataset) -> None:
    """Raise InputError where the splits' categories are not the same."""
    if train.categories != val.categories:
        raise InputError(val.annotations, f"its categories differ from those in {train.annotations}")


def check_split(data: Data, split: Split, dataset: DetectionDataset) -> None:
    """Raise InputError where an image's file is missing (of the user's: or cut short, or of another size), no object is
    left to train on, or classes are not those of the options."""
    if isinstance(data, Folder):
        dataset.check_images()
    else:
        dataset.check_files()
    if not dataset.num_boxes:
        raise InputError(dataset.annotations, f"holds no boxes for the {split} split")
    if (found := len(dataset.categories)) != data.num_classes:
        raise InputError(dataset.annotations, f"has {found} categories, expected {data.num_classes}")


def _complete_scenes(data: Data, folder: Path) -> dict[str, Any] | None:
    """The manifest of scenes that are already there, whole and as asked for."""
    try:
        manifest = read_manifest(folder)
        found = manifest == _manifest(data, folder)
    except InputError:
        return None
    return manifest if found else None


def open_user_split(data: AnyFolder, data_root: Path | None, split: Split) -> DetectionDataset:
    """A split of the user's folder, read and checked. Raises InputError where it is missing or wrong."""
    dataset = _open(data, _user_root(data, data_root, (split,)), split)
    check_split(data, split, dataset)
    return dataset


def _user_root(data: Folder, data_root: Path | None, splits: Sequence[Split] = SPLITS) -> Path:
    if data_root is None:
        raise InputError("data_root", "is not set, expected the folder that holds the images of this scale")
    root = Path(data_root)
    if not root.is_dir():
        raise InputError(root, "no such folder, expected data_root with the images of this scale")
    for split in splits if isinstance(data, CocoFolder) else ():
        images, annotations = root / getattr(data, f"{split}_images"), root / getattr(data, f"{split}_annotations")
        if not images.is_dir():
            raise InputError(images, f"no such folder, expected the images of the {split} split")
        if not annotations.is_file():
            raise InputError(annotations, f"no such file, expected the annotations of the {split} split")
    return root


def _text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1) + "\n"
