"""Images to look at are chosen by their annotations alone."""

from types import SimpleNamespace

from triplehead.data.examples import EXAMPLES, example_images


def dataset(*boxes: int):
    class Entries(SimpleNamespace):
        def __len__(self):
            return len(self.entries)

    return Entries(entries=[SimpleNamespace(boxes=[None] * count) for count in boxes])


def test_the_first_with_three_objects_are_chosen():
    assert example_images(dataset(1, 3, 0, 5, 2, 3, 9, 4)) == [1, 3, 5, 6]


def test_too_few_are_filled_up_with_the_first_others():
    assert example_images(dataset(1, 0, 4, 2, 2)) == [2, 0, 1, 3]
    assert example_images(dataset(2)) == [0]
    assert EXAMPLES == 4
