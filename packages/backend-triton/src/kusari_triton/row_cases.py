"""Configurations of batch normalization, softmax and LSTMs to compile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU, Activation
from kusari.kernels.norm import NormalizationProblem
from kusari.kernels.rnn import LSTMProblem
from kusari.kernels.softmax import SoftmaxCrossEntropyProblem
from kusari.types import Shape
from kusari_triton.cross_compile import Case
from kusari_triton.launch import Pointer
from kusari_triton.walk import choose_walk

DTYPES: Final = ("float32", "float16", "bfloat16")

# (label, x, dtypes): a block of ResNet, sizes that nothing divides, a layer of units.
BATCHES: Final[Sequence[tuple[str, Shape, Sequence[str]]]] = (
    ("32x256x28x28", (32, 256, 28, 28), DTYPES),
    ("7x37x19x23", (7, 37, 19, 23), DTYPES[:2]),
    ("512x1000", (512, 1000), DTYPES[:1]),
)


def row_cases() -> Iterator[Case]:
    """Yield every kernel of batch normalization, softmax and LSTMs."""
    yield from normalization_cases()
    yield from softmax_cases()
    yield from lstm_cases()


def normalization_cases() -> Iterator[Case]:
    """Yield batch normalization with ReLU in each dtype, memory format and size of interest, and once without."""
    for label, x, dtypes in BATCHES:
        for dtype, (layout, order) in itertools.product(dtypes, _layouts(x, 1)):
            yield from _normalization(f"{label} {dtype}{layout}", x, dtype, dense(x, order), RELU)
    label, x, _ = BATCHES[0]
    yield from _normalization(f"{label} without activation", x, "float32", dense(x, tuple(range(4))), None)


def _normalization(label: str, x: Shape, dtype: str, strides: Shape, activation: Activation | None) -> Iterator[Case]:
    from kusari_triton.kernels import norm

    axes = tuple(axis for axis in range(len(x)) if axis != 1)
    problem = NormalizationProblem(x, host_dtype(dtype), host_dtype("float32"), axes, 1e-5, strides, None, activation)
    walk = choose_walk(x, (1,), strides)
    common = (problem, walk, norm.cut(walk.lengths(x), interpreted=False))
    image, statistic = Pointer(dtype, strides), Pointer("float32", (1,))
    read: dict[str, Any] = {"x": image, "y": None if activation is None else image, "gy": image}
    parameters: dict[str, Any] = dict.fromkeys(("gamma", "mean", "var"), statistic)
    sums: dict[str, Any] = dict.fromkeys(("ggamma", "gbeta"), statistic)
    given = {**read, "gx": image, **parameters, **sums}
    launches = {
        "moments": norm.partial_moments_launch(*common, image, statistic),
        "combined moments": norm.combine_moments_launch(*common, statistic, statistic, statistic),
        "result": norm.normalize_launch(*common, image, image, beta=statistic, **parameters, eps=1e-5),
        "sums": norm.partial_sums_launch(*common, **read, mean=statistic, partial=statistic),
        "combined sums": norm.combine_sums_launch(*common, partial=statistic, var=statistic, **sums, eps=1e-5),
        "gradient": norm.gradient_launch(*common, **given, eps=1e-5),
    }
    for name, launch in launches.items():
        if dtype == "float32" or not name.startswith("combined"):  # these see float32 only
            yield Case(f"normalization {label} {name}", launch)


# (label, x, dtypes): classes of images, images of classes, a vocabulary.
SCORES: Final[Sequence[tuple[str, Shape, Sequence[str]]]] = (
    ("128x10", (128, 10), DTYPES[:1]),
    ("256x1000", (256, 1000), DTYPES),
    ("8x21x97x101", (8, 21, 97, 101), DTYPES[:2]),
    ("64x50257", (64, 50257), DTYPES[1:2]),
)


def softmax_cases() -> Iterator[Case]:
    """Yield softmax, its logarithm, cross entropy and the gradients in each dtype and memory format of interest."""
    for label, x, dtypes in SCORES:
        for dtype, (layout, order) in itertools.product(dtypes, _layouts(x, 1)):
            yield from _softmax(f"{label} {dtype}{layout}", x, dtype, dense(x, order))


def _softmax(label: str, x: Shape, dtype: str, strides: Shape) -> Iterator[Case]:
    from kusari_triton.kernels import softmax

    walk, scores = choose_walk(x, (1,), strides), Pointer(dtype, strides)
    for log in (False, True):
        name = "log softmax" if log else "softmax"
        launch = softmax.softmax_launch(x, walk, log=log, interpreted=False, x=scores, y=scores)
        yield Case(f"{name} {label}", launch)
        given = dict.fromkeys(("y", "gy", "gx"), scores)
        launch = softmax.softmax_gradient_launch(x, walk, log=log, interpreted=False, **given)
        yield Case(f"gradient of {name} {label}", launch)
    blocks = softmax.choose_blocks(walk.lengths(x), interpreted=False)
    single, losses = Pointer("float32"), (x[0], 1, *x[2:])
    rows = Pointer(dtype, dense(losses, walk.order))
    labels = Pointer("int32", rows.strides)
    kept: dict[str, Any] = {**dict.fromkeys(("peaks", "sums", "scale"), single), "label": Pointer("int64")}
    for reduce in ("mean", "no") if len(x) > 2 else ("mean",):
        averaged = reduce == "mean"
        problem = SoftmaxCrossEntropyProblem(x, host_dtype(dtype), reduce=reduce, weighted=averaged)
        common = (problem, walk, blocks)
        partial, loss, weight = (single, None, Pointer(dtype)) if averaged else (None, rows, None)
        launch = softmax.cross_entropy_launch(
            *common, scores, labels, weight=weight, **kept, loss=loss, partial=partial
        )  # fmt: skip
        yield Case(f"cross entropy {reduce} {label}", launch)
        gloss, divisor = (Pointer(dtype), single) if averaged else (rows, None)
        launch = softmax.cross_entropy_gradient_launch(*common, scores, gloss, scores, **kept, divisor=divisor)
        yield Case(f"gradient of cross entropy {reduce} {label}", launch)
    if dtype == "float32" and len(x) == 2:
        yield Case(f"mean of cross entropy {label}", softmax.mean_launch(problem, walk, blocks, single, single, single))


# (label, c, dtypes): a large layer, sizes that nothing divides, images.
CELLS: Final[Sequence[tuple[str, Shape, Sequence[str]]]] = (
    ("128x1024", (128, 1024), DTYPES),
    ("20x651", (20, 651), DTYPES[:1]),
    ("8x33x19x23", (8, 33, 19, 23), DTYPES[:1]),
)


def lstm_cases() -> Iterator[Case]:
    """Yield the LSTM's step and its gradient in each dtype, memory format and size of interest."""
    from kusari_triton.kernels import rnn

    for label, c, dtypes in CELLS:
        x = (c[0], 4 * c[1], *c[2:])
        for dtype, (layout, order) in itertools.product(dtypes, _layouts(c, 1)):
            walk = choose_walk(c, (1,), dense(c, order))
            problem = LSTMProblem(c, x, host_dtype(dtype))
            cells, gates = Pointer(dtype, dense(c, order)), Pointer(dtype, dense(x, order))
            launch = rnn.lstm_launch(problem, walk, interpreted=False, c_prev=cells, x=gates, c=cells, y=cells)
            yield Case(f"LSTM {label} {dtype}{layout}", launch)
            given = {**dict.fromkeys(("c_prev", "gc", "gy", "gc_prev"), cells), "x": gates, "gx": gates}
            launch = rnn.lstm_gradient_launch(problem, walk, interpreted=False, **given)
            yield Case(f"gradient of LSTM {label} {dtype}{layout}", launch)


def dense(shape: Shape, order: Shape) -> Shape:
    """Return the strides of an array whose axes lie in memory in this order, outermost first."""
    return tuple(math.prod(shape[inner] for inner in order[order.index(axis) + 1 :]) for axis in range(len(shape)))


def _layouts(shape: Shape, along: int) -> Iterator[tuple[str, Shape]]:
    """Yield C order and, where that is another, the order with one axis last."""
    natural = tuple(range(len(shape)))
    last = (*(axis for axis in natural if axis != along), along)
    yield "", natural
    if last != natural and max(shape[2:], default=1) > 1:
        yield " channels-last", last
