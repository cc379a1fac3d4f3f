"""Filters of one pass in the order in which tiles read them."""

from __future__ import annotations

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.pieces import share_loop
from kusari_numpy.workspace import aligned_empty

Packing = tuple[HostArray, tuple[int, int], HostArray, tuple[int, int], int, int]
"""Filters, flat; steps, order and size, as `kusari_numpy.compiled.panels.pack_groups` has them; panels of a group, and
how many of all groups are to be packed."""


class Panels:
    """Packed when they are first used: where that is a call of compiled code, within it.

    A training step packs each layer's filters anew, twice: a call for that took 80 to 100 µs of small 1×1 layers.

    Args:
        W: Filters, flat.
        groups: The convolution's.
        size: Channels of a group that the pass sees, and that it makes.
        steps: From one to the next in W.
        order: See `kusari_numpy.compiled.panels.pack`.
    """

    def __init__(
        self, W: HostArray, groups: int, size: tuple[int, int], steps: tuple[int, int], order: HostArray
    ) -> None:
        from kusari_numpy.compiled.vectors import WIDEST, whole

        inputs, outputs = size
        padded = whole(outputs, W.dtype)
        each = -(-padded // whole(1, W.dtype) // WIDEST)
        self.memory = aligned_empty((groups, int(np.count_nonzero(order >= 0)) * inputs * padded), W.dtype)
        """Those of each group, (groups, numbers), once they are packed."""
        self.packing: Packing = (W, steps, order, size, each, groups * each)
        """What is still to be packed, for `kusari_numpy.compiled.direct.convolve_parts`."""

    def pack(self) -> HostArray:
        """Return those of each group, which are packed now if they were not before."""
        from kusari_numpy.compiled.panels import pack_groups_in_ranges

        W, steps, order, size, each, count = self.packing
        if count:
            operands = W, steps, order, size, each, self.memory
            share_loop(pack_groups_in_ranges, operands, count, self.memory.size // count)
            self.have_been_packed()
        return self.memory

    def have_been_packed(self) -> None:
        """Note that a call has packed them; the filters may go."""
        _, steps, order, size, each, _ = self.packing
        self.packing = self.memory.reshape(-1), steps, order, size, each, 0
