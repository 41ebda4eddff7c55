"""Images to look at, chosen by their annotations alone: before any detector ran, and the same for all."""

from triplehead.data.dataset import DetectionDataset

EXAMPLES = 4
FEWEST_OBJECTS = 3


def example_images(dataset: DetectionDataset) -> list[int]:
    """Indices of the first images with at least three objects, filled up with the first others."""
    indices = range(len(dataset))
    return sorted(indices, key=lambda index: len(dataset.entries[index].boxes) < FEWEST_OBJECTS)[:EXAMPLES]
