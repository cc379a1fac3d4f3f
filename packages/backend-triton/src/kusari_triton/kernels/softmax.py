"""Softmax, its logarithm, softmax cross entropy and their gradients: one launch each, over rows of classes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import triton

from kusari.backend import Backend
from kusari.kernels import softmax as core
from kusari.kernels.softmax import SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem
from kusari.types import Array, Shape
from kusari_triton.backend import triton_backend
from kusari_triton.kernels import softmax_device as device
from kusari_triton.launch import Launch, element_strides
from kusari_triton.tiles import FAR
from kusari_triton.walk import Walk, choose_walk, empty_walked, flat, walk_arguments, walkable

TILE: Final = 1024
"""Numbers a program holds at a time, on a GPU: 8 a thread with 4 warps. With 2048 rows of 21 classes spill 16 bytes."""

LONGEST: Final = 2048
"""Classes of one row a program holds at a time, where they lie side by side. With 4096, 50257 of them spill 8 bytes."""

FAR_APART: Final = 32
"""Classes a program holds at a time where rows lie side by side instead, as in images: 32 rows and more."""

ADDED: Final = 1024
"""Sums of losses that are added up side by side."""

_INTERPRETED: Final = (64, 64)
"""Rows and classes a program holds at a time, interpreted: few, and tests see several."""

_log = logging.getLogger(__name__)


class RowBlocks(NamedTuple):
    """What a program holds at a time."""

    rows: int
    classes: int


def choose_blocks(lengths: tuple[int, int, int], *, interpreted: bool) -> RowBlocks:
    """Return how rows of classes, walked as (before, classes, behind), are cut."""
    before, classes, behind = lengths
    rows, most = _INTERPRETED
    if not interpreted:
        most = LONGEST if behind == 1 else FAR_APART
    taken = min(most, int(triton.next_power_of_2(classes)))
    if not interpreted:
        rows = max(1, TILE // taken)
    return RowBlocks(min(rows, int(triton.next_power_of_2(before * behind))), taken)


def why_not_taken(shape: Shape, dtype: Any) -> str | None:
    """Say why rows of some shape and dtype are left to the base; None: they have kernels here."""
    if dtype.name not in ("float16", "bfloat16", "float32"):
        return f"{dtype.name} stays with the base: sums here are float32"
    if not dtype.isnative:
        return "not in the machine's byte order"
    if 0 in shape:
        return "nothing to compute"
    return "nearly 2³¹ numbers" if math.prod(shape) >= FAR else None


class RowSoftmax:
    """Softmax, its logarithm and their gradients along any axis, and the launches made ready for them."""

    def __init__(self) -> None:
        self.launches: dict[Any, Any] = {}

    def softmax(self, backend: Backend, x: Array, axis: int) -> Array:
        """Override `kusari.kernels.softmax.softmax`."""
        return self._forward(backend, core.softmax, x, axis)

    def log_softmax(self, backend: Backend, x: Array, axis: int) -> Array:
        """Override `kusari.kernels.softmax.log_softmax`."""
        return self._forward(backend, core.log_softmax, x, axis)

    def softmax_grad(self, backend: Backend, y: Array, gy: Array, axis: int) -> Array:
        """Override `kusari.kernels.softmax.softmax_grad`."""
        return self._backward(backend, core.softmax_grad, y, gy, axis)

    def log_softmax_grad(self, backend: Backend, y: Array, gy: Array, axis: int) -> Array:
        """Override `kusari.kernels.softmax.log_softmax_grad`."""
        return self._backward(backend, core.log_softmax_grad, y, gy, axis)

    def _forward(self, backend: Backend, kernel: Any, x: Array, axis: int) -> Array:
        reason = why_not_taken(x.shape, backend.host_dtype(x.dtype))
        if reason is not None:
            return _leave(reason, backend, kernel, x, axis)
        walk = choose_walk(x.shape, (axis % x.ndim,), element_strides(x))
        x = walkable(backend, x, walk)
        y = empty_walked(backend, x.shape, walk, x.dtype, x.device)
        self._run(backend, kernel is core.log_softmax, walk, softmax_launch, {"x": x, "y": y})
        return y

    def _backward(self, backend: Backend, kernel: Any, y: Array, gy: Array, axis: int) -> Array:
        reason = why_not_taken(y.shape, backend.host_dtype(y.dtype))
        if reason is not None:
            return _leave(reason, backend, kernel, y, gy, axis)
        walk = choose_walk(y.shape, (axis % y.ndim,), element_strides(y))
        y, gy = walkable(backend, y, walk), walkable(backend, gy, walk)
        gx = empty_walked(backend, y.shape, walk, y.dtype, y.device)
        arrays = {"y": y, "gy": gy, "gx": gx}
        self._run(backend, kernel is core.log_softmax_grad, walk, softmax_gradient_launch, arrays)
        return gx

    def _run(
        self, backend: Backend, log: bool, walk: Walk, make: Callable[..., Launch], arrays: dict[str, Any]
    ) -> None:
        launcher = triton_backend(backend).launcher
        first = next(iter(arrays.values()))
        launcher.run(
            self.launches,
            (make, log, walk, first.shape, first.dtype),
            arrays,
            lambda: make(first.shape, walk, log=log, interpreted=launcher.interpreted, **arrays),
        )


class TritonSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    """Forward reads the scores and writes numbers of rows only, backward reads the scores again and writes gx.

    Sums in float32, in an order that only the shape decides. A label out of range makes a loss that is no number.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: SoftmaxCrossEntropyProblem) -> None:
        super().__init__(backend, problem)
        self.launches: dict[Any, Any] = {}

    @classmethod
    def accepts(cls, problem: SoftmaxCrossEntropyProblem) -> bool | str:
        """Take 16- and 32-bit floats."""
        return why_not_taken(problem.x, problem.dtype) or True

    def forward(self, x: Array, t: Array, weight: Array | None) -> tuple[Array, Any]:
        backend, problem, xp = self.backend, self.problem, self.backend.xp
        own, averaged = triton_backend(backend), problem.reduce == "mean"
        walk = choose_walk(problem.x, (1,), element_strides(x))
        x, labels = walkable(backend, x, walk), walkable(backend, xp.expand_dims(t, axis=1), walk)
        rows = (problem.x[0], 1, *problem.x[2:])

        def of_rows(dtype: Any) -> Array:
            return empty_walked(backend, rows, walk, dtype, x.device)

        blocks = -(-math.prod(rows) // self._blocks(walk).rows)
        kept = {name: of_rows(xp.float32) for name in ("peaks", "sums", "scale")} | {"label": of_rows(xp.int64)}
        loss = None if averaged else of_rows(x.dtype)
        partial = own.empty((2, blocks), xp.float32, x.device) if averaged else None
        arrays = {"x": x, "t": labels, "weight": None if weight is None else flat(backend, weight), **kept}
        self._run("losses", walk, cross_entropy_launch, {**arrays, "loss": loss, "partial": partial})
        label, scale, divisor = kept["label"][:, 0, ...], kept["scale"][:, 0, ...], None
        if loss is not None:
            loss = loss[:, 0, ...]
        else:
            loss, divisor = own.empty((), x.dtype, x.device), own.empty((), xp.float32, x.device)
            self._run("mean", walk, mean_launch, {"partial": partial, "loss": loss, "divisor": divisor})
            scale = scale / divisor
        return loss, ((x, walk, kept, divisor), label, xp.astype(scale, x.dtype, copy=False))

    def grad_input(self, kept: Any, gloss: Array) -> Array:
        (x, walk, rows, divisor), _, _ = kept
        backend, xp = self.backend, self.backend.xp
        if not isinstance(gloss, backend.array_types):  # NumPy's reductions return scalars
            gloss = backend.as_array(gloss, x)
        if gloss.ndim:
            gloss = walkable(backend, xp.expand_dims(gloss, axis=1), walk)
        gx = empty_walked(backend, self.problem.x, walk, x.dtype, x.device)
        arrays = {"x": x, **rows, "divisor": divisor, "gloss": gloss, "gx": gx}
        self._run("gradient", walk, cross_entropy_gradient_launch, arrays)
        return gx

    def _blocks(self, walk: Walk) -> RowBlocks:
        interpreted = triton_backend(self.backend).launcher.interpreted
        return choose_blocks(walk.lengths(self.problem.x), interpreted=interpreted)

    def _run(self, key: str, walk: Walk, make: Callable[..., Launch], arrays: dict[str, Any]) -> None:
        launcher = triton_backend(self.backend).launcher
        launcher.run(
            self.launches, (key, walk), arrays, lambda: make(self.problem, walk, self._blocks(walk), **arrays)
        )  # fmt: skip


def softmax_launch(shape: Shape, walk: Walk, *, log: bool, interpreted: bool, x: Any, y: Any) -> Launch:
    """Return the launch that fills ``y``."""
    blocks = choose_blocks(walk.lengths(shape), interpreted=interpreted)
    arguments = {"x": x, "y": y, "LOG": log}
    arguments |= walk_arguments("x", x, walk, shape) | walk_arguments("y", y, walk, shape)
    return _rows_launch(device.softmax_rows, shape, walk, blocks, arguments, shape)


def softmax_gradient_launch(shape: Shape, walk: Walk, *, log: bool, interpreted: bool, **arrays: Any) -> Launch:
    """Return the launch that fills ``gx`` from ``y`` and ``gy``."""
    blocks = choose_blocks(walk.lengths(shape), interpreted=interpreted)
    arguments = {**arrays, "LOG": log}
    for name, array in arrays.items():
        arguments |= walk_arguments(name, array, walk, shape)
    return _rows_launch(device.softmax_gradient_rows, shape, walk, blocks, arguments, shape)


def cross_entropy_launch(
    problem: SoftmaxCrossEntropyProblem, walk: Walk, blocks: RowBlocks, x: Any, t: Any, **arrays: Any
) -> Launch:
    """Return the launch that computes the rows' losses; all but ``x`` and ``t`` is dense."""
    rows = (problem.x[0], 1, *problem.x[2:])
    arguments = {"x": x, "t": t, **arrays, "ignored": problem.ignore_label}
    arguments |= {"blocks": -(-math.prod(rows) // blocks.rows)}
    arguments |= walk_arguments("x", x, walk, problem.x) | walk_arguments("t", t, walk, rows)
    return _rows_launch(device.cross_entropy, problem.x, walk, blocks, arguments, problem)


def mean_launch(
    problem: SoftmaxCrossEntropyProblem, walk: Walk, blocks: RowBlocks, partial: Any, loss: Any, divisor: Any
) -> Launch:
    """Return the launch that fills ``loss`` and ``divisor``, of no axes."""
    before, _, behind = walk.lengths(problem.x)
    arguments = {"partial": partial, "loss": loss, "divisor": divisor, "blocks": -(-before * behind // blocks.rows)}
    arguments |= {"images": problem.x[0], "NORMALIZE": problem.normalize, "BLOCK": ADDED}
    return Launch(device.mean_of_losses, (1, 1, 1), arguments, num_warps=4, num_stages=1, about=problem)


def cross_entropy_gradient_launch(
    problem: SoftmaxCrossEntropyProblem, walk: Walk, blocks: RowBlocks, x: Any, gloss: Any, gx: Any, **arrays: Any
) -> Launch:
    """Return the launch that fills ``gx``; ``gloss`` has no axes, or one number for each label."""
    rows = (problem.x[0], 1, *problem.x[2:])
    arguments = {"x": x, "gloss": gloss, "gx": gx, **arrays}
    arguments |= walk_arguments("x", x, walk, problem.x) | walk_arguments("gx", gx, walk, problem.x)
    arguments |= walk_arguments("gloss", None if problem.reduce == "mean" else gloss, walk, rows)
    return _rows_launch(device.cross_entropy_gradient, problem.x, walk, blocks, arguments, problem)


def register(backend: Backend) -> None:
    """Override core's softmax, its logarithm, softmax cross entropy and their gradients."""
    rows = RowSoftmax()
    backend.implements(core.softmax)(rows.softmax)
    backend.implements(core.log_softmax)(rows.log_softmax)
    backend.implements(core.softmax_grad)(rows.softmax_grad)
    backend.implements(core.log_softmax_grad)(rows.log_softmax_grad)
    backend.implements(SoftmaxCrossEntropy)(TritonSoftmaxCrossEntropy)


def _leave(reason: str, backend: Backend, kernel: Any, *arguments: Any) -> Array:
    """Return what the base makes of it."""
    base = triton_backend(backend).base
    assert base is not None
    _log.info("%s of %s is the base's: %s", kernel.__name__, arguments[0].shape, reason)
    made: Array = base.table[kernel](backend, *arguments)
    return made


def _rows_launch(
    function: Any, shape: Shape, walk: Walk, blocks: RowBlocks, arguments: dict[str, Any], about: Any
) -> Launch:
    before, classes, behind = walk.lengths(shape)
    arguments |= {"rows": before * behind, "classes": classes, "behind": behind}
    arguments |= {"BLOCK_M": blocks.rows, "BLOCK_C": blocks.classes}
    grid = (-(-before * behind // blocks.rows), 1, 1)
    return Launch(function, grid, arguments, num_warps=4, num_stages=1, about=about)
