"""The backend ``numpy``: host arrays, portable kernels, and the overrides in ``kernels/``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.backend import Backend, Kernel
from kusari.backend.expression import Expression

if TYPE_CHECKING:
    from kusari_numpy.elementwise import FusedExpression

KERNEL_MODULES: Final = ("conv", "linear", "n_step_rnn", "norm", "pooling", "rnn", "scatter", "softmax")
"""Modules of ``kusari_numpy.kernels`` with a ``register(backend)``; each mirrors core's module of that name."""


class NumpyBackend(Backend):
    """NumPy: elementwise kernels over large arrays are one loop, or go in pieces, and updates share the threads."""

    def __init__(self) -> None:
        super().__init__("numpy", np, (np.ndarray,), contract=1)
        self._expressions: dict[Expression, FusedExpression] = {}

    def compile_elementwise(self, expression: Expression) -> Callable[..., Any]:
        """Return the expression as one function, ``(backend, *arrays, *scalars)``."""
        from kusari_numpy.elementwise import FusedExpression

        found = self._expressions.get(expression)
        if found is None:
            found = self._expressions[expression] = FusedExpression(expression)
        return found

    def foreach(
        self,
        kernel: Kernel[..., Any],
        columns: Sequence[Sequence[Any]],
        scalar_rows: Sequence[Sequence[float]],
    ) -> list[tuple[Any, ...]]:
        """Run one elementwise kernel over many rows of arrays, in pieces that all threads share."""
        fused: FusedExpression | None = self.compiled_update(kernel)
        if fused is None:
            return super().foreach(kernel, columns, scalar_rows)
        rows = zip(zip(*columns, strict=True), scalar_rows, strict=True)
        return fused.run_rows(self, [(*arrays, *scalars) for arrays, scalars in rows])


def open_backend() -> Backend:
    """Return the backend, with its overrides registered."""
    backend = NumpyBackend()
    for name in KERNEL_MODULES:
        importlib.import_module(f"kusari_numpy.kernels.{name}").register(backend)
    return backend
