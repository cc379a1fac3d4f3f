"""Every documented layer as the original and Kusari build it alike, and what is asked of it.

Everything takes the framework's module as ``lib``; values come from formulas, never from a random stream.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from recipes import wave

DRAWS = 400
"""How often a layer is made for the quantiles of its initial values."""
LEVELS = tuple(round(0.05 * level, 2) for level in range(1, 20))

WORDS = np.asarray([0, 2, 1, 1], "i")
SAMPLES = np.asarray([[0, 1, 2], [2, 0, 0], [1, 1, 2], [0, 2, 1]], "i")


class Recipe(NamedTuple):
    make: Callable[[Any], Any]
    """Takes the module of links."""
    call: Callable[[Any, Callable[..., Any]], Any]
    """Takes the link and a maker of inputs ``x(*shape)``; returns outputs, in lists and tuples as they come."""
    trains: bool = True
    """False: outputs in training are random, and are not asked for."""


def one(*shape: int) -> Callable[[Any, Callable[..., Any]], Any]:
    """Call the layer with one input."""
    return lambda link, x: link(x(*shape))


def twice(*shape: int) -> Callable[[Any, Callable[..., Any]], Any]:
    """Call a layer that keeps a state twice, after forgetting what it had."""

    def call(link: Any, x: Callable[..., Any]) -> Any:
        link.reset_state()
        return [link(x(*shape)), link(x(*shape))]

    return call


def children(count: int) -> Callable[[Any, Callable[..., Any]], Any]:
    """Call a tree LSTM over some children, the last of which has no state."""

    def call(link: Any, x: Callable[..., Any]) -> Any:
        given = [x(4, 2) for _ in range(2 * count - 2)]
        states = [*given[: count - 1], None, *given[count - 1 :], None]
        return link(*states, x(4, 3))

    return call


def sequences(states: int) -> Callable[[Any, Callable[..., Any]], Any]:
    """Call an n-step layer with three sequences of no order; a first state is given, and is not."""

    def call(link: Any, x: Callable[..., Any]) -> Any:
        layers = link.n_layers * (2 if "Bi" in type(link).__name__ else 1)
        xs = [x(1, 3), x(4, 3), x(2, 3)]
        given = [x(layers, 3, 2) for _ in range(states)]
        return [link(*(None,) * states, xs), link(*given, xs)]

    return call


def sampled(link: Any, x: Callable[..., Any]) -> Any:
    """Call a layer that draws words, with the words given."""
    link.sampler.sample = lambda shape: SAMPLES[: shape[0], : shape[1]].copy()
    return link(x(4, 3), WORDS)


def crf(link: Any, x: Callable[..., Any]) -> Any:
    """Ask for losses and for the best labels, by steps and by sequences."""
    scores = [x(3, 3), x(2, 3)]
    ys = [np.asarray([0, 2, 1], "i"), np.asarray([1, 1], "i")]
    steps, labels = [x(2, 3), x(2, 3), x(1, 3)], [ys[0][[0, 2]], ys[0][:2], ys[1][:1]]
    best = [link.argmax(scores, transpose=True), link.argmax(steps)]
    return [link(steps, labels), link(scores, ys, "no", True), *best]


def tree(lib_links: Any) -> Any:
    """Return a hierarchical softmax over the tree that is made of counts."""
    made = lib_links.BinaryHierarchicalSoftmax.create_huffman_tree({0: 5, 1: 2, 2: 3, 3: 1, 4: 2})
    return lib_links.BinaryHierarchicalSoftmax(3, made)


def scale_of_given(link: Any, x: Callable[..., Any]) -> Any:
    """Call a layer that is given its factor."""
    return link(x(2, 3, 2), x(3))


N_STEP = {
    f"NStep{way}{kind}": Recipe(
        lambda L, name=f"NStep{way}{kind}": getattr(L, name)(2, 3, 2, 0.0), sequences(2 if kind == "LSTM" else 1)
    )
    for way in ("", "Bi")
    for kind in ("RNNTanh", "RNNReLU", "GRU", "LSTM")
}

RECIPES: dict[str, Recipe] = {
    "Bias": Recipe(lambda L: L.Bias(1, (3,)), one(2, 3, 2)),
    "Bias given": Recipe(lambda L: L.Bias(1), scale_of_given),
    "Bilinear": Recipe(lambda L: L.Bilinear(3, 4, 2), lambda link, x: link(x(5, 3), x(5, 4))),
    "Bilinear nobias": Recipe(lambda L: L.Bilinear(3, 4, 2, True), lambda link, x: link(x(5, 3), x(5, 4))),
    "ChildSumTreeLSTM": Recipe(lambda L: L.ChildSumTreeLSTM(3, 2), children(3)),
    "Convolution1D": Recipe(lambda L: L.Convolution1D(2, 3, 3, 2, 1), one(2, 2, 6)),
    "Convolution2D": Recipe(lambda L: L.Convolution2D(4, 2, (3, 2), (1, 2), 1, dilate=2, groups=2), one(2, 4, 6, 5)),
    "Convolution2D deferred": Recipe(lambda L: L.Convolution2D(2, 3), one(2, 4, 6, 5)),
    "Convolution3D": Recipe(lambda L: L.Convolution3D(2, 3, 2, cover_all=True), one(1, 2, 3, 4, 3)),
    "ConvolutionND": Recipe(lambda L: L.ConvolutionND(2, 4, 2, 3, 2, 1, groups=2), one(2, 4, 5, 4)),
    "Deconvolution1D": Recipe(lambda L: L.Deconvolution1D(2, 3, 3, 2, 1), one(2, 2, 4)),
    "Deconvolution2D": Recipe(
        lambda L: L.Deconvolution2D(4, 2, 3, 2, 1, outsize=(6, 5), dilate=1, groups=2), one(2, 4, 3, 3)
    ),
    "Deconvolution3D": Recipe(lambda L: L.Deconvolution3D(2, 3, 2), one(1, 2, 2, 3, 2)),
    "DeconvolutionND": Recipe(lambda L: L.DeconvolutionND(2, 4, 2, 3, 2, 1, groups=2), one(2, 4, 3, 2)),
    "DeformableConvolution2D": Recipe(lambda L: L.DeformableConvolution2D(2, 3, 3, 2, 1), one(2, 2, 5, 4)),
    "DepthwiseConvolution2D": Recipe(lambda L: L.DepthwiseConvolution2D(2, 3, 3, 2, 1), one(2, 2, 5, 4)),
    "DilatedConvolution2D": Recipe(lambda L: L.DilatedConvolution2D(2, 3, 3, 1, 2, 2), one(2, 2, 5, 4)),
    "EmbedID": Recipe(lambda L: L.EmbedID(5, 3, ignore_label=-1), lambda link, x: link(np.asarray([[1, -1], [4, 1]]))),
    "GRU": Recipe(lambda L: L.GRU(3, 2), twice(4, 3)),
    "Highway": Recipe(lambda L: L.Highway(3), one(5, 3)),
    "Inception": Recipe(lambda L: L.Inception(2, 1, 2, 3, 2, 1, 2), one(2, 2, 5, 4)),
    "InceptionBN": Recipe(lambda L: L.InceptionBN(2, 1, 2, 3, 2, 1, "avg", 2), one(2, 2, 5, 4)),
    "InceptionBN max": Recipe(lambda L: L.InceptionBN(2, 0, 2, 3, 2, 1, "max", stride=2), one(2, 2, 5, 4)),
    "Linear": Recipe(lambda L: L.Linear(4, 3), one(2, 4)),
    "Linear deferred": Recipe(lambda L: L.Linear(3), one(2, 4, 3)),
    "LocalConvolution2D": Recipe(lambda L: L.LocalConvolution2D(2, 3, (5, 4), 3), one(2, 2, 5, 4)),
    "LSTM": Recipe(lambda L: L.LSTM(3, 2), twice(4, 3)),
    "MLPConvolution2D": Recipe(lambda L: L.MLPConvolution2D(2, (4, 3), 3, pad=1), one(2, 2, 5, 4)),
    "NaryTreeLSTM": Recipe(lambda L: L.NaryTreeLSTM(3, 2, 3), children(3)),
    **N_STEP,
    "Parameter": Recipe(lambda L: L.Parameter(wave((2, 3), 0.0)), lambda link, x: link()),
    "Scale": Recipe(lambda L: L.Scale(1, (3,), True), one(2, 3, 2)),
    "Scale given": Recipe(lambda L: L.Scale(1, bias_term=True, bias_shape=(3,)), scale_of_given),
    "StatefulGRU": Recipe(lambda L: L.StatefulGRU(3, 2), twice(4, 3)),
    "StatelessGRU": Recipe(lambda L: L.StatelessGRU(3, 2), lambda link, x: link(x(4, 2), x(4, 3))),
    "StatefulMGU": Recipe(lambda L: L.StatefulMGU(3, 2), twice(4, 3)),
    "StatelessMGU": Recipe(lambda L: L.StatelessMGU(3, 2), lambda link, x: link(x(4, 2), x(4, 3))),
    "StatefulPeepholeLSTM": Recipe(lambda L: L.StatefulPeepholeLSTM(3, 2), twice(4, 3)),
    "StatefulZoneoutLSTM": Recipe(lambda L: L.StatefulZoneoutLSTM(3, 2, 0.3, 0.6), twice(4, 3), trains=False),
    "StatelessLSTM": Recipe(
        lambda L: L.StatelessLSTM(3, 2),
        lambda link, x: [link(x(4, 2), x(4, 2), x(4, 3)), link(None, None, x(4, 3))],
    ),
    "BatchNormalization": Recipe(lambda L: L.BatchNormalization(3), one(4, 3, 2)),
    "BatchNormalization over axes": Recipe(
        lambda L: L.BatchNormalization(axis=(0, 3), decay=0.5, eps=1e-3, use_beta=False), one(4, 3, 2, 2)
    ),
    "BatchRenormalization": Recipe(lambda L: L.BatchRenormalization(3, 1.5, 0.5, 0.8), one(4, 3, 2)),
    "BatchRenormalization by default": Recipe(lambda L: L.BatchRenormalization(3), one(4, 3, 2)),
    "DecorrelatedBatchNormalization": Recipe(lambda L: L.DecorrelatedBatchNormalization(4, 2, 0.8, 1e-2), one(6, 4, 2)),
    "GroupNormalization": Recipe(lambda L: L.GroupNormalization(2, 4), one(3, 4, 2)),
    "LayerNormalization": Recipe(lambda L: L.LayerNormalization(5), one(3, 5)),
    "BinaryHierarchicalSoftmax": Recipe(tree, lambda link, x: link(x(5, 3), np.asarray([0, 4, 2, 1, 3], "i"))),
    "BlackOut": Recipe(lambda L: L.BlackOut(3, [5, 2, 1], 2), sampled),
    "CRF1d": Recipe(lambda L: L.CRF1d(3), crf),
    "SimplifiedDropconnect": Recipe(
        lambda L: L.SimplifiedDropconnect(3, 2, 0.25),
        lambda link, x: [link(x(4, 3), mask=wave((4, 2, 3), 2.0) > 0), link(x(4, 3), train=False)],
    ),
    "PReLU": Recipe(lambda L: L.PReLU((3,)), one(2, 3, 2)),
    "PReLU of one slope": Recipe(lambda L: L.PReLU(), one(2, 3, 2)),
    "Swish": Recipe(lambda L: L.Swish((3,)), one(2, 3, 2)),
    "Swish deferred": Recipe(lambda L: L.Swish(None), one(2, 3, 2)),
    "Maxout": Recipe(lambda L: L.Maxout(3, 2, 4), one(5, 3)),
    "NegativeSampling": Recipe(lambda L: L.NegativeSampling(3, [5, 2, 1], 2), sampled),
}
"""By name: how it is built, and how it is called."""


def inputs(lib: Any, made: list[Any]) -> Callable[..., Any]:
    """Return a maker of inputs, each other than the one before; they are collected in ``made``."""

    def x(*shape: int) -> Any:
        made.append(lib.Variable(wave(shape, 0.3 + len(made))))
        return made[-1]

    return x


def flat(values: Any) -> list[Any]:
    """Return the arrays in lists and tuples of Variables and arrays."""
    if isinstance(values, list | tuple):
        return [leaf for value in values for leaf in flat(value)]
    return [values]


def number(path: str) -> int:
    """Return a small number made of a name, the same everywhere."""
    return zlib.crc32(path.encode()) % 100


def fill(link: Any) -> Any:
    """Give every parameter and every statistic values that its path tells, and return the link."""
    for path, param in link.namedparams():
        param.array = np.asarray(0.8 * wave(param.shape, number(path)), "f")
    for path, part in link.namedlinks():
        for name in ("avg_mean", "avg_var", "avg_projection"):
            array = getattr(part, name, None)
            if array is not None:
                values = wave(array.shape, number(path + name))
                array[...] = values if name == "avg_mean" else 1.5 + values
    return link


def contents(lib: Any, link: Any) -> dict[str, Any]:
    """Return what a file of the link holds."""
    serializer = lib.serializers.DictionarySerializer()
    serializer.save(link)
    return dict(serializer.target)


def outcome(lib: Any, recipe: Recipe, train: bool) -> dict[str, Any]:
    """Return outputs, gradients of what floats among them summed up, and the statistics afterwards."""
    link = recipe.make(lib.links)
    with lib.using_config("train", train):
        recipe.call(link, inputs(lib, []))  # makes what is deferred
        fill(link)
        given: list[Any] = []
        outputs = flat(recipe.call(link, inputs(lib, given)))
        link.cleargrads()
        floats = [y for y in outputs if isinstance(y, lib.Variable) and y.requires_grad]
        total = sum(lib.functions.sum(y * wave(y.shape, 1.0)) for y in floats)
        total.backward()
    result = {f"y{index}": getattr(y, "array", y) for index, y in enumerate(outputs)}
    result |= {f"gx{index}": x.grad for index, x in enumerate(given) if x.grad is not None}
    result |= {f"g{path}": param.grad for path, param in link.namedparams() if param.grad is not None}
    if train:
        statistics = contents(lib, link)
        result |= {f"s/{key}": value for key, value in statistics.items() if "avg_" in key}
    return {key: np.asarray(value) for key, value in result.items()}


def initial(lib: Any, recipe: Recipe, draws: int) -> dict[str, Any]:
    """Return the initial values of a layer's file, of many that were made: (draws, …) each."""
    made: dict[str, list[Any]] = {}
    for _ in range(draws):
        link = recipe.make(lib.links)
        if any(param.array is None for param in link.params()):
            recipe.call(link, inputs(lib, []))
        for key, value in contents(lib, link).items():
            if "avg_" not in key:  # a deferred layer's statistics have seen its first input
                made.setdefault(key, []).append(np.asarray(value))
    return {key: np.stack(values) for key, values in made.items()}
