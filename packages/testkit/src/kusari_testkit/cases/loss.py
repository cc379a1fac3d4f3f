"""Losses but softmax cross entropy, CTC and CRF: elementwise kernels, and the functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import scipy.special
import scipy.stats
from scipy.spatial.distance import cdist

import kusari.functions.loss as F
from kusari.kernels import loss as kernels
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, integers, near, normal, repeated, small

SHAPES: Final = {
    "vector": (7,),
    "matrix": (5, 3),
    "image": (2, 3, 4, 5),
    "scalar": (),
    "empty": (0, 3),
    "long": (1031,),  # a prime: no block of a compiled loop divides it
}


def huber(d: HostArray, delta: float) -> HostArray:
    """The Huber loss by SciPy."""
    return np.asarray(scipy.special.huber(delta, d))


def sigmoid_cross_entropy(x: HostArray, t: HostArray) -> HostArray:
    """The logarithms of the two probabilities, each by SciPy."""
    loss = -np.where(t == 1, scipy.special.log_expit(x), scipy.special.log_expit(-x))
    return np.where(t == -1, 0.0, loss)


TARGETS: Final = integers(-1, 2)


def _kernel_cases(label: str, shape: Shape, x: Draw = normal, t: Draw = TARGETS) -> list[Case]:
    return [
        Case(target=kernels.huber, label=label, inputs=(Input(shape, x),), oracle=huber, arguments={"delta": 0.75}),
        Case(
            target=kernels.sigmoid_cross_entropy,
            label=label,
            inputs=(Input(shape, x), Input(shape, t)),
            oracle=sigmoid_cross_entropy,
        ),
    ]


KERNELS: Final[tuple[Case, ...]] = (
    *(case for label, shape in SHAPES.items() for case in _kernel_cases(label, shape)),
    *_kernel_cases("extreme", (6,), repeated(1000.0, -1000.0, 20.0, -20.0, 88.0, 0.0), repeated(1.0, 0.0, 0.0)),
    *_kernel_cases("nan-inf", (8,), repeated(np.nan, 1.0, np.inf, -np.inf), repeated(-1.0, 1.0, 0.0, 1.0, 0.0)),
)


# Functions. ---------------------------------------------------------------------------------------------------------


def _reduced(loss: HostArray, reduce: str) -> HostArray:
    """Return the sum, the mean over all elements, or the values."""
    return np.asarray({"no": loss, "sum": np.sum(loss), "mean": np.sum(loss) / max(loss.size, 1)}[reduce])


def _errors() -> list[FunctionCase]:
    formulas: dict[Any, Callable[[HostArray, HostArray], HostArray]] = {
        F.absolute_error: lambda x, y: np.maximum(x, y) - np.minimum(x, y),
        F.squared_error: lambda x, y: x * x - 2 * x * y + y * y,
        F.squared_difference: lambda x, y: x * x - 2 * x * y + y * y,
        F.mean_absolute_error: lambda x, y: np.asarray(np.sum(np.maximum(x, y) - np.minimum(x, y)) / x.size),
        F.mean_squared_error: lambda x, y: np.asarray(np.sum((x - y) ** 2) / x.size),
    }
    return [
        FunctionCase(target=function, label=label, inputs=(Input(shape), Input(shape)), oracle=oracle)
        for function, oracle in formulas.items()
        for label, shape in SHAPES.items()
        if not (label == "empty" and "mean" in function.__name__)
    ]


def _huber_loss(x: HostArray, t: HostArray, delta: float, reduce: str) -> HostArray:
    loss = huber(x - t, delta)
    return loss if reduce == "no" else np.sum(loss, axis=1)


def _huber() -> list[FunctionCase]:
    return [
        FunctionCase(
            target=F.huber_loss,
            label=f"{label}-{reduce}",
            inputs=(Input(shape), Input(shape)),
            oracle=_huber_loss,
            arguments={"delta": 0.75, "reduce": reduce},
        )
        for label, shape, reduce in (
            ("matrix", (4, 5), "sum_along_second_axis"),
            ("image", (2, 3, 2, 2), "sum_along_second_axis"),
            ("empty", (0, 3), "sum_along_second_axis"),
            ("vector", (6,), "no"),
            ("image", (2, 3, 2, 2), "no"),
        )
    ]


def _sigmoid_cross_entropy(x: HostArray, t: HostArray, normalize: bool, reduce: str) -> HostArray:
    loss = sigmoid_cross_entropy(x, t)
    if reduce == "no":
        return loss
    return np.asarray(np.sum(loss) / max(1, np.sum(t != -1) if normalize else x.shape[0]))


def _sigmoid() -> list[FunctionCase]:
    return [
        FunctionCase(
            target=F.sigmoid_cross_entropy,
            label=f"{label}-{reduce}-{'count' if normalize else 'batch'}",
            inputs=(Input(shape), Input(shape, draw, "int32")),
            oracle=_sigmoid_cross_entropy,
            arguments={"normalize": normalize, "reduce": reduce},
        )
        for label, shape, draw in (
            ("matrix", (4, 3), integers(-1, 2)),
            ("vector", (6,), integers(0, 2)),
            ("image", (2, 2, 3, 2), integers(-1, 2)),
            ("all-ignored", (2, 3), repeated(-1.0)),
            ("empty", (0, 3), integers(0, 2)),
        )
        for reduce in ("mean", "no")
        for normalize in (True, False)
    ]


def _hinge(x: HostArray, t: HostArray, norm: str, reduce: str) -> HostArray:
    loss = np.zeros(x.shape)
    for n, k in np.ndindex(x.shape):
        gap = max(0.0, float(1 - x[n, k] if t[n] == k else 1 + x[n, k]))
        loss[n, k] = gap**2 if norm == "L2" else gap
    return loss if reduce == "no" else np.asarray(np.sum(loss) / max(x.shape[0], 1))


def _contrastive(x0: HostArray, x1: HostArray, y: HostArray, margin: float, reduce: str) -> HostArray:
    d = np.asarray([np.linalg.norm(a - b) for a, b in zip(x0, x1, strict=True)]).reshape(len(x0))
    return _reduced(np.where(y == 1, d**2, np.maximum(margin - d, 0) ** 2) / 2, reduce)


def _triplet(a: HostArray, p: HostArray, n: HostArray, margin: float, reduce: str) -> HostArray:
    loss = np.maximum(np.linalg.norm(a - p, axis=1) ** 2 - np.linalg.norm(a - n, axis=1) ** 2 + margin, 0)
    return loss if reduce == "no" else np.asarray(np.sum(loss) / max(len(a), 1))


def _ranking() -> list[FunctionCase]:
    made = []
    for reduce, norm in itertools.product(("mean", "no"), ("L1", "L2")):
        for label, shape in {"matrix": (4, 3), "one-class": (3, 1), "empty": (0, 2)}.items():
            case = FunctionCase(
                target=F.hinge,
                label=f"{label}-{norm}-{reduce}",
                inputs=(Input(shape), Input(shape[:1], integers(0, shape[1]), "int32")),
                oracle=_hinge,
                arguments={"norm": norm, "reduce": reduce},
                avoid=near(1.0, -1.0),
            )
            made.append(case)
    for reduce, x in itertools.product(("mean", "no"), ((6, 3), (4, 1))):
        case = FunctionCase(
            target=F.contrastive,
            label=f"{x[1]}-units-{reduce}",
            inputs=(Input(x), Input(x), Input(x[:1], integers(0, 2), "int32")),
            oracle=_contrastive,
            arguments={"margin": 3.0, "reduce": reduce},
        )
        made.append(case)
    for reduce, a in itertools.product(("mean", "no"), ((6, 3), (3, 4, 2))):
        case = FunctionCase(
            target=F.triplet,
            label=f"{len(a)}-axes-{reduce}",
            inputs=(Input(a), Input(a), Input(a)),
            oracle=_triplet,
            arguments={"margin": 0.5, "reduce": reduce},
        )
        made.append(case)
    return made


def _covariance(y: HostArray, z: HostArray) -> HostArray:
    joint = np.cov(y, z, rowvar=False, bias=True)
    return joint[: y.shape[1], y.shape[1] :]


def _penalty(c: HostArray, reduce: str) -> HostArray:
    return c if reduce == "no" else np.asarray(np.linalg.norm(c) ** 2 / 2)


def _decov(h: HostArray, reduce: str) -> HostArray:
    c = _covariance(h, h)
    np.fill_diagonal(c, 0)
    return _penalty(c, reduce)


def _covariances() -> list[FunctionCase]:
    ways = ("half_squared_sum", "no")
    return [
        FunctionCase(
            target=F.cross_covariance,
            label=reduce,
            inputs=(Input((5, 3)), Input((5, 2))),
            oracle=lambda y, z, reduce: _penalty(_covariance(y, z), reduce),
            arguments={"reduce": reduce},
        )
        for reduce in ways
    ] + [
        FunctionCase(target=F.decov, label=way, inputs=(Input((5, 4)),), oracle=_decov, arguments={"reduce": way})
        for way in ways
    ]


def _likelihoods() -> list[FunctionCase]:
    def kl(mean: HostArray, ln_var: HostArray, reduce: str) -> HostArray:
        mean, std = np.broadcast_arrays(mean, np.exp(ln_var / 2))
        # KL(p ‖ q) = Σ p log(p / q), where log N(x | 0, 1) has the mean −(log 2π + μ² + σ²) / 2.
        cross = (np.log(2 * np.pi) + mean**2 + std**2) / 2
        return _reduced(cross - scipy.stats.norm.entropy(mean, std), reduce)

    def bernoulli(x: HostArray, y: HostArray, reduce: str) -> HostArray:
        return _reduced(-(x * scipy.special.log_expit(y) + (1 - x) * scipy.special.log_expit(-y)), reduce)

    def gaussian(x: HostArray, mean: HostArray, ln_var: HostArray, reduce: str) -> HostArray:
        return _reduced(-scipy.stats.norm.logpdf(x, mean, np.exp(ln_var / 2)), reduce)

    def case(function: Any, label: str, oracle: Any, *inputs: Input, reduce: str) -> FunctionCase:
        return FunctionCase(
            target=function, label=f"{label}-{reduce}", inputs=inputs, oracle=oracle, arguments={"reduce": reduce}
        )

    made = []
    for reduce in ("sum", "mean", "no"):
        for label, shape in {"matrix": (3, 4), "scalar": ()}.items():
            x = Input(shape)
            made += [
                case(F.gaussian_kl_divergence, label, kl, x, x, reduce=reduce),
                case(F.bernoulli_nll, label, bernoulli, Input(shape, small), x, reduce=reduce),
                case(F.gaussian_nll, label, gaussian, x, x, x, reduce=reduce),
            ]
    row, matrix = Input((1, 4)), Input((3, 4))
    return [
        *made,
        case(F.gaussian_kl_divergence, "broadcast", kl, matrix, row, reduce="no"),
        case(F.bernoulli_nll, "broadcast", bernoulli, matrix, row, reduce="sum"),
        case(F.gaussian_nll, "broadcast", gaussian, matrix, row, row, reduce="mean"),
    ]


def negative_sampling(x: Any, t: Any, W: Any, samples: Any, reduce: str) -> Any:
    """Call `F.negative_sampling` with words that were drawn before."""
    drawn = samples.array
    return F.negative_sampling(x, t, W, lambda shape: drawn, drawn.shape[1] - 1, reduce)


def _negative_sampling(x: HostArray, t: HostArray, W: HostArray, samples: HostArray, reduce: str) -> HostArray:
    loss = np.zeros(len(x))
    for n, word in enumerate(t):
        if word != -1:
            loss[n] = -scipy.special.log_expit(x[n] @ W[word])
            loss[n] -= np.sum([scipy.special.log_expit(-x[n] @ W[other]) for other in samples[n, 1:]])
    return _reduced(loss, reduce)


def _black_out(x: HostArray, t: HostArray, W: HostArray, samples: HostArray, reduce: str) -> HostArray:
    loss = np.zeros(len(x))
    for n, word in enumerate(t):
        p = scipy.special.softmax([x[n] @ W[one] for one in (word, *samples[n])])
        loss[n] = -np.log(p[0]) - sum(np.log(np.sum(np.delete(p, s))) for s in range(1, len(p)))
    return _reduced(loss, reduce)


def _sampled() -> list[FunctionCase]:
    made = []
    for x, words, samples in (((4, 3), 6, 5), ((1, 2), 3, 1)):
        t, W, drawn = x[:1], Input((words, x[1])), integers(0, words)
        inputs = (Input(x), Input(t, integers(-1, words), "int32"), W, Input((*t, 1 + samples), drawn, "int32"))
        made += [
            FunctionCase(
                target=negative_sampling,
                label=f"{x[0]}-rows-{reduce}",
                inputs=inputs,
                oracle=_negative_sampling,
                arguments={"reduce": reduce},
            )
            for reduce in ("sum", "no")
        ]
        inputs = (Input(x), Input(t, drawn, "int32"), W, Input((*t, samples), drawn, "int32"))
        made += [
            FunctionCase(
                target=F.black_out,
                label=f"{x[0]}-rows-{reduce}",
                inputs=inputs,
                oracle=_black_out,
                arguments={"reduce": reduce},
            )
            for reduce in ("mean", "no")
        ]
    return made


def _discriminative(embeddings: HostArray, labels: HostArray, *, norm: int, **arguments: Any) -> Any:
    """De Brabandere's three terms, instance by instance."""
    delta_v, delta_d, k = (arguments[name] for name in ("delta_v", "delta_d", "max_embedding_dim"))
    metric = "cityblock" if norm == 1 else "euclidean"
    variance = distance = regularization = 0.0
    for x, found in zip(embeddings, labels, strict=True):
        centre = np.zeros((k, k))
        for one in range(k):
            pixels = x[:, found == one + 1].T
            if len(pixels):
                centre[one] = np.mean(pixels, axis=0)
                away = cdist(pixels, centre[one : one + 1], metric)
                variance += np.mean(np.maximum(away - delta_v, 0) ** 2) / k
        apart = np.maximum(2 * delta_d - cdist(centre, centre, metric), 0) ** 2
        np.fill_diagonal(apart, 0)
        distance += np.sum(apart) / max(k * (k - 1), 1)
        regularization += np.sum(np.linalg.norm(centre, norm, axis=1)) / k
    terms = (variance * arguments["alpha"], distance * arguments["beta"], regularization * arguments["gamma"])
    return tuple(np.asarray(term / len(embeddings)) for term in terms)


def _clusters() -> list[FunctionCase]:
    def case(label: str, x: Shape, draw: Draw, norm: int) -> FunctionCase:
        arguments = {"delta_v": 0.1, "delta_d": 1.5, "max_embedding_dim": x[1], "norm": norm}
        return FunctionCase(
            target=F.discriminative_margin_based_clustering_loss,
            label=f"{label}-norm-{norm}",
            inputs=(Input(x), Input((x[0], *x[2:]), draw, "int32")),
            oracle=_discriminative,
            arguments={**arguments, "alpha": 2.0, "beta": 0.5, "gamma": 0.25},
        )

    return [
        case(label, x, draw, norm)
        for norm in (1, 2)
        for label, x, draw in (
            ("images", (2, 3, 3, 4), integers(0, 5)),
            ("one-instance", (2, 1, 3, 2), integers(0, 2)),
            ("full", (1, 2, 4, 3), integers(1, 3)),
        )
    ]


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *_errors(),
    *_huber(),
    *_sigmoid(),
    *_ranking(),
    *_covariances(),
    *_likelihoods(),
    *_sampled(),
    *_clusters(),
)
