"""What an elementwise kernel may not do, and what the message says about it."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import pytest

from kusari.backend.expression import NotElementwise, parameter_kinds, trace

Array: TypeAlias = Any  # a trace reads the annotations as text
Backend: TypeAlias = Any

REFUSED: dict[str, tuple[Any, str]] = {
    "a branch": (lambda xp, x, a: x if x > 0 else -x, "a branch on a value .* use xp.where"),
    "max()": (lambda xp, x, a: max(x, 0), "min, max"),
    "a chained comparison": (lambda xp, x, a: 0 < x < 1, "a chained comparison"),
    "a branch on a scalar": (lambda xp, x, a: x if a > 0 else -x, r"annotate the parameter as static \(bool, int, str"),
    "a branch on a dtype": (lambda xp, x, a: x if x.dtype == xp.float32 else -x, "a branch on a dtype"),
    "a reduction": (lambda xp, x, a: x - xp.mean(x), "xp.mean is a reduction"),
    "a shape function": (lambda xp, x, a: xp.reshape(x, (-1,)), "xp.reshape changes shapes"),
    "a creation function": (lambda xp, x, a: xp.where(x > 0, x, xp.zeros_like(x)), "write the Python number itself"),
    "an unknown function": (lambda xp, x, a: xp.softmax(x), "xp.softmax is not elementwise, or not known; .*sqrt"),
    "a shape": (lambda xp, x, a: x / x.shape[0], ".shape: .* does not know shapes; pass the number"),
    "a size": (lambda xp, x, a: x / x.size, ".size: an elementwise kernel does not know shapes"),
    "a method": (lambda xp, x, a: x.sum(), ".sum of a value: .* functions are in xp"),
    "an index": (lambda xp, x, a: x[0], "an index, a loop or len"),
    "a store": (lambda xp, x, a: x.__setitem__(x > 0, 1), "an index, a loop or len"),
    "a loop": (lambda xp, x, a: sum(x), "an index, a loop or len"),
    "math": (lambda xp, x, a: x * math.sqrt(a), r"math\.\*\): use the function of that name of xp"),
    "float()": (lambda xp, x, a: float(x), r"float\(\), int\(\)"),
    "round()": (lambda xp, x, a: round(x), "turned into a Python number"),
    "np ufunc": (lambda xp, x, a: np.exp(x), "np.exp in an elementwise kernel: use xp.exp"),
    "np function": (lambda xp, x, a: np.sum(x), "np.sum in an elementwise kernel"),
    "np.asarray": (lambda xp, x, a: np.asarray(x), "turned into a NumPy array"),
    "NumPy scalar": (lambda xp, x, a: x * np.float32(2), "numpy.float32 .* only Python scalars are weak"),
    "NumPy scalar first": (lambda xp, x, a: np.float64(2) * x, "numpy.float64 .* only Python scalars are weak"),
    "NumPy array": (lambda xp, x, a: np.ones(3) + x, "numpy.ndarray .* as an operand"),
    "complex": (lambda xp, x, a: x * 1j, "builtins.complex"),
    "float literal": (lambda xp, x, a: xp.maximum(x, 0.0), "literal 0.0: write 0, which has no dtype of its own"),
    "float literal operator": (lambda xp, x, a: 2.0 * x, "literal 2.0: write 2"),
    "scalars alone": (lambda xp, x, a: x * xp.sqrt(a), "xp.sqrt of Python scalars alone: compute it before the call"),
    "scalar condition": (lambda xp, x, a: xp.where(a > 0, x, -x), "depends on no array: make it a static bool"),
    "scalar branches": (lambda xp, x, a: xp.where(x > 0, 1, a), "xp.where of Python scalars alone"),
    "~ of a scalar": (lambda xp, x, a: xp.where(~(a > 0), x, -x), "~ of a Python scalar"),
    "dtype of a scalar": (lambda xp, x, a: xp.astype(x, a.dtype), ".dtype of a Python scalar"),
    "dtype as text": (lambda xp, x, a: xp.astype(x, "float32"), "xp.astype to 'float32': expected x.dtype"),
    "dtype object": (lambda xp, x, a: xp.astype(x, np.dtype(object)), "expected x.dtype, xp.float32"),
    "floor division": (lambda xp, x, a: x // 2, "write xp.floor"),
    "matrix product": (lambda xp, x, a: x @ x, "an operator other than"),
    "operands": (lambda xp, x, a: xp.exp(x, x), "xp.exp takes 1 positional operands"),
    "keywords": (lambda xp, x, a: xp.add(x, x, out=x), "xp.add takes 2 positional operands"),
    "no array returned": (lambda xp, x, a: 1, "returns 1: expected an array computed from its arguments"),
    "None returned": (lambda xp, x, a: None, "returns None"),
    "list returned": (lambda xp, x, a: [x], "expected an array computed from its arguments"),
    "empty tuple": (lambda xp, x, a: (), r"returns \(\)"),
    "scalar returned": (lambda xp, x, a: 1 - a, "returns a value that depends on no array"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_fused_loop_cannot_do_is_refused(case: str) -> None:
    body, message = REFUSED[case]

    def kernel(backend: Backend, x: Array, a: float) -> Any:
        return body(backend.xp, x, a)

    with pytest.raises(NotElementwise, match=message):
        trace(kernel, "kernel")


def test_in_place_operators_are_refused() -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        x += 1
        return x

    with pytest.raises(NotElementwise, match="write y = y \\+ x, which changes no argument"):
        trace(kernel, "kernel")


def test_other_attributes_of_the_backend_are_refused() -> None:
    def kernel(backend: Any, x: Array) -> Array:
        backend.synchronize()
        return x

    with pytest.raises(NotElementwise, match=r"backend\.synchronize: .* backend.xp and elementwise kernels only"):
        trace(kernel, "kernel")


def test_signatures_that_no_loop_can_have_are_refused() -> None:
    def optional(backend: Backend, x: Array, b: Array | None) -> Array: ...
    def several(backend: Backend, xs: tuple[Array, ...]) -> Array: ...
    def bare(backend, x) -> Array: ...  # type: ignore[no-untyped-def]
    def starred(backend: Backend, *xs: Array) -> Array: ...

    for kernel in (optional, several):
        with pytest.raises(NotElementwise, match="takes each array always and by itself"):
            parameter_kinds(kernel)
    with pytest.raises(NotElementwise, match="x has no annotation"):
        parameter_kinds(bare)
    with pytest.raises(NotElementwise, match="plain parameters"):
        parameter_kinds(starred)
