"""Scenes that stand for VOC: few digits, mostly large, some of them difficult."""

import numpy as np

from triplehead.data import render, scene_parts
from triplehead.data.render import Split
from triplehead.data.scene_parts import Object, Scene
from triplehead.data.scenes_coco import SIDES
from triplehead.plan.options import VocScenes

_STREAM = 1  # of random numbers: other scenes than those of kind coco
_HIDDEN = (0.45, 0.65)  # share of a cropped digit's width or height that lies outside the image
_EDGES = 16  # places tried along the border


def compose(options: VocScenes, split: Split, index: int) -> Scene:
    """As `scenes.compose`. A difficult digit is, with equal chance, cropped by the image's border, faint, or
    overlapped by a distractor of its own size."""
    rng = np.random.default_rng([options.seed, int(split == "val"), index, _STREAM])
    digits = render.digit_indices(split)
    canvas = render.background(options.image_size, rng)
    for _ in range(rng.integers(scene_parts.CLUTTER[0], scene_parts.CLUTTER[1] + 1)):
        scene_parts.draw_clutter(canvas, digits, 9, 50, rng)
    count = scene_parts.num_objects(options, rng)
    boxes = np.zeros((0, 4))
    objects: list[Object] = []
    for side in scene_parts.sides(options, SIDES, count, rng):
        digit = int(rng.choice(digits))
        ink = scene_parts.ink_of(render.glyph(digit), side, options.image_size, rng)
        difficult = rng.random() < options.difficult_share
        look = rng.choice(("cropped", "faint", "overlapped")) if difficult else "plain"
        if look != "cropped":
            box = scene_parts.place(ink.shape, boxes, options, len(objects) < options.objects[0], rng)
        else:
            ink, box = _cropped(ink, boxes, options.image_size, rng)
        colour = render.bright_colour(rng)
        if box is None:
            continue
        if look == "faint":
            ink = ink * rng.uniform(*scene_parts.FAINT)
        x, y = int(box[0]), int(box[1])
        render.draw(canvas, ink, x, y, colour)
        if look == "overlapped":
            source = render.shuffled(render.glyph(int(rng.choice(digits))), rng)
            render.draw(canvas, render.coverage(source, *ink.shape[::-1]), x, y, render.bright_colour(rng))
        boxes = np.vstack([boxes, box])
        objects.append(Object(render.digit_class(digit), scene_parts.as_box(box), difficult))
    return Scene(scene_parts.finished(canvas, rng), tuple(objects))


def _cropped(ink: np.ndarray, placed: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What is left of a digit [h, w] over one of the four borders, and the tight box [4] of that, where it covers
    least of the boxes `placed` [M, 4]."""
    axis, at_end = int(rng.integers(2)), bool(rng.integers(2))
    kept = max(2, round(ink.shape[axis] * (1 - rng.uniform(*_HIDDEN))))
    part = np.take(ink, range(kept) if at_end else range(ink.shape[axis] - kept, ink.shape[axis]), axis)
    part = render.trimmed(part)
    lengths = np.array(part.shape[::-1])
    corners = rng.integers(0, size - lengths + 1, (_EDGES, 2))
    corners[:, 1 - axis] = size - lengths[1 - axis] if at_end else 0
    boxes = np.hstack([corners, corners + lengths]).astype(float)
    return part, boxes[scene_parts.shared_area(boxes, placed).max(axis=1, initial=0).argmin()]
