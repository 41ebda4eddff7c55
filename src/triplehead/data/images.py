"""From an image file to pixels."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from triplehead.data.files import status
from triplehead.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")  # not all that Pillow knows: for EPS it runs Ghostscript
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}  # the last bytes of a whole file
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
    with _opened(path) as image:
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) by the file's header, without decoding. Raises InputError where it is missing or no image."""
    with _opened(path) as image:
        return image.height, image.width


def whole_size_of(path: Path) -> tuple[int, int]:
    """The same of a file that is not cut short: one that does not end as its format does is decoded. What was altered
    before its end is not seen. Raises InputError as `decode` does."""
    with _opened(path) as image:
        size, end = (image.height, image.width), _ENDS.get(image.format or "")
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 16))
        whole = end is not None and file.read().endswith(end)
    if not whole:
        decode(path)
    return size


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The header, read; nothing is decoded yet. Raises InputError for what is no file or no image, what promises too
    many pixels (for Pillow from 89 million on) or deeper ones, and where reading it further fails."""
    try:
        status(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
        with image:
            if max(image.size) > LARGEST_SIDE:
                problem = f"{image.width} x {image.height} pixels, a longer side than {LARGEST_SIDE:,}"
                raise InputError(path, f"says to have {problem}: a decompression bomb?")
            if image.mode.startswith(("I", "F")):
                raise InputError(path, f"pixels of mode {image.mode}, expected 8 bits per channel")
            yield image
    except FileNotFoundError:
        raise InputError(path, "no such file, expected an image") from None
    except _BROKEN as error:
        raise InputError(path, f"is not a readable image, or truncated ({error})") from error
