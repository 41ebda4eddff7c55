"""The reader of COCO's layout: a folder of images and an instances JSON."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from triplehead.data import annotations as instances
from triplehead.data.images import decode
from triplehead.errors import InputError

Target = dict[str, torch.Tensor | int | tuple[int, int]]


class CocoDataset:
    """Images with their training targets; annotations are checked here, images when they are read.

    Crowd boxes and boxes without an area inside the image are no training targets (evaluation reads the JSON
    itself, crowds included). Images without boxes stay. `cache` keeps decoded images in memory.

    Attributes: `categories` list of (id, name) sorted by id, a label being its index; `label_to_category`
    list of ids; `image_ids`; `sizes` list of (height, width); `num_boxes`, `num_crowd`, `num_degenerate`.
    Without `annotated` the file is an image_info JSON (test-dev): images to predict on, none with boxes.
    Raises InputError as `annotations.read` does.
    """

    def __init__(self, images: Path, annotations: Path, cache: bool = False, annotated: bool = True):
        self.images, self.annotations = Path(images), Path(annotations)
        checked = instances.read(self.annotations, annotated)
        self.entries = checked.images
        self.categories = list(checked.categories)
        self.label_to_category = [number for number, _ in checked.categories]
        self.image_ids = [entry.image_id for entry in self.entries]
        self.sizes = [(entry.height, entry.width) for entry in self.entries]
        self.num_boxes = sum(len(entry.boxes) for entry in self.entries)
        self.num_crowd, self.num_degenerate = checked.num_crowd, checked.num_degenerate
        self._cache: dict[int, torch.Tensor] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def aspect_ratios(self) -> np.ndarray:
        """Width / height of each image: float64 [N]."""
        return np.array([width / height for height, width in self.sizes])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Target]:
        """(image uint8 [3, H, W] RGB, {boxes [M, 4], labels [M], image_id, size (H, W)}).

        With a cache the image is shared between calls: do not write into it. Raises InputError where the file
        is missing or broken, or has another size than the JSON says.
        """
        entry = self.entries[index]
        target: Target = {
            "boxes": torch.from_numpy(entry.boxes.copy()),
            "labels": torch.from_numpy(entry.labels.copy()),
            "image_id": entry.image_id,
            "size": (entry.height, entry.width),
        }
        return self.image(index), target

    def image(self, index: int) -> torch.Tensor:
        """The image alone: uint8 [3, H, W] RGB. Raises InputError as reading an item does."""
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        entry = self.entries[index]
        path = self.images / entry.file_name
        image = decode(path)
        if image.shape[1:] != (entry.height, entry.width):
            found = f"{image.shape[2]}x{image.shape[1]}"
            raise InputError(path, f"is {found} pixels, but {self.annotations} says {entry.width}x{entry.height}")
        if self._cache is not None:
            self._cache[index] = image
        return image

    def check_files(self) -> None:
        """Raise InputError unless every image file exists (their content is checked when read)."""
        self._file_sizes()

    def digest(self) -> str:
        """SHA-256 (hex) over the annotations' bytes and the images' sorted (name, size in bytes)."""
        digest = hashlib.sha256(self.annotations.read_bytes())
        for name, size in self._file_sizes():
            digest.update(f"{name}\0{size}\n".encode())
        return digest.hexdigest()

    def _file_sizes(self) -> list[tuple[str, int]]:
        if not self.images.is_dir():
            raise InputError(self.images, "no such folder, expected the images")
        found, missing = [], []
        for name in sorted(entry.file_name for entry in self.entries):
            try:
                found.append((name, os.stat(self.images / name).st_size))
            except OSError:
                missing.append(name)
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise InputError(self.images / missing[0], f"no such file{others}, but {self.annotations} lists it")
        return found
