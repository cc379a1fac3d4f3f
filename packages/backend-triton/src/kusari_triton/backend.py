"""The backend ``triton-interpret``, and why ``triton`` or it cannot be opened here."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from kusari.backend import Backend, Kernel, get_backend
from kusari.backend.expression import Expression, parameter_kinds, trace
from kusari.dtypes import DTypeLike, host_dtype
from kusari.errors import BackendUnavailable
from kusari_triton.interpreter import INTERPRET, requested

if TYPE_CHECKING:
    from kusari_triton.elementwise import FusedExpression
    from kusari_triton.launch import Launch

KERNEL_MODULES: Final = ("conv",)
"""Modules of ``kusari_triton.kernels`` with a ``register(backend)``; each mirrors core's module of that name."""

_OLDEST: Final = (3, 6)
_BEFORE: Final = (3, 10)


class TritonBackend(Backend):
    """Kernels in Triton over the arrays of a base backend.

    Args:
        name: ``triton`` or ``triton-interpret``.
        base: Whose arrays and other kernels it inherits.
        run: What to do with a `Launch`.
        interpreted: Blocks are chosen for the interpreter: few and large.
    """

    def __init__(self, name: str, base: Backend, run: Callable[[Launch], None], *, interpreted: bool) -> None:
        super().__init__(name, base.xp, base=base, contract=1)
        self.run = run
        self.interpreted = interpreted
        self._expressions: dict[Expression, FusedExpression] = {}

    def compile_elementwise(self, expression: Expression) -> Callable[..., Any]:
        """Return the expression as one fused kernel, ``(backend, *arrays, *scalars)``."""
        return self._fused(expression)

    def foreach(
        self,
        kernel: Kernel[..., Any],
        columns: Sequence[Sequence[Any]],
        scalar_rows: Sequence[Sequence[float]],
    ) -> list[tuple[Any, ...]]:
        """Run one elementwise kernel over many rows of arrays, in one launch per set of dtypes."""
        static = "static" in parameter_kinds(kernel.portable).values()
        if static or not kernel.elementwise or self.explain(kernel).chosen.override.source != "compiled":
            return super().foreach(kernel, columns, scalar_rows)
        from kusari_triton.foreach import run_rows

        fused = self._fused(trace(kernel.portable, kernel.__name__, (), kernel.donates))
        return run_rows(fused, self, list(zip(zip(*columns, strict=True), scalar_rows, strict=True)))

    def _fused(self, expression: Expression) -> FusedExpression:
        from kusari_triton.elementwise import FusedExpression

        found = self._expressions.get(expression)
        if found is None:
            found = self._expressions[expression] = FusedExpression(expression, self.run, self.interpreted)
        return found


class InterpretedBackend(TritonBackend):
    """NumPy's arrays, Triton's kernels, run by Triton's interpreter: the kernels' numbers without a GPU."""

    @property
    def dtypes(self) -> frozenset[str]:
        """The base's, and bfloat16 where the package ml_dtypes is there: kernels have it on a GPU."""
        try:
            host_dtype("bfloat16")
        except TypeError:
            return super().dtypes
        return super().dtypes | {"bfloat16"}

    def native_dtype(self, dtype: DTypeLike) -> Any:
        host = host_dtype(dtype)
        return host if host.name == "bfloat16" else super().native_dtype(host)


def triton_backend(backend: Backend) -> TritonBackend:
    """Return the backend whose kernels these are: the calling one, or one that it builds on."""
    return next(link for link in backend.chain if isinstance(link, TritonBackend))


def open_interpreter() -> Backend:
    """Return the backend ``triton-interpret``.

    Raises:
        BackendUnavailable: Triton is missing or of another version, or the environment does not ask for it.
    """
    _require_triton("triton-interpret")
    if not requested():
        raise BackendUnavailable(
            f"backend 'triton-interpret' runs where {INTERPRET}=1 was set before Python started; "
            "on a machine with a GPU use 'triton', without one 'numpy' is faster"
        )
    from kusari_triton.launch import interpret

    backend = InterpretedBackend("triton-interpret", get_backend("numpy"), interpret, interpreted=True)
    _register_kernels(backend)
    return backend


def open_triton() -> Backend:
    """Say why the backend ``triton`` cannot be opened.

    Raises:
        BackendUnavailable: Always, in this version: kernels are interpreted and compiled, not yet launched on a GPU.
    """
    _require_triton("triton")
    if requested():
        raise BackendUnavailable(
            f"backend 'triton' compiles its kernels, but {INTERPRET} is set; unset it, or use 'triton-interpret'"
        )
    get_backend("cupy")  # raises, with its reason, where there is no CuPy or no GPU
    raise BackendUnavailable(
        "backend 'triton': this version compiles its kernels for GPUs (python -m kusari_triton.compile_check) but does "
        f"not launch them yet; use 'cupy', or 'triton-interpret' with {INTERPRET}=1"
    )


def _register_kernels(backend: TritonBackend) -> None:
    for name in KERNEL_MODULES:
        importlib.import_module(f"kusari_triton.kernels.{name}").register(backend)


def _require_triton(name: str) -> None:
    try:
        version = importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        raise BackendUnavailable(f"backend {name!r} needs Triton: pip install 'triton>=3.6,<3.10' (Linux)") from None
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if not _OLDEST <= numbers < _BEFORE:
        raise BackendUnavailable(
            f"backend {name!r} needs Triton 3.6 to 3.9, found {version}: pip install 'triton>=3.6,<3.10'"
        )
