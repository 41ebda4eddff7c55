"""What evaluation compares the detections of an image with."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageTruth:
    """Everything annotated in one image, as annotated: not clipped to it, boxes without an area included.

    `boxes` float64 [M, 4] xyxy, continuous edges in pixels of the original image (VOC's 1-based inclusive
    xmin..xmax is xmin - 1..xmax, so that widths equal VOC's "+1" widths); `labels` int64 [M], indices into the
    data set's categories; `ignore` bool [M], objects that count neither as found nor as missed (COCO's crowds,
    VOC's difficult, VisDrone's score 0); `regions` float64 [R, 4], where nothing counts (VisDrone's category 0).
    """

    image_id: int
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray
    regions: np.ndarray
