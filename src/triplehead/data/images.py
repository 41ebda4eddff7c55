"""From an image file to pixels."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from triplehead.data.files import status
from triplehead.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")  # not all that Pillow knows: for EPS it runs Ghostscript
LARGEST_SIDE = 65_535  # pixels; JPEG knows no longer one
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def decode(path: Path) -> torch.Tensor:
    """Read an 8-bit image of any colour mode (grey, palette, CMYK, alpha): uint8 [3, H, W] RGB.

    An EXIF orientation is left unapplied: COCO's boxes and sizes refer to the pixels as they are stored.
    Raises InputError where the file is missing, truncated, no image or deeper than 8 bits.
    """
    try:
        with _opened(path) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(path, f"pixels of mode {image.mode}, expected 8 bits per channel")
            pixels = np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise InputError(path, "no such file, expected an image") from None
    except _BROKEN as error:
        raise InputError(path, f"is not a readable image, or truncated ({error})") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) by the file's header, without decoding. Raises InputError where it is missing or no image."""
    try:
        with _opened(path) as image:
            return image.height, image.width
    except FileNotFoundError:
        raise InputError(path, "no such file, expected an image") from None
    except _BROKEN as error:
        raise InputError(path, f"is not a readable image, or truncated ({error})") from error


def _opened(path: Path) -> Image.Image:
    """The header, read; nothing is decoded yet. Raises InputError for what is no file; InputError, or Pillow's warning
    (from 89 million pixels on), for one that promises too many."""
    status(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(path, formats=FORMATS)
    if max(image.size) > LARGEST_SIDE:
        image.close()
        problem = f"{image.width} x {image.height} pixels, a longer side than {LARGEST_SIDE:,}: a decompression bomb?"
        raise InputError(path, f"says to have {problem}")
    return image
