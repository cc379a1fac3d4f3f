"""The functions of normalization: of batches, layers and groups, to unit length, by whitening, across channels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import scipy.linalg

import kusari.functions as F
from kusari.kernels.activation import RELU, TANH
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.cases.norm import LOOSE, NORMS, QUICK, RESPONSE, Norm, sum_of_neighbours
from kusari_testkit.draw import HostArray, positive


def local_response(x: HostArray, n: int, k: float, alpha: float, beta: float) -> HostArray:
    """Return x over the power of its neighbours' squares."""
    return np.asarray(x / (k + alpha * sum_of_neighbours(x * x, n // 2)) ** beta)


def _batch_functions() -> list[FunctionCase]:
    made = []
    for one in NORMS:
        if one.parameter_axes is not None or one.label in ("empty", "one-number"):
            continue
        x, gamma, beta = Input(one.x), Input(one.gamma, positive), Input(one.gamma)
        arguments = {
            "axis": one.axes,
            "eps": one.eps,
            "activation": {RELU: F.relu, TANH: F.tanh}.get(one.activation) if one.activation else None,
        }
        made += [
            FunctionCase(
                target=F.batch_normalization,
                label=one.label,
                inputs=(x, gamma, beta),
                oracle=one.forward,
                arguments=arguments,
                tolerance=LOOSE,
                quick=one.label in QUICK,
            ),
            FunctionCase(
                target=F.fixed_batch_normalization,
                label=one.label,
                inputs=(x, gamma, beta, Input(one.gamma), Input(one.gamma, positive)),
                oracle=one.fixed,
                arguments=arguments,
                tolerance=LOOSE,
                quick=one.label in QUICK,
            ),
        ]
    return made


def renormalized(x: Any, gamma: Any, beta: Any, mean: Any, var: Any, rmax: float, dmax: float) -> Any:
    """Call `F.batch_renormalization`."""
    return F.batch_renormalization(x, gamma, beta, rmax, dmax, running_mean=mean, running_var=var)


def _renormalize(
    x: HostArray, gamma: HostArray, beta: HostArray, mean: HostArray, var: HostArray, rmax: float, dmax: float
) -> HostArray:
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        m, s = np.mean(x[:, c]), np.sqrt(np.var(x[:, c]) + 2e-5)
        running = np.sqrt(var[c] + 2e-5)
        r, d = np.clip(s / running, 1 / rmax, rmax), np.clip((m - mean[c]) / running, -dmax, dmax)
        y[:, c] = gamma[c] * ((x[:, c] - m) / s * r + d) + beta[c]
    return y


def grouped(x: Any, gamma: Any, beta: Any, groups: int) -> Any:
    """Call `F.group_normalization`."""
    return F.group_normalization(x, groups, gamma, beta)


def _in_groups(x: HostArray, gamma: HostArray, beta: HostArray, groups: int) -> HostArray:
    y = np.zeros(x.shape)
    for n in range(x.shape[0]):
        for part in np.split(np.arange(x.shape[1]), groups):
            seen = x[n, part]
            y[n, part] = (seen - np.mean(seen)) / np.sqrt(np.var(seen) + 1e-5)
    shape = (1, -1, *(1 for _ in x.shape[2:]))
    return y * gamma.reshape(shape) + beta.reshape(shape)


def _whiten(x: HostArray, groups: int, eps: float = 2e-5) -> HostArray:
    """Whiten by SciPy's matrix power of the covariance."""
    parts = []
    for part in np.split(np.moveaxis(x, 1, 0), groups):
        z = part.reshape(part.shape[0], -1)
        projection = scipy.linalg.inv(scipy.linalg.sqrtm(np.cov(z, bias=True) + eps * np.eye(len(z))))
        parts.append((np.real(projection) @ (z - z.mean(axis=1, keepdims=True))).reshape(part.shape))
    return np.moveaxis(np.concatenate(parts), 0, 1)


def _project(x: HostArray, mean: HostArray, projection: HostArray, groups: int) -> HostArray:
    y = np.zeros(x.shape)
    size = x.shape[1] // groups
    for g in range(groups):
        for i in range(size):
            for j in range(size):
                y[:, g * size + i] += projection[g, i, j] * (x[:, g * size + j] - mean[g, j])
    return y


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *_batch_functions(),
    FunctionCase(
        target=renormalized,
        label="corrected",
        inputs=(Input((5, 3, 2)), Input((3,), positive), Input((3,)), Input((3,)), Input((3,), positive)),
        oracle=_renormalize,
        arguments={"rmax": 1.0, "dmax": 0.0},
        constants=(3, 4),
        tolerance=LOOSE,
    ),
    FunctionCase(
        target=F.layer_normalization,
        label="matrix",
        inputs=(Input((4, 6)), Input((6,), positive), Input((6,))),
        oracle=Norm("", (4, 6), (1,), (1,), eps=1e-5).forward,
        tolerance=LOOSE,
    ),
    *(
        FunctionCase(
            target=grouped,
            label=label,
            inputs=(Input(shape), Input((shape[1],), positive), Input((shape[1],))),
            oracle=_in_groups,
            arguments={"groups": groups},
            tolerance=LOOSE,
        )
        for label, shape, groups in (
            ("images", (2, 6, 2, 3), 3),
            ("one-group", (2, 4, 3), 1),
            ("matrix", (3, 6), 2),
            ("no-batch", (0, 4, 2), 2),
        )
        if shape[0]
    ),
    *(
        FunctionCase(
            target=F.normalize,
            label=label,
            inputs=(Input(shape),),
            oracle=lambda x, axis: x / (np.linalg.norm(x, axis=axis, keepdims=True) + 1e-5),
            arguments={"axis": axis},
        )
        for label, shape, axis in (
            ("matrix", (4, 3), 1),
            ("image", (2, 3, 2, 2), 1),
            ("two-axes", (2, 3, 4), (2, 1)),
            ("vector", (5,), 0),
        )
    ),
    *(
        FunctionCase(
            target=F.local_response_normalization,
            label=f"n-{n}",
            inputs=(Input((2, 7, 2)),),
            oracle=local_response,
            arguments={"n": n, **RESPONSE},
        )
        for n in (5, 4, 1)
    ),
    *(
        FunctionCase(
            target=F.decorrelated_batch_normalization,
            label=label,
            inputs=(Input(shape),),
            oracle=_whiten,
            arguments={"groups": groups},
            tolerance=LOOSE,
        )
        for label, shape, groups in (("images", (4, 6, 3, 2), 2), ("matrix", (9, 3), 1), ("alone", (6, 3), 3))
    ),
    FunctionCase(
        target=F.fixed_decorrelated_batch_normalization,
        label="images",
        inputs=(Input((2, 6, 2, 2)), Input((3, 2)), Input((3, 2, 2))),
        oracle=_project,
        arguments={"groups": 3},
        tolerance=LOOSE,
    ),
)
