"""Functions that rearrange, join, cut, pad and pick: what `array` leaves out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.types import Shape
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.draw import HostArray, integers, repeated


def one(
    function: Callable[..., Any], label: str, shape: Shape, oracle: Callable[..., Any], /, **arguments: Any
) -> FunctionCase:
    """Return a case of a function of one array."""
    return FunctionCase(target=function, label=label, inputs=(Input(shape),), oracle=oracle, arguments=arguments)


def many(
    function: Callable[..., Any], label: str, shapes: tuple[Shape, ...], oracle: Callable[..., Any], /, **arguments: Any
) -> FunctionCase:
    """Return a case of a function of a list of arrays; ``oracle`` takes a list too."""

    @functools.wraps(function)
    def listed(*xs: Any, **keywords: Any) -> Any:
        return function(list(xs), **keywords)

    return FunctionCase(
        target=listed,
        label=label,
        inputs=tuple(map(Input, shapes)),
        oracle=lambda *xs, **keywords: oracle(list(xs), **keywords),
        arguments=arguments,
    )


# The oracles that NumPy does not have under that name. --------------------------------------------------------------
def strided(x: HostArray, shape: Shape, strides: Shape, storage_offset: int = 0) -> HostArray:
    """Return the view that NumPy makes, in bytes."""
    flat = np.ascontiguousarray(x).reshape(-1)[storage_offset:]
    return np.lib.stride_tricks.as_strided(flat, shape, [step * x.itemsize for step in strides]).copy()


def shuffled(X: HostArray, r: int) -> HostArray:
    """Return channels spread over blocks of pixels, one by one."""
    n, c, h, w = X.shape
    channels = c // r**2
    y = np.zeros((n, channels, h * r, w * r))
    for i, j, channel in np.ndindex(r, r, channels):
        y[:, channel, i::r, j::r] = X[:, (i * r + j) * channels + channel]
    return y


def unshuffled(X: HostArray, r: int) -> HostArray:
    """Return blocks of pixels as channels."""
    blocks = [X[:, :, i::r, j::r] for i in range(r) for j in range(r)]
    return np.concatenate(blocks, axis=1)


def split(x: HostArray, indices_or_sections: Any, axis: int) -> tuple[HostArray, ...]:
    """Return NumPy's pieces."""
    return tuple(np.split(x, indices_or_sections, axis))


def separated(x: HostArray, axis: int = 0) -> tuple[HostArray, ...]:
    """Return x[0], x[1], … along an axis."""
    return tuple(np.moveaxis(x, axis, 0))


def padded(xs: list[HostArray], length: int | None = None, padding: float = 0) -> HostArray:
    """Return sequences in a frame, one by one."""
    y = np.full((len(xs), length or max(map(len, xs)), *xs[0].shape[1:]), float(padding))
    for row, x in zip(y, xs, strict=True):
        row[: len(x)] = x
    return y


def stepped(xs: list[HostArray]) -> tuple[HostArray, ...]:
    """Return steps, each with those sequences that are so long."""
    return tuple(np.stack([x[step] for x in xs if len(x) > step]) for step in range(len(xs[0])))


def permuted(x: HostArray, indices: HostArray, axis: int = 0, inv: bool = False) -> HostArray:
    """Return y[i] = x[indices[i]], or the other way round."""
    y = np.zeros_like(x)
    for place, index in enumerate(indices):
        target, source = (index, place) if inv else (place, index)
        np.moveaxis(y, axis, 0)[target] = np.moveaxis(x, axis, 0)[source]
    return y


def added(a: HostArray, b: HostArray, slices: Any) -> HostArray:
    """Return a with b added at places that may repeat."""
    y = a.copy()
    np.add.at(y, slices, b)
    return y


def scatter_add(a: Any, b: Any, slices: Any) -> Any:
    """Call `F.scatter_add` with its arrays first."""
    return F.scatter_add(a, slices, b)


def gridded(theta: HostArray, output_shape: Shape) -> HostArray:
    """Return where each pixel goes, one by one."""
    h, w = output_shape
    grid = np.zeros((len(theta), 2, h, w))
    for i, j in np.ndindex(h, w):
        point = (-1 + 2 * j / max(w - 1, 1), -1 + 2 * i / max(h - 1, 1), 1)
        grid[:, :, i, j] = theta @ point
    return grid


KEYS: Final[dict[str, Any]] = {
    "array": ([1, 0, 1],),
    "apart": ([0, 1, 0], slice(None), [2, 2, 0]),
    "together": (slice(None), [2, 2, 0], [[1], [0]]),
    "mask": (slice(None), [True, False, True]),
    "mixed": (0, ..., [3, 3, -1]),
    "none": ([],),
}

INDEXING: Final[tuple[FunctionCase, ...]] = (
    *(
        one(F.get_item, f"index-{label}", (2, 3, 4), lambda x, slices: x[slices], slices=key)
        for label, key in KEYS.items()
        if label != "none"
    ),
    one(F.get_item, "index-none", (2, 3), lambda x, slices: x[np.zeros(0, int)], slices=([],)),
    *(
        FunctionCase(
            target=scatter_add,
            label=label,
            inputs=(Input((2, 3, 4)), Input(np.zeros((2, 3, 4))[KEYS[label]].shape)),
            oracle=added,
            arguments={"slices": KEYS[label]},
        )
        for label in ("array", "apart", "together", "mixed")
    ),
    FunctionCase(
        target=F.select_item,
        label="matrix",
        inputs=(Input((4, 3)), Input((4,), integers(0, 3), "int32")),
        oracle=lambda x, t: np.asarray([row[label] for row, label in zip(x, t, strict=True)]),
    ),
    *(
        FunctionCase(
            target=F.permutate,
            label=label,
            inputs=(Input((4, 3)), Input((3,), repeated(1, 2, 0), "int32")),
            oracle=permuted,
            arguments={"axis": 1, "inv": inv},
        )
        for label, inv in (("forth", False), ("back", True))
    ),
    FunctionCase(
        target=F.where,
        label="same-shape",
        inputs=(Input((2, 3), integers(0, 2), "bool"), Input((2, 3)), Input((2, 3))),
        oracle=np.where,
    ),
    FunctionCase(
        target=F.where,
        label="broadcast",
        inputs=(Input((2, 1), integers(0, 2), "bool"), Input((3,)), Input(())),
        oracle=np.where,
    ),
)

SHAPING: Final[tuple[FunctionCase, ...]] = (
    one(F.as_strided, "windows", (3, 4), strided, shape=(4, 3), strides=(2, 1), storage_offset=1),
    one(F.as_strided, "one", (2, 3), strided, shape=(), strides=(), storage_offset=4),
    one(F.depth2space, "image", (2, 8, 2, 3), shuffled, r=2),
    one(F.space2depth, "image", (2, 2, 4, 6), unshuffled, r=2),
    one(F.diagonal, "matrix", (3, 4), np.diagonal),
    one(F.diagonal, "above", (3, 4, 2), np.diagonal, offset=1),
    one(F.diagonal, "below", (2, 4, 3), np.diagonal, offset=-2, axis1=2, axis2=1),
    one(F.diagonal, "beyond", (2, 3), np.diagonal, offset=5),
    one(F.expand_dims, "middle", (2, 3), np.expand_dims, axis=1),
    one(F.expand_dims, "last", (2, 3), np.expand_dims, axis=-1),
    one(F.flatten, "image", (2, 3, 2), np.ravel),
    one(F.flatten, "scalar", (), np.ravel),
    one(F.flip, "last", (2, 3), np.flip, axis=-1),
    one(F.fliplr, "image", (2, 3, 2), np.fliplr),
    one(F.flipud, "vector", (3,), np.flipud),
    one(F.moveaxis, "one", (2, 3, 4), np.moveaxis, source=0, destination=-1),
    one(F.moveaxis, "two", (2, 3, 4), np.moveaxis, source=(0, 2), destination=(1, 0)),
    one(F.rollaxis, "front", (2, 3, 4), np.rollaxis, axis=2),
    one(F.rollaxis, "behind", (2, 3, 4), np.rollaxis, axis=0, start=-1),
    one(F.rollaxis, "end", (2, 3, 4), np.rollaxis, axis=0, start=3),
    one(F.swapaxes, "ends", (2, 3, 4), np.swapaxes, axis1=0, axis2=-1),
    one(F.squeeze, "all", (1, 2, 1, 3), np.squeeze),
    one(F.squeeze, "some", (1, 2, 1, 3), np.squeeze, axis=(-2,)),
    one(F.tile, "last", (2, 3), np.tile, reps=2),
    one(F.tile, "more-axes", (2, 3), np.tile, reps=(2, 1, 2)),
    one(F.tile, "none", (2, 3), np.tile, reps=(0, 1)),
    one(F.repeat, "flat", (2, 3), np.repeat, repeats=2),
    one(F.repeat, "axis", (2, 3), np.repeat, repeats=3, axis=1),
    one(F.repeat, "each", (2, 3), np.repeat, repeats=(2, 0, 1), axis=1),
    one(F.split_axis, "sections", (2, 6), split, indices_or_sections=3, axis=1),
    one(F.split_axis, "places", (5, 2), split, indices_or_sections=(1, 1, 4), axis=0),
    one(F.separate, "first", (3, 2), separated),
    one(F.separate, "last", (3, 2), separated, axis=-1),
)

JOINING: Final[tuple[FunctionCase, ...]] = (
    many(F.concat, "channels", ((2, 1, 3), (2, 2, 3)), lambda xs: np.concatenate(xs, 1)),
    many(F.concat, "last", ((2, 1), (2, 3), (2, 0)), np.concatenate, axis=-1),
    many(F.stack, "first", ((2, 3), (2, 3)), np.stack),
    many(F.stack, "last", ((2, 3), (2, 3)), np.stack, axis=-1),
    *(
        many(function, label, shapes, oracle)
        for function, oracle in ((F.hstack, np.hstack), (F.vstack, np.vstack), (F.dstack, np.dstack))
        for label, shapes in {"scalars": ((), ()), "vectors": ((3,), (3,)), "images": ((2, 3, 2), (2, 3, 2))}.items()
    ),
    FunctionCase(
        target=F.broadcast,
        label="three",
        inputs=(Input((2, 1)), Input((3,)), Input(())),
        oracle=lambda *xs: tuple(np.broadcast_arrays(*xs)),
    ),
    many(F.pad_sequence, "longest", ((3, 2), (1, 2), (2, 2)), padded),
    many(F.pad_sequence, "length", ((2,), (0,)), padded, length=4, padding=-1),
    many(F.transpose_sequence, "batch", ((3, 2), (2, 2), (2, 2)), stepped),
)

PADDING: Final[tuple[FunctionCase, ...]] = tuple(
    one(F.pad, label, (2, 3), np.pad, pad_width=width, mode=mode, **keywords)
    for label, mode, width, keywords in (
        ("zeros", "constant", 1, {}),
        ("constants", "constant", ((1, 0), (0, 2)), {"constant_values": ((1, 2), (3, 4))}),
        ("edge", "edge", (2, 1), {}),
        ("wrap", "wrap", ((1, 2), (3, 2)), {}),
        ("reflect", "reflect", ((1, 0), (3, 5)), {}),
        ("reflect-odd", "reflect", ((1, 1), (2, 2)), {"reflect_type": "odd"}),
        ("symmetric", "symmetric", ((1, 3), (2, 0)), {}),
        ("symmetric-odd", "symmetric", ((1, 1), (2, 3)), {"reflect_type": "odd"}),
        ("ramp", "linear_ramp", ((1, 2), (3, 0)), {"end_values": (1, -2)}),
        ("mean", "mean", ((1, 0), (2, 1)), {}),
        ("mean-of-some", "mean", 1, {"stat_length": ((1, 2), (2, 1))}),
    )
)

GRIDS: Final[tuple[FunctionCase, ...]] = (
    one(F.spatial_transformer_grid, "image", (2, 2, 3), gridded, output_shape=(2, 3)),
    one(F.spatial_transformer_grid, "pixel", (1, 2, 3), gridded, output_shape=(1, 1)),
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (*SHAPING, *JOINING, *INDEXING, *PADDING, *GRIDS)
