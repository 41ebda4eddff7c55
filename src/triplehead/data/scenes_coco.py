"""Scenes that stand for COCO: a few digits of all sizes."""

import numpy as np

from triplehead.data import render, scene_parts
from triplehead.data.render import Split
from triplehead.data.scene_parts import Object, Scene
from triplehead.plan.options import Scenes

# The inner limits are COCO's area limits 32^2 and 96^2 brought to this scale.
SIDES = ((9, 16), (16, 40), (40, 90))


def compose(options: Scenes, split: Split, index: int) -> Scene:
    """As `scenes.compose`."""
    rng = np.random.default_rng([options.seed, int(split == "val"), index])
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
        box = scene_parts.place(ink.shape, boxes, options, len(objects) < options.objects[0], rng)
        colour = render.bright_colour(rng)
        if box is None:
            continue
        render.draw(canvas, ink, int(box[0]), int(box[1]), colour)
        boxes = np.vstack([boxes, box])
        objects.append(Object(render.digit_class(digit), scene_parts.as_box(box)))
    return Scene(scene_parts.finished(canvas, rng), tuple(objects))
