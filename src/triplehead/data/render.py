"""How a digit scene is drawn: background, glyphs of real handwritten digits, clutter. Knows no layout."""

from functools import cache
from typing import Literal

import numpy as np
from PIL import Image

Split = Literal["train", "val"]

VAL_DIGITS = 500  # of scikit-learn's 1,797; the other 1,297 are for training
_SPLIT_SEED = 20_231  # the division is part of the data set and does not follow the scenes' seed
_OCTAVES = ((4, 0.5), (8, 0.27), (16, 0.15), (32, 0.08))  # cells per side, weight
_GLYPH_SCALE = 10  # glyphs are kept at ten times the resolution of the 8x8 scans
_FAINT = 0.2  # coverage below this is not drawn: ink is what can be seen, and boxes are tight to it


@cache
def digit_indices(split: Split) -> np.ndarray:
    """Indices into scikit-learn's digits that belong to a split; no digit is in both."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(_digits()[1]))
    return np.sort(order[:-VAL_DIGITS] if split == "train" else order[-VAL_DIGITS:])


def digit_class(index: int) -> int:
    """The digit (0..9) that scan `index` shows."""
    return int(_digits()[1][index])


@cache
def glyph(index: int) -> Image.Image:
    """Scan `index`, smoothed, sharpened and cropped to its ink: 8-bit greyscale coverage."""
    scan = np.pad(_digits()[0][index].astype(np.float32) / 16, 1)
    side = scan.shape[0] * _GLYPH_SCALE
    smooth = np.asarray(Image.fromarray(scan).resize((side, side), Image.Resampling.BICUBIC))
    ramp = np.clip((smooth - 0.38) / 0.25, 0, 1)
    rows, columns = _extent(ramp > 0.5)
    return Image.fromarray((ramp[rows, columns] * 255).astype(np.uint8))


def shuffled(source: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A digit's four quadrants in another order, none in its place: strokes like a digit's, but none."""
    width, height = source.size[0] // 2 * 2, source.size[1] // 2 * 2
    ink = np.asarray(source.resize((width, height)))
    quarters = [part for half in np.split(ink, 2, axis=0) for part in np.split(half, 2, axis=1)]
    order = _DERANGEMENTS[rng.integers(len(_DERANGEMENTS))]
    a, b, c, d = (quarters[i] for i in order)
    return Image.fromarray(np.block([[a, b], [c, d]]))


def coverage(source: Image.Image, width: int, height: int) -> np.ndarray:
    """A glyph at `width` x `height` pixels, cut to the ink that is left: float32 [h, w] in 0..1."""
    ink = np.asarray(source.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    ink = np.clip(1.25 * ink, 0, 1)
    ink[ink < _FAINT] = 0
    return trimmed(ink)


def trimmed(ink: np.ndarray) -> np.ndarray:
    """The part of `ink` [h, w] that its strokes reach."""
    rows, columns = _extent(ink > 0)
    return ink[rows, columns]


def background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Dark tinted noise of four octaves: float32 [size, size, 3] in 0..255, mostly below 140."""
    noise = np.zeros((size, size, 3), dtype=np.float32)
    for cells, weight in _OCTAVES:
        grid = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        noise += weight * np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
    grey = noise.mean(axis=2, keepdims=True)
    tint = rng.uniform(0.75, 1.25, 3).astype(np.float32)
    noise = (grey + 0.6 * (noise - grey)) * tint
    level, contrast = rng.uniform(45, 80), rng.uniform(0.5, 1.1)
    return np.clip((noise - 127) * contrast + level, 0, 255)


def bright_colour(rng: np.random.Generator) -> np.ndarray:
    """float32 [3] in 0..255 whose largest channel is 150 or more, from white to saturated."""
    colour = 1 - rng.uniform(0, 0.9) * rng.permutation([0, rng.uniform(0, 1), 1])
    return (colour * rng.uniform(150, 255)).astype(np.float32)


def draw(canvas: np.ndarray, ink: np.ndarray, x: int, y: int, colour: np.ndarray) -> None:
    """Blend `ink` [h, w] in `colour` into `canvas` [H, W, 3] with its upper left corner at (x, y)."""
    height, width = ink.shape
    part = canvas[y : y + height, x : x + width]
    part += ink[..., None] * (colour - part)


_DERANGEMENTS = ((1, 0, 3, 2), (3, 2, 1, 0), (1, 2, 3, 0), (2, 3, 0, 1), (3, 0, 1, 2), (2, 3, 1, 0))


def _extent(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # slow to import, and only writers of scenes need it

    digits = load_digits()
    return digits.images, digits.target
