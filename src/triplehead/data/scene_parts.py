"""What scenes of every kind are made of: sizes, ink, places."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from triplehead.data import render
from triplehead.plan.options import AnyScenes

# Ranges of an object's side = sqrt(area of the box), in pixels of a 128-pixel image: small, medium, large.
Sides = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Box = tuple[int, int, int, int]  # (x1, y1, x2, y2) in pixels, x2 and y2 exclusive

CLUTTER = (2, 7)  # fewest and most distractors
EMPTY, GREY = 0.01, 0.02  # shares of images without objects (nor boxes), and without colour
FAINT = (0.2, 0.35)  # how much of its colour a digit keeps that is hard to see

_TRIES = 48  # places tried for an object
_APART, _CROWDED = 0.05, 0.4  # shares of the smaller box: preferred and greatest unasked-for overlap
_OVERLAP = (0.25, 0.6)  # asked-for overlap, as a share of the smaller box: both digits stay readable


@dataclass(frozen=True)
class Object:
    """A digit (0..9) and the tight box of its ink. `flagged`: difficult in VOC, of score 0 in VisDrone."""

    digit: int
    box: Box
    flagged: bool = False


@dataclass(frozen=True)
class Scene:
    """`image` uint8 [H, W, 3], or [H, W] where the scene is greyscale; objects in drawing order.

    VisDrone's: `regions` that are ignored, with unlabelled digits; boxes of `others`, the distractors.
    """

    image: np.ndarray
    objects: tuple[Object, ...]
    regions: tuple[Box, ...] = ()
    others: tuple[Box, ...] = ()


def num_objects(options: AnyScenes, rng: np.random.Generator) -> int:
    return 0 if rng.random() < EMPTY else int(rng.integers(options.objects[0], options.objects[1] + 1))


def sides(options: AnyScenes, ranges: Sides, count: int, rng: np.random.Generator) -> list[float]:
    """`count` sides in pixels, large ones first: they find room, and do not hide the small ones."""
    return sorted((_side(options, ranges, rng) * options.image_size / 128 for _ in range(count)), reverse=True)


def _side(options: AnyScenes, ranges: Sides, rng: np.random.Generator) -> float:
    which = rng.random()
    small, medium, large = ranges
    if which < options.small:
        return log_uniform(*small, rng)
    return log_uniform(*(medium if which < options.small + options.medium else large), rng)


def log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def ink_of(source: Image.Image, side: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """A glyph whose box has about `side`^2 pixels and up to 1.4 times its natural aspect ratio either way."""
    aspect = source.size[0] / source.size[1] * np.exp(rng.uniform(-0.34, 0.34))
    root = np.sqrt(np.clip(aspect, 0.35, 1.6))
    width, height = (min(size, max(3, round(length))) for length in (side * root, side / root))
    return render.coverage(source, width, height)


def clutter_ink(digits: np.ndarray, side: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """What looks like a digit and is none, of about `side`^2 pixels: float32 [h, w] in 0..1."""
    source = render.shuffled(render.glyph(int(rng.choice(digits))), rng)
    return rng.uniform(0.6, 1) * ink_of(source, side, size, rng)


def draw_clutter(canvas: np.ndarray, digits: np.ndarray, low: float, high: float, rng: np.random.Generator) -> None:
    """Draw one of a side between `low` and `high` (pixels of a 128-pixel image) anywhere."""
    size = canvas.shape[0]
    ink = clutter_ink(digits, log_uniform(low, high, rng) * size / 128, size, rng)
    y, x = (int(rng.integers(0, size - length + 1)) for length in ink.shape)
    render.draw(canvas, ink, x, y, render.bright_colour(rng))


def finished(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The canvas as an image: uint8 [H, W, 3], a few in grey [H, W]."""
    image = canvas.round().astype(np.uint8)
    return image.mean(axis=2).astype(np.uint8) if rng.random() < GREY else image


def as_box(box: np.ndarray) -> Box:
    x1, y1, x2, y2 = (int(edge) for edge in box)
    return x1, y1, x2, y2


def place(
    shape: tuple[int, int],
    placed: np.ndarray,
    options: AnyScenes,
    needed: bool,
    rng: np.random.Generator,
    obstacles: int = 0,
) -> np.ndarray | None:
    """A box [4] of `shape` (h, w), or None where there is no room and the object is not needed.

    No overlap is asked for with the first `obstacles` of the boxes `placed` [M, 4].
    """
    lengths = np.array(shape[::-1])
    room = options.image_size - lengths  # greatest x1, y1
    wants_overlap = rng.random() < options.overlap
    places = rng.integers(0, room + 1, (_TRIES, 2))
    if wants_overlap and len(placed) > obstacles:
        partner = obstacles + int(rng.integers(len(placed) - obstacles))
        reach = lengths, placed[partner, 2:] - placed[partner, :2]
        near = placed[partner, :2] + rng.uniform(-1, 1, (_TRIES, 2)) * np.where(lengths > reach[1], *reach)
        near = np.clip(near.round(), 0, room)
        boxes = np.hstack([near, near + lengths])
        shared = shared_area(boxes, placed)
        others = np.delete(shared, partner, axis=1).max(axis=1, initial=0)
        good = (shared[:, partner] >= _OVERLAP[0]) & (shared[:, partner] <= _OVERLAP[1]) & (others <= 0.3)
        if good.any():
            return boxes[good.argmax()]
    boxes = np.hstack([places, places + lengths]).astype(float)
    shared = shared_area(boxes, placed).max(axis=1, initial=0)
    best = int((shared <= _APART).argmax()) if (shared <= _APART).any() else int(shared.argmin())
    return boxes[best] if needed or shared[best] <= _CROWDED else None


def shared_area(boxes: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Intersection as a share of the smaller box: [N, M]."""
    upper = np.maximum(boxes[:, None, :2], placed[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], placed[None, :, 2:])
    both = np.clip(lower - upper, 0, None).prod(axis=2)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, placed)]
    return both / np.minimum(areas[0][:, None], areas[1][None])
