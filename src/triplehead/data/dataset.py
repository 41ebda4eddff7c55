"""Images with their training targets and evaluation truth, whichever layout they were read from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triplehead.data.files import first_of, status
from triplehead.data.images import decode, whole_size_of
from triplehead.data.truth import ImageTruth
from triplehead.errors import InputError

Target = dict[str, Any]  # boxes and labels: tensors; image_id: int; size, batch_shape: (height, width)


@dataclass(frozen=True)
class ImageEntry:
    """One image: its file below the folder of images, its training targets and all that is annotated in it.

    `boxes` float32 [M, 4] xyxy in pixels inside the image, none without an area; `labels` int64 [M];
    `source`: the annotation file that describes it.
    """

    file_name: str
    source: Path
    boxes: np.ndarray
    labels: np.ndarray
    truth: ImageTruth

    @property
    def image_id(self) -> int:
        return self.truth.image_id

    @property
    def height(self) -> int:
        return self.truth.height

    @property
    def width(self) -> int:
        return self.truth.width


def image_entry(file_name: str, source: Path, truth: ImageTruth, trained: np.ndarray) -> ImageEntry:
    """Training targets: the objects that `trained` bool [M] names, clipped to the image, those left without an
    area dropped."""
    boxes = truth.boxes[trained].clip(0, [truth.width, truth.height, truth.width, truth.height])
    real = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return ImageEntry(file_name, source, boxes[real].astype(np.float32), truth.labels[trained][real], truth)


@dataclass(frozen=True)
class Content:
    """What a reader found: checked entries, `categories` (id, name), a label being an index into them, the
    annotation files in reading order, and how many of what was set aside, by name (`num_...`)."""

    entries: tuple[ImageEntry, ...]
    categories: tuple[tuple[int, str], ...]
    files: tuple[Path, ...]
    counts: dict[str, int]


class DetectionDataset:
    """Images of one split; annotations are checked when it is made, images when they are read.

    `images`: folder that file names are relative to; `annotations`: file or folder that annotations come from.
    Images without boxes stay. `cache` keeps decoded images in memory.

    Attributes: `entries`; `categories` list of (id, name), a label being its index; `label_to_category` list of
    ids; `image_ids`; `sizes` list of (height, width); `num_boxes` to train on; `counts` of what is set aside.
    """

    def __init__(self, images: Path, annotations: Path, content: Content, cache: bool = False):
        self.images, self.annotations = Path(images), Path(annotations)
        self.entries = content.entries
        self.categories = list(content.categories)
        self.label_to_category = [number for number, _ in content.categories]
        self.image_ids = [entry.image_id for entry in self.entries]
        self.sizes = [(entry.height, entry.width) for entry in self.entries]
        self.num_boxes = sum(len(entry.boxes) for entry in self.entries)
        self.counts = content.counts
        self._files = content.files
        self._cache: dict[int, torch.Tensor] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def aspect_ratios(self) -> np.ndarray:
        """Width / height of each image: float64 [N]."""
        return np.array([width / height for height, width in self.sizes])

    def truth(self) -> list[ImageTruth]:
        """What evaluation compares with, image by image."""
        return [entry.truth for entry in self.entries]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Target]:
        """(image uint8 [3, H, W] RGB, {boxes [M, 4], labels [M], image_id, size (H, W)}).

        With a cache the image is shared between calls: do not write into it. Raises InputError where the file
        is missing or broken, or has another size than its annotation says.
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
        image = decode(self.images / entry.file_name)
        self._check_size(entry, *image.shape[1:])
        if self._cache is not None:
            self._cache[index] = image
        return image

    def check_files(self) -> None:
        """Raise InputError unless every image is a file."""
        self._file_sizes()

    def check_images(self) -> None:
        """Raise InputError unless every image is a file, of its size by its header, and not cut short. That all its
        pixels can be decoded is seen when it is read."""
        self.check_files()
        for entry in self.entries:
            self._check_size(entry, *whole_size_of(self.images / entry.file_name))

    def _check_size(self, entry: ImageEntry, height: int, width: int) -> None:
        if (height, width) != (entry.height, entry.width):
            problem = f"is {width}x{height} pixels, but {entry.source} says {entry.width}x{entry.height}"
            raise InputError(self.images / entry.file_name, problem)

    def digest(self) -> str:
        """SHA-256 (hex) over the annotations' bytes and the images' sorted (name, size in bytes)."""
        digest = hashlib.sha256()
        for file in self._files:
            content = file.read_bytes()
            if len(self._files) > 1:  # else a line moved from one file to the next would go unnoticed
                digest.update(f"{file.relative_to(self.annotations).as_posix()}\0{len(content)}\n".encode())
            digest.update(content)
        for name, size in self._file_sizes():
            digest.update(f"{name}\0{size}\n".encode())
        return digest.hexdigest()

    def _file_sizes(self) -> list[tuple[str, int]]:
        if not self.images.is_dir():
            raise InputError(self.images, "no such folder, expected the images")
        found, missing = [], []
        for entry in sorted(self.entries, key=lambda entry: entry.file_name):
            try:
                found.append((entry.file_name, status(self.images / entry.file_name).st_size))
            except OSError:
                missing.append(entry)
        if missing:
            first = missing[0]
            raise InputError(
                self.images / first.file_name, f"no such file{first_of(missing)}, but {first.source} lists it"
            )
        return found
