"""Makes or checks a data set and says in a manifest what it is."""

import json
from pathlib import Path
from typing import Any, Literal

from triplehead.data import layouts, scenes
from triplehead.data.coco import CocoDataset
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.options import Folder, Scenes

MANIFEST = "manifest.json"
ROOT = "root"
Places = dict[str, tuple[Path, Path]]  # split: (images, annotations)


def prepare(data: Scenes | Folder, data_root: Path | None, folder: Path) -> dict[str, Any]:
    """Write (scenes) or check (the user's folder) a data set; return the manifest at `folder`/manifest.json.

    The manifest holds `source`, `options` and per split the paths of images and annotations below `folder`, the
    counts, the categories and a digest. It is the same bytes each time, and wherever the user's images lie:
    `folder`/root is a link to them. Scenes appear together
    with their manifest or not at all, and are kept where they already are what is asked for. Raises
    InputError where data are missing or wrong.
    """
    folder = Path(folder)
    if isinstance(data, Folder):
        manifest = _manifest(data, _user_places(data, data_root), Path(data_root), ROOT)
        with atomic(folder / ROOT) as link:
            link.symlink_to(Path(data_root).resolve())
        with atomic(folder / MANIFEST) as temporary:
            temporary.write_text(_text(manifest), encoding="utf-8")
        return manifest
    kept = _complete_scenes(data, folder)
    if kept is not None:
        return kept
    with atomic(folder) as temporary:
        scenes.write(data, temporary)
        manifest = _manifest(data, _scene_places(temporary), temporary)
        (temporary / MANIFEST).write_text(_text(manifest), encoding="utf-8")
    return manifest


def open_split(folder: Path, split: Literal["train", "val"], cache: bool = False) -> CocoDataset:
    """The data set of a split, by the manifest in `folder`. Raises InputError where there is none."""
    folder = Path(folder)
    paths = read_manifest(folder)["splits"][split]
    images, annotations = ((folder / paths[key]).resolve() for key in _PATHS)
    return CocoDataset(images, annotations, cache=cache)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in `folder`. Raises InputError where there is none, or it is damaged."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        places = [manifest["splits"][split][key] for split in ("train", "val") for key in _PATHS]
    except FileNotFoundError:
        raise InputError(path, "no such file: the data have not been prepared") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, "is not a manifest of prepared data; prepare them again") from error
    if not all(isinstance(place, str) for place in places):
        raise InputError(path, "is not a manifest of prepared data; prepare them again")
    return manifest


_PATHS = ("images", "annotations")


def _manifest(data: Scenes | Folder, places: Places, base: Path, name: str = ".") -> dict[str, Any]:
    """Read every split; paths are relative to `base`, which is called `name` below the manifest's folder."""
    splits = {}
    for split, (images, annotations) in places.items():
        dataset = CocoDataset(images, annotations)
        dataset.check_files()
        if not dataset.num_boxes:
            raise InputError(annotations, f"holds no boxes for the {split} split")
        splits[split] = {
            "images": (Path(name) / images.relative_to(base)).as_posix(),
            "annotations": (Path(name) / annotations.relative_to(base)).as_posix(),
            "num_images": len(dataset),
            "num_boxes": dataset.num_boxes,
            "num_crowd": dataset.num_crowd,
            "num_degenerate": dataset.num_degenerate,
            "categories": [list(category) for category in dataset.categories],
            "digest": dataset.digest(),
        }
    if splits["train"]["categories"] != splits["val"]["categories"]:
        raise InputError(places["val"][1], f"its categories differ from those in {places['train'][1]}")
    return {"source": data.source, "options": data.model_dump(mode="json"), "splits": splits}


def _complete_scenes(data: Scenes, folder: Path) -> dict[str, Any] | None:
    """The manifest of scenes that are already there, whole and as asked for."""
    try:
        manifest = read_manifest(folder)
        found = manifest == _manifest(data, _scene_places(folder), folder)
    except InputError:
        return None
    return manifest if found else None


def _scene_places(folder: Path) -> Places:
    return {
        split: (folder / images, folder / annotations) for split, (images, annotations) in layouts.COCO_PATHS.items()
    }


def _user_places(data: Folder, data_root: Path | None) -> Places:
    if data_root is None:
        raise InputError("data_root", "is not set, expected the folder that holds the images of this scale")
    root = Path(data_root)
    if not root.is_dir():
        raise InputError(root, "no such folder, expected data_root with the images of this scale")
    places = {
        "train": (root / data.train_images, root / data.train_annotations),
        "val": (root / data.val_images, root / data.val_annotations),
    }
    for split, (images, annotations) in places.items():
        if not images.is_dir():
            raise InputError(images, f"no such folder, expected the images of the {split} split")
        if not annotations.is_file():
            raise InputError(annotations, f"no such file, expected the annotations of the {split} split")
    return places


def _text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1) + "\n"
