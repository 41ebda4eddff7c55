"""Scenes that stand for VisDrone: many tiny digits, crowds in ignored regions, distractors as "others"."""

import numpy as np

from triplehead.data import render, scene_parts
from triplehead.data.render import Split
from triplehead.data.scene_parts import Object, Scene
from triplehead.plan.options import VisDroneScenes

SIDES = ((6, 10), (10, 14), (14, 20))
_STREAM = 2  # of random numbers: other scenes than those of the other kinds
_MOST_REGIONS = 2
_REGION = (24, 44)  # side, in pixels of a 128-pixel image, as all these
_CROWD = (4, 7)  # side of a digit in a crowd
_CROWD_AREA = 45  # of a region, for each of its digits


def compose(options: VisDroneScenes, split: Split, index: int) -> Scene:
    """As `scenes.compose`. A digit of score 0 is faint."""
    rng = np.random.default_rng([options.seed, int(split == "val"), index, _STREAM])
    size, digits = options.image_size, render.digit_indices(split)
    canvas = render.background(size, rng)
    boxes = np.zeros((0, 4))
    regions, others = [], []
    objects: list[Object] = []
    if rng.random() < options.regions:
        for _ in range(rng.integers(1, _MOST_REGIONS + 1)):
            shape = tuple(rng.integers(_REGION[0], _REGION[1] + 1, 2) * size // 128)
            box = scene_parts.place(shape, boxes, options, False, rng, obstacles=len(boxes))
            if box is not None:
                _crowd(canvas, box, digits, rng)
                boxes = np.vstack([boxes, box])
                regions.append(scene_parts.as_box(box))
    for _ in range(rng.integers(scene_parts.CLUTTER[0], scene_parts.CLUTTER[1] + 1)):
        side = scene_parts.log_uniform(SIDES[0][0], SIDES[-1][1], rng) * size / 128
        ink = scene_parts.clutter_ink(digits, side, size, rng)
        box = scene_parts.place(ink.shape, boxes, options, False, rng, obstacles=len(boxes))
        if box is not None:
            render.draw(canvas, ink, int(box[0]), int(box[1]), render.bright_colour(rng))
            boxes = np.vstack([boxes, box])
            others.append(scene_parts.as_box(box))
    obstacles = len(boxes)
    for side in scene_parts.sides(options, SIDES, scene_parts.num_objects(options, rng), rng):
        digit = int(rng.choice(digits))
        ink = scene_parts.ink_of(render.glyph(digit), side, size, rng)
        needed = len(objects) < options.objects[0]
        box = scene_parts.place(ink.shape, boxes, options, needed, rng, obstacles)
        ignored = rng.random() < options.ignored
        colour = render.bright_colour(rng)
        if box is None:
            continue
        if ignored:
            ink = ink * rng.uniform(*scene_parts.FAINT)
        render.draw(canvas, ink, int(box[0]), int(box[1]), colour)
        boxes = np.vstack([boxes, box])
        objects.append(Object(render.digit_class(digit), scene_parts.as_box(box), ignored))
    return Scene(scene_parts.finished(canvas, rng), tuple(objects), tuple(regions), tuple(others))


def _crowd(canvas: np.ndarray, box: np.ndarray, digits: np.ndarray, rng: np.random.Generator) -> None:
    """Fill a region [4] with digits that nobody labelled."""
    x1, y1, x2, y2 = scene_parts.as_box(box)
    scale = canvas.shape[0] / 128
    for _ in range(int((x2 - x1) * (y2 - y1) / (_CROWD_AREA * scale**2))):
        side = scene_parts.log_uniform(*_CROWD, rng) * scale
        ink = scene_parts.ink_of(render.glyph(int(rng.choice(digits))), side, canvas.shape[0], rng)
        x, y = (int(rng.integers(low, high - length + 1)) for low, high, length in
                zip((x1, y1), (x2, y2), ink.shape[::-1], strict=True))  # fmt: skip
        render.draw(canvas, ink, x, y, render.bright_colour(rng))
