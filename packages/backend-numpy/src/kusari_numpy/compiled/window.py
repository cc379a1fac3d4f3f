"""Where a sliding window lies inside the image."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit


@jit
def seen(k: int, axis: Any, out: int, length: int) -> tuple[int, int]:
    """Return the first output pixel whose tap ``k`` lies inside the image, and the one after the last."""
    _, stride, pad, dilate = axis
    shift = k * dilate - pad
    first = min(max(0, -(shift // stride)), out)
    return first, max(first, min(out, (length - 1 - shift) // stride + 1))
