"""Object crops with their class: what a backbone is pre-trained on before detection."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from triplehead.data.dataset import DetectionDataset
from triplehead.errors import InputError

_MARGIN = 1.2  # side of the crop, as a multiple of the box's longer side
_JITTER = 0.2  # greatest relative change of that side, and shift of the centre as a share of it


class Crops:
    """Batches of square crops around random boxes; batch i depends on (seed, i) alone."""

    def __init__(self, dataset: DetectionDataset, size: int, batch_size: int, seed: int):
        """`size`: side of the crops in pixels. Raises InputError where the set has no boxes."""
        if not dataset.num_boxes:
            raise InputError(dataset.annotations, "holds no boxes to crop")
        self.dataset, self.size, self.batch_size, self.seed = dataset, size, batch_size, seed
        self.boxes = np.concatenate([entry.boxes for entry in dataset.entries])
        self.labels = np.concatenate([entry.labels for entry in dataset.entries])
        self.images = np.repeat(np.arange(len(dataset)), [len(entry.boxes) for entry in dataset.entries])

    def batch(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(crops float32 [B, 3, S, S] in 0..1, labels int64 [B]) of batch `index`."""
        rng = np.random.default_rng([self.seed, index])
        chosen = rng.integers(len(self.boxes), size=self.batch_size)
        changes = rng.uniform(-_JITTER, _JITTER, (self.batch_size, 3))
        crops = [self._crop(box, change) for box, change in zip(chosen, changes, strict=True)]
        return torch.cat(crops).float() / 255, torch.from_numpy(self.labels[chosen])

    def _crop(self, box: int, change: np.ndarray) -> torch.Tensor:
        image = self.dataset.image(int(self.images[box]))
        height, width = image.shape[1:]
        x, y, side = window(self.boxes[box], change, height, width)
        part = image[None, :, y : y + side, x : x + side]
        return interpolate(part, (self.size, self.size), mode="bilinear", antialias=True)


def window(box: np.ndarray, change: np.ndarray, height: int, width: int) -> tuple[int, int, int]:
    """Square (x, y, side) in whole pixels around `box` [4], changed by `change` [dx, dy, scale], kept inside
    the image. Where the image is too small for it, the largest square that it holds."""
    longer = max(box[2] - box[0], box[3] - box[1])
    side = int(np.clip(round(float(longer * _MARGIN * (1 + change[2]))), 2, min(height, width)))
    centre = (box[:2] + box[2:]) / 2 + change[:2] * longer
    corner = np.clip(np.round(centre - side / 2), 0, [width - side, height - side])
    return int(corner[0]), int(corner[1]), side
