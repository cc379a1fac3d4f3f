"""How Hypothesis draws convolutions: `drawn` has the thirty that it drew once; another seed gives thirty others.

Hypothesis mixes numbers that it finds in the source of loaded modules into what it draws, so that a seed alone does
not name a set for long: the set that figures are compared over is written down, and this prints one to write down.

    python benchmarks/workloads/drawing.py [SEED]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import hypothesis
import hypothesis.strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent.parent))  # run as a script, from anywhere

from benchmarks.workloads.drawn import KINDS, Drawn

SEED: Final = 20261122
OF_EACH: Final = 5
MULTIPLICATIONS: Final = (4_000_000, 200_000_000)
"""Of a forward pass: more than the cost of a call, and 30 of them in every setting in about a minute."""
NUMBERS: Final = 4_000_000
"""The most that an input or output may have: 16 MB."""


@st.composite
def convolutions(draw: st.DrawFn, kind: str) -> Drawn:
    """Draw a convolution of one kind, of any size within the bounds."""
    batch = draw(st.integers(1, 64))
    size = draw(st.integers(5, 96))
    window = 1 if kind == "1×1" else draw(st.sampled_from((2, 3, 4, 5, 7)))
    stride = draw(st.integers(2, 3)) if kind == "strided" else draw(st.sampled_from((1, 1, 1, 2)))
    dilate = draw(st.integers(2, 4)) if kind == "dilated" else 1
    reach = dilate * (window - 1)
    pad = draw(st.integers(0, (reach + 1) // 2))
    hypothesis.assume(size + 2 * pad > reach)
    if kind == "depthwise":
        channels = out = groups = draw(st.integers(16, 384))
    elif kind == "grouped":
        groups = draw(st.integers(2, 16))
        channels, out = groups * draw(st.integers(2, 32)), groups * draw(st.integers(2, 32))
    else:
        groups, channels, out = 1, draw(st.integers(1, 300)), draw(st.integers(1, 300))
    found = Drawn(kind, batch, channels, size, out, window, stride, pad, groups, dilate)
    layer = found.layer
    low, high = MULTIPLICATIONS
    hypothesis.assume(low <= layer.multiplications <= high)
    hypothesis.assume(max(batch * channels * size**2, batch * out * layer.out_size**2) <= NUMBERS)
    return found


def draw(seed: int = SEED) -> list[Drawn]:
    """Return as many convolutions of each kind, in turn."""
    return [_one(kind, seed + number) for number, kind in enumerate(KINDS * OF_EACH)]


def _one(kind: str, seed: int) -> Drawn:
    """Return what a seed of its own draws.

    Hypothesis begins with the simplest that it can think of, and goes on to vary what it had: of the first few
    distinct ones the last is neither.
    """
    found: dict[Drawn, None] = {}  # in order, each once

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=3,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(convolutions(kind))
    def keep(one: Drawn) -> None:
        found[one] = None

    keep()
    return list(found)[-1]


if __name__ == "__main__":
    for one in draw(int(sys.argv[1]) if len(sys.argv) > 1 else SEED):
        print(f"    Drawn{tuple(one)},".replace("'", '"'))
