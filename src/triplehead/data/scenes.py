"""What a digit scene contains: the embedded data. Where it is written is the business of `layouts`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from triplehead.data import layouts, render
from triplehead.data.render import Split
from triplehead.plan.options import Scenes

# Side = sqrt(area of the box) in pixels of a 128-pixel image. The inner limits are COCO's area limits 32^2
# and 96^2 brought to this scale.
SMALL, MEDIUM, LARGE = (9, 16), (16, 40), (40, 90)
CLUTTER = (2, 7)  # fewest and most distractors
EMPTY, GREY = 0.01, 0.02  # shares of images without objects (nor boxes), and without colour

_TRIES = 48  # places tried for an object
_APART, _CROWDED = 0.05, 0.4  # shares of the smaller box: preferred and greatest unasked-for overlap
_OVERLAP = (0.25, 0.6)  # asked-for overlap, as a share of the smaller box: both digits stay readable


@dataclass(frozen=True)
class Object:
    """A digit (0..9) and the tight box of its ink: (x1, y1, x2, y2) in pixels, x2 and y2 exclusive."""

    digit: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """`image` uint8 [H, W, 3], or [H, W] where the scene is greyscale; objects in drawing order."""

    image: np.ndarray
    objects: tuple[Object, ...]


def compose(options: Scenes, split: Split, index: int) -> Scene:
    """Scene `index` of a split: depends on nothing but the options' look, their seed, split and index."""
    rng = np.random.default_rng([options.seed, int(split == "val"), index])
    scale = options.image_size / 128
    digits = render.digit_indices(split)
    canvas = render.background(options.image_size, rng)
    for _ in range(rng.integers(CLUTTER[0], CLUTTER[1] + 1)):
        _clutter(canvas, digits, scale, rng)
    count = 0 if rng.random() < EMPTY else int(rng.integers(options.objects[0], options.objects[1] + 1))
    # Large ones first: they find room, and do not hide the small ones.
    sides = sorted((_side(options, rng) * scale for _ in range(count)), reverse=True)
    boxes = np.zeros((0, 4))
    objects = []
    for side in sides:
        digit = int(rng.choice(digits))
        ink = _ink(render.glyph(digit), side, options.image_size, rng)
        box = _place(ink.shape, boxes, options, len(objects) < options.objects[0], rng)
        colour = render.bright_colour(rng)
        if box is None:
            continue
        render.draw(canvas, ink, int(box[0]), int(box[1]), colour)
        boxes = np.vstack([boxes, box])
        objects.append(Object(render.digit_class(digit), tuple(int(edge) for edge in box)))
    image = canvas.round().astype(np.uint8)
    if rng.random() < GREY:
        image = image.mean(axis=2).astype(np.uint8)
    return Scene(image, tuple(objects))


def write(options: Scenes, folder: Path) -> None:
    """Write both splits below `folder` in COCO's layout (`layouts.write_coco`); the bytes follow the seed."""
    for split, count in (("train", options.train), ("val", options.val)):
        layouts.write_coco((compose(options, split, index) for index in range(count)), split, folder)


def _side(options: Scenes, rng: np.random.Generator) -> float:
    which = rng.random()
    low, high = LARGE
    if which < options.small:
        low, high = SMALL
    elif which < options.small + options.medium:
        low, high = MEDIUM
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _ink(source: Image.Image, side: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """A glyph whose box has about `side`^2 pixels and up to 1.4 times its natural aspect ratio either way."""
    aspect = source.size[0] / source.size[1] * np.exp(rng.uniform(-0.34, 0.34))
    root = np.sqrt(np.clip(aspect, 0.35, 1.6))
    width, height = (min(size, max(3, round(length))) for length in (side * root, side / root))
    return render.coverage(source, width, height)


def _clutter(canvas: np.ndarray, digits: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    side = float(np.exp(rng.uniform(np.log(SMALL[0]), np.log(MEDIUM[1] + 10)))) * scale
    source = render.shuffled(render.glyph(int(rng.choice(digits))), rng)
    ink = rng.uniform(0.6, 1) * _ink(source, side, canvas.shape[0], rng)
    y, x = (int(rng.integers(0, canvas.shape[0] - length + 1)) for length in ink.shape)
    render.draw(canvas, ink, x, y, render.bright_colour(rng))


def _place(
    shape: tuple[int, int], placed: np.ndarray, options: Scenes, needed: bool, rng: np.random.Generator
) -> np.ndarray | None:
    """A box [4] of `shape` (h, w), or None where there is no room and the object is not needed."""
    lengths = np.array(shape[::-1])
    room = options.image_size - lengths  # greatest x1, y1
    wants_overlap = rng.random() < options.overlap
    places = rng.integers(0, room + 1, (_TRIES, 2))
    if wants_overlap and len(placed):
        partner = int(rng.integers(len(placed)))
        reach = lengths, placed[partner, 2:] - placed[partner, :2]
        near = placed[partner, :2] + rng.uniform(-1, 1, (_TRIES, 2)) * np.where(lengths > reach[1], *reach)
        near = np.clip(near.round(), 0, room)
        boxes = np.hstack([near, near + lengths])
        shared = _shared(boxes, placed)
        others = np.delete(shared, partner, axis=1).max(axis=1, initial=0)
        good = (shared[:, partner] >= _OVERLAP[0]) & (shared[:, partner] <= _OVERLAP[1]) & (others <= 0.3)
        if good.any():
            return boxes[good.argmax()]
    boxes = np.hstack([places, places + lengths]).astype(float)
    shared = _shared(boxes, placed).max(axis=1, initial=0)
    best = int((shared <= _APART).argmax()) if (shared <= _APART).any() else int(shared.argmin())
    return boxes[best] if needed or shared[best] <= _CROWDED else None


def _shared(boxes: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Intersection as a share of the smaller box: [N, M]."""
    upper = np.maximum(boxes[:, None, :2], placed[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], placed[None, :, 2:])
    both = np.clip(lower - upper, 0, None).prod(axis=2)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, placed)]
    return both / np.minimum(areas[0][:, None], areas[1][None])
