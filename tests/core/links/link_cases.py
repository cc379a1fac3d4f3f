"""One line for each layer: how it is made, what it is called with, and what a file of it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L

Inputs = tuple[Any, ...]


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Numbers of no special structure."""
    return np.random.default_rng(seed).normal(size=shape)


class Case(NamedTuple):
    make: Callable[[], Any]
    inputs: Inputs
    """Arrays, or lists of them."""
    keys: str
    """What a file of it holds, by lexical order."""
    deferred: Callable[[], Any] | None = None
    """The same layer with sizes that the first input tells."""
    bad: Callable[[Any], Any] | None = None
    """A call that is an error; None: an input without axes."""
    rate: float = 1e-3
    draws: bool = False
    """Whether calls draw random numbers: these are others on other devices."""
    train: bool = True
    """False: gradients in training are not those of y, as part of it counts as constant; they are checked outside."""


WORDS = np.asarray([0, 2, 1, 1])
GRU_KEYS = "W/W W/b W_r/W W_r/b W_z/W W_z/b U/W U/b U_r/W U_r/b U_z/W U_z/b"

N_STEP = [f"NStep{way}{kind}" for way in ("", "Bi") for kind in ("RNNTanh", "RNNReLU", "GRU", "LSTM")]


def n_step_case(name: str) -> Case:
    """Return two layers over three sequences, of which the first is the shortest."""
    states, count = (2, 8) if "LSTM" in name else (1, 6 if "GRU" in name else 2)
    layers = range(4 if "Bi" in name else 2)
    return Case(
        lambda: getattr(L, name)(2, 3, 2, 0.0),
        (*(None,) * states, [numbers(1, 3), numbers(4, 3), numbers(2, 3)]),
        " ".join(f"{layer}/{kind}{index}" for layer in layers for kind in "wb" for index in range(count)),
        lambda: getattr(L, name)(2, None, 2, 0.0),
        lambda link: link(numbers(4, 3)),
    )


def inception_keys(*names: str) -> str:
    """Return what a file holds for convolutions with a normalization each."""
    normal = ("N", "avg_mean", "avg_var", "beta", "gamma")
    return " ".join([f"{name}/W" for name in names] + [f"{name}n/{key}" for name in names for key in normal])


CASES = {
    "BatchNormalization": Case(
        lambda: L.BatchNormalization(3),
        (numbers(4, 3, 2),),
        "N avg_mean avg_var beta gamma",
        L.BatchNormalization,
        lambda link: link(numbers(4, 2).astype("f")),
    ),
    "BatchNormalization over axes": Case(
        lambda: L.BatchNormalization((3, 2), axis=0, initial_gamma=2, eps=1e-3),
        (numbers(6, 3, 2),),
        "N avg_mean avg_var beta gamma",
        lambda: L.BatchNormalization(axis=(0,), initial_gamma=2, eps=1e-3),
    ),
    "BatchNormalization without scale": Case(
        lambda: L.BatchNormalization(3, use_gamma=False),
        (numbers(4, 3),),
        "N avg_mean avg_var beta",
        lambda: L.BatchNormalization(use_gamma=False),
    ),
    "BatchRenormalization": Case(
        lambda: L.BatchRenormalization(3, rmax=3, dmax=5),
        (numbers(4, 3, 2),),
        "N avg_mean avg_var beta gamma",
        lambda: L.BatchRenormalization(None, rmax=3, dmax=5),
        train=False,
    ),
    "DecorrelatedBatchNormalization": Case(
        lambda: L.DecorrelatedBatchNormalization(4, groups=2, eps=1e-2),
        (numbers(6, 4, 2),),
        "N avg_mean avg_projection",
    ),
    "LayerNormalization": Case(
        lambda: L.LayerNormalization(5, initial_gamma=2),
        (numbers(3, 5),),
        "beta gamma",
        lambda: L.LayerNormalization(initial_gamma=2),
    ),
    "GroupNormalization": Case(
        lambda: L.GroupNormalization(2, 4), (numbers(2, 4, 3),), "beta gamma", lambda: L.GroupNormalization(2)
    ),
    "Linear": Case(lambda: L.Linear(4, 3), (numbers(2, 4),), "W b", lambda: L.Linear(3)),
    "Convolution2D": Case(
        lambda: L.Convolution2D(4, 2, 3, groups=2),
        (numbers(2, 4, 4, 3),),
        "W b",
        lambda: L.Convolution2D(None, 2, 3, groups=2),
    ),
    "MLPConvolution2D": Case(
        lambda: L.MLPConvolution2D(2, (4, 3), 3, pad=1),
        (numbers(2, 2, 4, 3),),
        "0/W 0/b 1/W 1/b",
        lambda: L.MLPConvolution2D((4, 3), 3, pad=1),
    ),
    "Parameter": Case(
        lambda: L.Parameter(numbers(2, 3).astype(kusari.config.dtype)), (), "W", bad=lambda link: link(1, 2)
    ),
    "EmbedID": Case(
        lambda: L.EmbedID(5, 3, ignore_label=-1),
        (np.asarray([[1, 4, -1]]),),
        "W",
        bad=lambda link: link(numbers(3).astype("f")),
    ),
    "ConvolutionND": Case(
        lambda: L.ConvolutionND(2, 4, 2, (3, 2), 2, 1, cover_all=True, groups=2),
        (numbers(2, 4, 4, 3),),
        "W b",
        lambda: L.ConvolutionND(2, None, 2, (3, 2), 2, 1, cover_all=True, groups=2),
    ),
    "Convolution1D": Case(
        lambda: L.Convolution1D(2, 3, 3, nobias=True),
        (numbers(2, 2, 5),),
        "W",
        lambda: L.Convolution1D(3, 3, nobias=True),
    ),
    "Convolution3D": Case(
        lambda: L.Convolution3D(2, 3, 2), (numbers(1, 2, 3, 2, 3),), "W b", lambda: L.Convolution3D(None, 3, 2)
    ),
    "DeconvolutionND": Case(
        lambda: L.DeconvolutionND(2, 4, 2, 3, 2, 1, outsize=(6, 5), groups=2),
        (numbers(2, 4, 3, 3),),
        "W b",
        lambda: L.DeconvolutionND(2, None, 2, 3, 2, 1, outsize=(6, 5), groups=2),
    ),
    "Deconvolution1D": Case(
        lambda: L.Deconvolution1D(2, 3, 3, nobias=True),
        (numbers(2, 2, 5),),
        "W",
        lambda: L.Deconvolution1D(3, 3, nobias=True),
    ),
    "Deconvolution2D": Case(
        lambda: L.Deconvolution2D(2, 4, 3, 2, dilate=2, groups=2),
        (numbers(2, 2, 2, 3),),
        "W b",
        lambda: L.Deconvolution2D(None, 4, 3, 2, dilate=2, groups=2),
    ),
    "Deconvolution3D": Case(
        lambda: L.Deconvolution3D(2, 3, 2), (numbers(1, 2, 2, 2, 1),), "W b", lambda: L.Deconvolution3D(None, 3, 2)
    ),
    "DepthwiseConvolution2D": Case(
        lambda: L.DepthwiseConvolution2D(2, 3, 2, pad=1),
        (numbers(2, 2, 2, 3),),
        "W b",
        lambda: L.DepthwiseConvolution2D(None, 3, 2, pad=1),
    ),
    "DilatedConvolution2D": Case(
        lambda: L.DilatedConvolution2D(2, 3, 2, 1, 1, 2),
        (numbers(2, 2, 3, 3),),
        "W b",
        lambda: L.DilatedConvolution2D(3, 2, None, 1, 1, 2),
    ),
    "LSTM": Case(lambda: L.LSTM(3, 2), (numbers(4, 3),), "upward/W upward/b lateral/W", lambda: L.LSTM(2)),
    "StatelessLSTM": Case(
        lambda: L.StatelessLSTM(3, 2, forget_bias_init=2),
        (numbers(4, 2), numbers(4, 2), numbers(4, 3)),
        "upward/W upward/b lateral/W",
        lambda: L.StatelessLSTM(2, forget_bias_init=2),
    ),
    "GRU": Case(lambda: L.GRU(3, 2), (numbers(4, 3),), GRU_KEYS, lambda: L.GRU(None, 2), lambda link: link(1, 2)),
    "StatefulGRU": Case(lambda: L.StatefulGRU(3, 2), (numbers(4, 3),), GRU_KEYS, lambda: L.StatefulGRU(None, 2)),
    "StatelessGRU": Case(
        lambda: L.StatelessGRU(3, 2, bias_init=1),
        (numbers(4, 2), numbers(4, 3)),
        GRU_KEYS,
        lambda: L.StatelessGRU(None, 2, bias_init=1),
    ),
    "StatefulMGU": Case(lambda: L.StatefulMGU(3, 2), (numbers(4, 3),), "W_f/W W_f/b W_h/W W_h/b"),
    "StatelessMGU": Case(lambda: L.StatelessMGU(3, 2), (numbers(4, 2), numbers(4, 3)), "W_f/W W_f/b W_h/W W_h/b"),
    "StatefulPeepholeLSTM": Case(
        lambda: L.StatefulPeepholeLSTM(3, 2),
        (numbers(4, 3),),
        "upward/W upward/b lateral/W peep_i/W peep_f/W peep_o/W",
        lambda: L.StatefulPeepholeLSTM(None, 2),
    ),
    "StatefulZoneoutLSTM": Case(
        lambda: L.StatefulZoneoutLSTM(3, 2),
        (numbers(4, 3),),
        "upward/W upward/b lateral/W",
        lambda: L.StatefulZoneoutLSTM(None, 2),
        train=False,
    ),
    "ChildSumTreeLSTM": Case(
        lambda: L.ChildSumTreeLSTM(3, 2),
        (numbers(4, 2), numbers(4, 2, seed=1), numbers(4, 2), numbers(4, 2, seed=2), numbers(4, 3)),
        "W_x/W W_x/b W_h_aio/W W_h_f/W",
        lambda: L.ChildSumTreeLSTM(None, 2),
    ),
    "NaryTreeLSTM": Case(
        lambda: L.NaryTreeLSTM(3, 2, 2),
        (numbers(4, 2), numbers(4, 2, seed=1), numbers(4, 2), numbers(4, 2, seed=2), numbers(4, 3)),
        "W_x/W W_x/b W_h1/W W_h2/W",
        lambda: L.NaryTreeLSTM(None, 2),
        lambda link: link(None, None, numbers(4, 3)),
    ),
    **{name: n_step_case(name) for name in N_STEP},
    "Bias": Case(lambda: L.Bias(1, (3,)), (numbers(2, 3, 2),), "b"),
    "Bias given": Case(lambda: L.Bias(0), (numbers(2, 3), numbers(2)), "", bad=lambda link: link(numbers(2, 3))),
    "Scale": Case(lambda: L.Scale(1, (3,), bias_term=True), (numbers(2, 3, 2),), "W bias/b"),
    "PReLU": Case(lambda: L.PReLU((3,)), (numbers(2, 3, 2),), "W", bad=lambda link: link(numbers(2, 4).astype("f"))),
    "Swish": Case(lambda: L.Swish((3, 2), 2), (numbers(2, 3, 2),), "beta", lambda: L.Swish(None, 2)),
    "Maxout": Case(lambda: L.Maxout(3, 2, 4), (numbers(2, 3),), "linear/W linear/b", lambda: L.Maxout(None, 2, 4)),
    "Bilinear": Case(lambda: L.Bilinear(3, 4, 2), (numbers(5, 3), numbers(5, 4)), "W V1 V2 b"),
    "Bilinear without bias": Case(lambda: L.Bilinear(3, 4, 2, nobias=True), (numbers(5, 3), numbers(5, 4)), "W"),
    "Highway": Case(lambda: L.Highway(3, activate=F.tanh), (numbers(5, 3),), "plain/W plain/b transform/W transform/b"),
    "Inception": Case(
        lambda: L.Inception(2, 1, 2, 1, 2, 1, 2),
        (numbers(1, 2, 3, 3),),
        " ".join(f"{name}/{p}" for name in ("conv1", "proj3", "conv3", "proj5", "conv5", "projp") for p in "Wb"),
        lambda: L.Inception(None, 1, 2, 1, 2, 1, 2),
    ),
    "InceptionBN": Case(
        lambda: L.InceptionBN(2, 1, 2, 1, 2, 1, "avg", 2),
        (numbers(2, 2, 3, 3),),
        inception_keys("conv1", "proj3", "conv3", "proj33", "conv33a", "conv33b", "poolp"),
        lambda: L.InceptionBN(None, 1, 2, 1, 2, 1, "avg", 2),
    ),
    "InceptionBN with a stride": Case(
        lambda: L.InceptionBN(2, 0, 2, 1, 2, 1, "max", stride=2),
        (numbers(2, 2, 4, 4),),
        inception_keys("proj3", "conv3", "proj33", "conv33a", "conv33b"),
        lambda: L.InceptionBN(None, 0, 2, 1, 2, 1, "max", stride=2),
    ),
    "LocalConvolution2D": Case(
        lambda: L.LocalConvolution2D(2, 3, (3, 4), 2, (1, 2)),
        (numbers(2, 2, 3, 4),),
        "W b",
        lambda: L.LocalConvolution2D(None, 3, None, 2, (1, 2)),
    ),
    "DeformableConvolution2D": Case(
        lambda: L.DeformableConvolution2D(2, 3, 2, offset_initialW=0.01),
        (numbers(1, 2, 3, 3),),
        "offset_conv/W offset_conv/b deform_conv/W deform_conv/b",
        lambda: L.DeformableConvolution2D(None, 3, 2, offset_initialW=0.01),
    ),
    "SimplifiedDropconnect": Case(
        lambda: L.SimplifiedDropconnect(3, 2),
        (numbers(4, 3),),
        "W b",
        lambda: L.SimplifiedDropconnect(None, 2),
        draws=True,
    ),
    "NegativeSampling": Case(lambda: L.NegativeSampling(3, [5, 2, 1], 2), (numbers(4, 3), WORDS), "W"),
    "BlackOut": Case(lambda: L.BlackOut(3, [5, 2, 1], 2), (numbers(4, 3), WORDS), "W", draws=True),
    "CRF1d": Case(lambda: L.CRF1d(3), ([numbers(2, 3), numbers(1, 3)], [WORDS[:2], WORDS[:1]]), "cost"),
    "BinaryHierarchicalSoftmax": Case(lambda: L.BinaryHierarchicalSoftmax(3, ((0, 1), 2)), (numbers(4, 3), WORDS), "W"),
}
