"""Batch normalization: statistics and gradients in two stages, ReLU on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import triton

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.types import Array
from kusari_triton.backend import triton_backend
from kusari_triton.kernels import norm_device as device
from kusari_triton.launch import Launch
from kusari_triton.tiles import FAR
from kusari_triton.walk import Walk, choose_walk, empty_walked, flat, walk_arguments, walkable

TILE: Final = 2048
"""Numbers a program holds at a time, on a GPU: 16 a thread with 4 warps, whose sums are two registers each."""

WIDEST: Final = 64
"""Channels a program takes where they lie side by side: 128 bytes of 16-bit numbers."""

PROGRAMS: Final = 512
"""How many programs statistics are split over, where they can be: a few for each of a chip's 132 processors."""

MOST_SPLITS: Final = 256
"""Partial results of one channel: one program combines them all at once."""

COMBINED: Final = 16
"""Channels that such a program takes: 64 bytes of each partial result."""

_INTERPRETED: Final = (256, 64)
"""Members and channels a program, interpreted: large enough to be few, small enough that tests see several."""


class Cut(NamedTuple):
    """How a walk (before, channels, behind) is shared out among programs."""

    members: int
    """Of a channel: before × behind."""
    channels: int
    block_m: int
    block_c: int
    splits: int
    share: int
    """Members of a split: a multiple of ``block_m``."""
    combined: int
    """Channels whose partial results one program combines."""

    @property
    def channel_blocks(self) -> int:
        """How many programs it takes side by side for all channels."""
        return -(-self.channels // self.block_c)


def cut(lengths: tuple[int, int, int], *, interpreted: bool) -> Cut:
    """Share out a walk's numbers: by its lengths alone, so that sums have one order on every chip."""
    before, channels, behind = lengths
    members = before * behind
    if interpreted:
        (block_m, widest), programs, most = _INTERPRETED, 3, 3
    else:  # where members lie side by side, a block of channels would be a block of far-apart lines
        block_m, widest, programs, most = TILE, 1 if behind > 1 else WIDEST, PROGRAMS, MOST_SPLITS
    block_c = min(widest, int(triton.next_power_of_2(channels)))
    block_m = min(block_m if interpreted else block_m // block_c, int(triton.next_power_of_2(members)))
    channel_blocks = -(-channels // block_c)
    splits = min(-(-programs // channel_blocks), -(-members // block_m), most)
    steps = -(-members // (splits * block_m))
    share = steps * block_m
    combined = block_c if interpreted else COMBINED
    return Cut(members, channels, block_m, block_c, -(-members // share), share, combined)


class TritonNormalization(Normalization):
    """Forward reads memory twice, for the statistics and for y; backward twice, for the two sums and for gx.

    Takes any strides and keeps them in results as far as these are dense; sums in float32, in an order that only the
    shape decides. An activation other than ReLU follows as an elementwise kernel.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: NormalizationProblem) -> None:
        super().__init__(backend, problem)
        self.walk = choose_walk(problem.x, problem.kept_axes, problem.strides)
        self.cut = cut(self.walk.lengths(problem.x), interpreted=triton_backend(backend).launcher.interpreted)
        self.launches: dict[Any, Any] = {}

    @classmethod
    def accepts(cls, problem: NormalizationProblem) -> bool | str:
        """Take statistics of some axes, with γ and β of the others."""
        if not (problem.dtype.isnative and problem.parameter_dtype.isnative):
            return "not in the machine's byte order"
        if problem.dtype.name not in ("float16", "bfloat16", "float32"):
            return f"{problem.dtype.name} stays with the base: sums here are float32"
        if problem.parameter_dtype.name != "float32":
            return f"parameters of {problem.parameter_dtype.name}: only float32"
        if problem.parameter_axes is not None:
            return "one scale for each mean; layer and group normalization have others"
        if not problem.kept_axes:
            return "one mean of everything: there are no channels to share out"
        if 0 in problem.x:
            return "an empty batch stays with the base"
        if math.prod(problem.x) >= FAR:
            return "nearly 2³¹ numbers"
        return True

    def forward(self, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        x = walkable(self.backend, x, self.walk)
        mean, var = self.statistics(x)
        return self.fixed(x, gamma, beta, mean, var), mean, var

    def statistics(self, x: Array) -> tuple[Array, Array]:
        x = walkable(self.backend, x, self.walk)
        partial = self._partial(x)
        mean, var = self._new_statistic(x), self._new_statistic(x)
        self._run("partial moments", {"x": x, "partial": partial}, partial_moments_launch)
        self._run("moments", {"partial": partial, "mean": mean, "var": var}, combine_moments_launch)
        return self._shaped(mean), self._shaped(var)

    def fixed(self, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
        backend, problem = self.backend, self.problem
        x = walkable(backend, x, self.walk)
        y = empty_walked(backend, problem.x, self.walk, x.dtype, x.device)
        parameters = {"gamma": gamma, "beta": beta, "mean": mean, "var": var}
        arrays = {"x": x, **{name: flat(backend, array) for name, array in parameters.items()}, "y": y}
        self._run("normalize", {**arrays, "eps": problem.eps}, normalize_launch)
        activation = problem.activation
        return y if activation is None or activation == RELU else activation.apply(backend, y)

    def backward(
        self, x: Array, gamma: Array, mean: Array, var: Array, y: Array | None, gy: Array
    ) -> tuple[Array, Array, Array]:
        backend, activation = self.backend, self.problem.activation
        if activation is None:
            y = None
        elif activation != RELU:
            assert y is not None
            gy, y = activation.backpropagate(backend, y, gy), None
        shape = gamma.shape
        x, gy = walkable(backend, x, self.walk), walkable(backend, gy, self.walk)
        y = None if y is None else walkable(backend, y, self.walk)
        gamma, mean, var = flat(backend, gamma), flat(backend, mean), flat(backend, var)
        partial = self._partial(x)
        ggamma, gbeta = self._new_statistic(x), self._new_statistic(x)
        read = {"x": x, "y": y, "gy": gy}
        self._run("partial sums", {**read, "mean": mean, "partial": partial}, partial_sums_launch)
        summed = {"partial": partial, "var": var, "ggamma": ggamma, "gbeta": gbeta, "eps": self.problem.eps}
        self._run("sums", summed, combine_sums_launch)
        gx = empty_walked(backend, self.problem.x, self.walk, x.dtype, x.device)
        given = {"gamma": gamma, "mean": mean, "var": var, "ggamma": ggamma, "gbeta": gbeta, "eps": self.problem.eps}
        self._run("gradient", {**read, "gx": gx, **given}, gradient_launch)
        return gx, backend.xp.reshape(ggamma, shape), backend.xp.reshape(gbeta, shape)

    def _run(self, key: str, arguments: dict[str, Any], make: Callable[..., Launch]) -> None:
        launcher = triton_backend(self.backend).launcher
        launcher.run(self.launches, key, arguments, lambda: make(self.problem, self.walk, self.cut, **arguments))

    def _partial(self, x: Array) -> Array:
        """Return room for two numbers of each channel and split."""
        own = triton_backend(self.backend)
        made: Array = own.empty((2, self.cut.splits, self.cut.channels), own.xp.float32, x.device)
        return made

    def _new_statistic(self, x: Array) -> Array:
        own = triton_backend(self.backend)
        made: Array = own.empty((self.cut.channels,), own.xp.float32, x.device)
        return made

    def _shaped(self, statistic: Array) -> Array:
        made: Array = self.backend.xp.reshape(statistic, [self.problem.x[axis] for axis in self.problem.kept_axes])
        return made


def partial_moments_launch(problem: NormalizationProblem, walk: Walk, cut: Cut, x: Any, partial: Any) -> Launch:
    """Return the launch that fills ``partial`` (2, splits, channels) with means and sums of squares around them."""
    arguments = {"x": x, "partial": partial, **_split(problem, walk, cut), **walk_arguments("x", x, walk, problem.x)}
    return _tiles(device.partial_moments, problem, cut, cut.splits, arguments)


def combine_moments_launch(
    problem: NormalizationProblem, walk: Walk, cut: Cut, partial: Any, mean: Any, var: Any
) -> Launch:
    """Return the launch that fills ``mean`` and ``var``."""
    arguments = {"partial": partial, "mean": mean, "var": var, "members": cut.members, "share": cut.share}
    return _combination(device.combine_moments, problem, cut, arguments)


def normalize_launch(
    problem: NormalizationProblem, walk: Walk, cut: Cut, x: Any, y: Any, **given: Any
) -> Launch:  # fmt: skip
    """Return the launch that fills ``y``; ``given``: dense parameters and statistics, and ε."""
    arguments = {"x": x, "y": y, **given, **_sizes(problem, walk, cut), "RELU": problem.activation == RELU}
    arguments |= walk_arguments("x", x, walk, problem.x) | walk_arguments("y", y, walk, problem.x)
    return _tiles(device.normalize, problem, cut, -(-cut.members // cut.block_m), arguments)


def partial_sums_launch(problem: NormalizationProblem, walk: Walk, cut: Cut, **arrays: Any) -> Launch:
    """Return the launch that fills ``partial`` (2, splits, channels) with Σ g and Σ g (x − mean)."""
    arguments = {**arrays, **_split(problem, walk, cut), "RELU": problem.activation == RELU}
    for name in ("x", "y", "gy"):
        arguments |= walk_arguments(name, arrays[name], walk, problem.x)
    return _tiles(device.partial_sums, problem, cut, cut.splits, arguments)


def combine_sums_launch(problem: NormalizationProblem, walk: Walk, cut: Cut, **arrays: Any) -> Launch:
    """Return the launch that fills ``ggamma`` and ``gbeta``."""
    return _combination(device.combine_sums, problem, cut, arrays)


def gradient_launch(problem: NormalizationProblem, walk: Walk, cut: Cut, **arrays: Any) -> Launch:
    """Return the launch that fills ``gx``."""
    arguments = {**arrays, **_sizes(problem, walk, cut), "RELU": problem.activation == RELU}
    for name in ("x", "y", "gy", "gx"):
        arguments |= walk_arguments(name, arrays[name], walk, problem.x)
    return _tiles(device.gradient_of_normalized, problem, cut, -(-cut.members // cut.block_m), arguments)


def register(backend: Backend) -> None:
    """Override core's normalization."""
    backend.implements(Normalization)(TritonNormalization)


def _sizes(problem: NormalizationProblem, walk: Walk, cut: Cut) -> dict[str, int]:
    return {"members": cut.members, "channels": cut.channels, "behind": walk.lengths(problem.x)[2]}


def _split(problem: NormalizationProblem, walk: Walk, cut: Cut) -> dict[str, int]:
    return _sizes(problem, walk, cut) | {"share": cut.share, "splits": cut.splits}


def _tiles(function: Any, problem: NormalizationProblem, cut: Cut, pieces: int, arguments: dict[str, Any]) -> Launch:
    """Return a launch of one program for each piece of the members and block of channels."""
    arguments |= {"BLOCK_M": cut.block_m, "BLOCK_C": cut.block_c}
    return Launch(function, (pieces * cut.channel_blocks, 1, 1), arguments, num_warps=4, num_stages=1, about=problem)


def _combination(function: Any, problem: NormalizationProblem, cut: Cut, arguments: dict[str, Any]) -> Launch:
    """Return a launch of one program for some channels' partial results."""
    arguments = arguments | {"channels": cut.channels, "splits": cut.splits}
    arguments |= {"BLOCK_S": int(triton.next_power_of_2(cut.splits)), "BLOCK_C": cut.combined}
    grid = (-(-cut.channels // cut.combined), 1, 1)
    return Launch(function, grid, arguments, num_warps=4, num_stages=1, about=problem)
