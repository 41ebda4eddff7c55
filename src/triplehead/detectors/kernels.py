"""Whether Triton's kernels can be had: with a GPU, Triton (torch's CUDA builds bring it) and a C compiler."""

import sys
from functools import cache
from types import ModuleType

import torch


def gpu_kernels(tensor: torch.Tensor) -> ModuleType | None:
    """`triplehead.detectors.gpu_kernels` for a tensor on a GPU; None for others, and where it cannot be built."""
    return _built() if tensor.is_cuda else None


@cache
def _built() -> ModuleType | None:
    try:
        from triplehead.detectors import gpu_kernels as built

        ones = torch.ones(1, 1, device="cuda", dtype=torch.float64)
        built.expectation_maximisation(ones, ones > 0, ones.expand(2, 1), 1.0, 1, 1.0, 1.0)
        first = torch.arange(2, device="cuda", dtype=torch.int32)
        built.sums(first[:1], first, ones[0].float(), ones.float())
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # Triton's, a compiler's, a home's that cannot be written: torch's operations do as well
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        print(f"warning: no Triton kernels ({reason}); steps take longer without", file=sys.stderr, flush=True)
        return None
    return built
