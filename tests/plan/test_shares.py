"""Batches cut over devices and turns."""

import pytest

from triplehead.plan.shares import cut, num_turns


@pytest.mark.parametrize("whole", [1, 2, 5, 16])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_slices_hold_everything_once_in_order(whole, parts):
    found = [list(range(whole))[each] for each in cut(whole, parts)]
    assert [item for each in found for item in each] == list(range(whole)) and len(found) == parts
    assert [len(each) for each in found] == sorted((len(each) for each in found), reverse=True)
    assert len(found[0]) - len(found[-1]) <= 1


@pytest.mark.parametrize(
    ("devices", "micro_batch", "turns"), [(1, None, 1), (8, 2, 1), (1, 4, 4), (3, None, 1), (3, 5, 2), (3, 4, 2)]
)
def test_no_turn_is_larger_than_the_micro_batch(devices, micro_batch, turns):
    assert num_turns(16, devices, micro_batch) == turns
    sizes = [len(range(16)[part][turn]) for part in cut(16, devices) for turn in cut(len(range(16)[part]), turns)]
    assert sum(sizes) == 16 and min(sizes) > 0 and max(sizes) <= (micro_batch or 16)
