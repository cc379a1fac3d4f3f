"""Where the numbers of a walk lie, in Triton."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def around(m, behind, step_before, step_behind):
    """Return the offsets of the ``m``-th numbers around the axis that is walked along."""
    return (m // behind).to(tl.int64) * step_before + (m % behind).to(tl.int64) * step_behind
