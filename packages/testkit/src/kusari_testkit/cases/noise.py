"""Noise injections, with the random numbers given: kernels and functions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels import noise as kernels
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, repeated, small

DRAWN: Final = repeated(0.0, 0.9, 0.25, 0.3, 0.2, 0.99, 0.5)
MASK: Final = repeated(2.0, 0.0, 2.0, 0.0, 0.0)
SHAPES: Final = {"vector": (7,), "image": (2, 3, 4, 2), "scalar": (), "empty": (0, 3)}


def _dropout(x: HostArray, drawn: HostArray, ratio: float) -> tuple[HostArray, HostArray]:
    mask = np.where(drawn < ratio, 0.0, 1 / (1 - ratio))
    return x * mask, mask


def _gaussian(mean: HostArray, ln_var: HostArray, eps: HostArray) -> HostArray:
    return np.asarray(mean + eps * np.sqrt(np.exp(ln_var)))


def _connect(x: HostArray, W: HostArray, *rest: HostArray, **_: Any) -> HostArray:
    """Return the affine map with the mask last in ``rest`` and a bias before it, row by row; half is dropped."""
    *bias, mask = rest
    rows = np.broadcast_to(mask, (x.shape[0], *W.shape))
    y = np.stack([(W * 2 * row) @ one for row, one in zip(rows, x.reshape(x.shape[0], -1), strict=True)])
    return y + bias[0] if bias else y


def dropout(x: Any, mask: Any) -> Any:
    """Call `F.dropout` with a mask given."""
    return F.dropout(x, mask=mask)


def gaussian(mean: Any, ln_var: Any, eps: Any) -> Any:
    """Call `F.gaussian` with ε given."""
    return F.gaussian(mean, ln_var, eps=eps)


def simplified_dropconnect(x: Any, W: Any, *rest: Any) -> Any:
    """Call `F.simplified_dropconnect` with a mask given, after a bias or none."""
    *bias, mask = rest
    return F.simplified_dropconnect(x, W, bias[0] if bias else None, ratio=0.5, mask=mask)


KERNELS: Final[tuple[Case, ...]] = (
    *(
        Case(
            target=kernels.dropout,
            label=label,
            inputs=(Input(shape), Input(shape, DRAWN, "float32")),
            oracle=_dropout,
            arguments={"ratio": 0.25},
        )
        for label, shape in SHAPES.items()
    ),
    *(
        Case(
            target=kernels.zoneout,
            label=label,
            inputs=(Input(shape), Input(shape), Input(shape, DRAWN, "float32")),
            oracle=lambda h, x, drawn, ratio: np.where(drawn < ratio, h, x),
            arguments={"ratio": 0.25},
        )
        for label, shape in SHAPES.items()
    ),
    *(
        Case(target=kernels.gaussian, label=label, inputs=(Input(shape),) * 3, oracle=_gaussian)
        for label, shape in SHAPES.items()
    ),
    Case(
        target=kernels.gumbel,
        label="drawn",
        inputs=(Input((8,), repeated(0.5, 0.25, 0.75, 0.0625)),),
        oracle=lambda u: -np.log(np.log(1 / u)),
    ),
)
FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(
        FunctionCase(
            target=dropout,
            label=label,
            inputs=(Input(shape), Input(shape, MASK)),
            oracle=lambda x, mask: x * mask,
            constants=(1,),
        )
        for label, shape in SHAPES.items()
    ),
    *(
        FunctionCase(target=gaussian, label=label, inputs=(Input(shape),) * 3, oracle=_gaussian, constants=(2,))
        for label, shape in SHAPES.items()
    ),
    *(
        FunctionCase(
            target=simplified_dropconnect,
            label=label,
            inputs=(*(Input(shape, small) for shape in shapes), Input(mask, repeated(1.0, 0.0, 1.0), kind)),
            oracle=_connect,
            constants=(len(shapes),),
        )
        for label, shapes, mask, kind in (
            ("each-row", ((3, 4), (2, 4)), (3, 2, 4), None),
            ("all-rows", ((3, 4), (2, 4)), (2, 4), None),
            ("bias", ((3, 4), (2, 4), (2,)), (3, 2, 4), None),
            ("image", ((2, 2, 3), (4, 6), (4,)), (4, 6), "bool"),
        )
    ),
)
