"""How a batch is cut: a part for each device, and each part into the turns in which the device takes it."""

import math
from itertools import accumulate


def cut(whole: int, parts: int) -> list[slice]:
    """`whole` items as `parts` slices, as equal as can be, the larger ones first."""
    share, rest = divmod(whole, parts)
    ends = accumulate(share + (number < rest) for number in range(parts))
    return [slice(end - share - (number < rest), end) for number, end in enumerate(ends)]


def num_turns(batch_size: int, devices: int, micro_batch: int | None) -> int:
    """Turns of each device, the same for all, none of more than `micro_batch` images."""
    return math.ceil(math.ceil(batch_size / devices) / micro_batch) if micro_batch else 1
