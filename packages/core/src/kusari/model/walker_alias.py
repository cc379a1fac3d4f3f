"""Drawing from a discrete distribution at a constant cost per draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kusari.autograd.variable import as_array
from kusari.backend import device_of_array, random_source
from kusari.model.device_resident import DeviceResident, is_array
from kusari.model.visitor import DeviceResidentsVisitor
from kusari.types import Array, Shape


class WalkerAlias(DeviceResident):
    """Draw integers from 0 to n − 1, each with a probability of its own, by the alias method.

    Every integer i has a table entry: a draw of i, evenly from all, stands for i with probability ``threshold[i]``,
    else for ``alias[i]``. The table is made on the host and moves with `to_device`; draws are made on the device, and
    nobody waits for them.

    Args:
        probs: n numbers of at least 0, not all 0: the probabilities, or counts in proportion to them.

    Raises:
        ValueError: No numbers, a negative one or NaN or ∞, or all 0.

    Source: Walker, 1974, New fast method for generating discrete random numbers with arbitrary frequency distributions;
    Vose, 1991, A linear algorithm for generating random numbers with a given distribution.

    >>> sampler = WalkerAlias([1, 0, 1])
    >>> samples = sampler.sample((2, 5))
    >>> samples.shape, bool((samples != 1).all())
    ((2, 5), True)
    """

    threshold: Array
    alias: Array

    def __init__(self, probs: Sequence[float] | Array) -> None:
        threshold, alias = _table(_numbers(probs))
        xp, native = self.xp, self.device.native
        self.threshold = xp.asarray(threshold, dtype=xp.float32, device=native)
        self.alias = xp.asarray(alias, dtype=xp.int32, device=native)

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor the table."""
        super().device_resident_accept(visitor)
        self.threshold = visitor.visit_array(self.threshold)
        self.alias = visitor.visit_array(self.alias)

    @property
    def use_gpu(self) -> bool:
        """Whether the sampler's device is not the host."""
        return not self.device.backend.on_host

    def sample(self, shape: int | Shape) -> Array:
        """Return draws on the sampler's device.

        Args:
            shape: What shape; a number stands for one axis.

        Returns:
            int32.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        device, xp = self.device, self.xp
        source = random_source(device.backend)
        # Two draws: 24 bits of one number would leave a table of a million words 4 bits for the threshold.
        drawn = source.integers(shape, 0, self.alias.shape[0], "int32", index=device.index)
        fraction = xp.reshape(source.uniform(shape, "float32", index=device.index), (-1,))
        flat = xp.reshape(drawn, (-1,))
        kept = fraction < xp.take(self.threshold, flat, axis=0)
        return xp.reshape(xp.where(kept, flat, xp.take(self.alias, flat, axis=0)), shape)

    def sample_xp(self, xp: Any, shape: int | Shape) -> Array:
        """Return draws as arrays of ``xp``, which is the sampler's array module.

        Raises:
            ValueError: Another array module.
        """
        if xp is not self.xp:
            found = getattr(xp, "__name__", repr(xp))
            raise ValueError(f"sample_xp({found}): the sampler is on {self.device}; move it with to_device()")
        return self.sample(shape)

    def sample_gpu(self, shape: int | Shape) -> Array:
        """Return draws on the sampler's device: another name of `sample`."""
        return self.sample(shape)


def _numbers(probs: Sequence[float] | Array) -> list[float]:
    """Return probabilities as Python numbers.

    Raises:
        ValueError: Not one axis of numbers that make a distribution.
    """
    given: Any = as_array(probs)
    if is_array(given):
        given = device_of_array(given).backend.to_host(given).tolist()
    numbers = [float(one) for one in given]
    if not numbers or not all(0 <= one < math.inf for one in numbers) or sum(numbers) == 0:
        raise ValueError("WalkerAlias(probs): expected numbers of at least 0, finite, and not all of them 0")
    return numbers


def _table(probs: list[float]) -> tuple[list[float], list[int]]:
    """Return, for each entry, the probability to stand for itself, and what it stands for else."""
    count, total = len(probs), math.fsum(probs)
    share = [one * count / total for one in probs]
    poor = [i for i, one in enumerate(share) if one < 1]
    rich = [i for i, one in enumerate(share) if one >= 1]
    alias = list(range(count))
    while poor and rich:  # what a poor entry lacks to 1 a rich one gives
        needy, giver = poor.pop(), rich[-1]
        alias[needy] = giver
        share[giver] -= 1 - share[needy]
        if share[giver] < 1:
            poor.append(rich.pop())
    for i in (*poor, *rich):  # what is left over is 1 but for rounding: together they have as many as they are
        share[i] = 1.0
    return share, alias
