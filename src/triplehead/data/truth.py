"""What evaluation compares detections with, the same for every data set."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageTruth:
    """The ground truth of one image: everything that is annotated, whether or not it is trained on.

    boxes: float64 [M, 4] xyxy, continuous edges in pixels; VOC's 1-based inclusive xmin..xmax is xmin - 1..xmax, so
    that widths equal VOC's "+1" widths. labels: int64 [M], index into the data set's categories. ignore: bool [M]:
    VOC's difficult, VisDrone's score 0, COCO's crowd. regions: float64 [R, 4], VisDrone's ignored regions, else empty.
    """

    image_id: int
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray
    regions: np.ndarray
