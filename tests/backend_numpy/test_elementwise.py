"""Compiled expressions: equal to the portable definitions, in place where donated, and used where they should be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_numpy.arrays import FORMATS, compiled, in_format

from kusari.backend import Backend, get_backend, kernel
from kusari.backend.expression import evaluate, parameter_kinds, trace
from kusari.kernels import activation, loss, noise, update
from kusari.types import Array
from kusari_numpy import elementwise, loops
from kusari_numpy.elementwise import SMALLEST, FusedExpression, flattened
from kusari_numpy.syntax import plain_function
from kusari_numpy.threads import get_num_threads, set_num_threads

pytestmark = compiled

KERNELS = {
    name: value
    for module in (activation, loss, noise, update)
    for name, value in vars(module).items()
    if getattr(value, "elementwise", False) and value.__module__ == module.__name__
}
SLOW_IN_NUMBA = {
    "sigmoid", "tanh", "elu", "selu", "softplus", "softplus_grad", "swish", "swish_grad", "sigmoid_cross_entropy",
    "gaussian", "gumbel",
}  # fmt: skip


def fuse(name: str) -> FusedExpression:
    target = KERNELS[name]
    return FusedExpression(trace(target.portable, name, (), target.donates))


def operands(name: str, shape: tuple[int, ...], dtype: str, formats: list[str], special: bool = False) -> list[Any]:
    """Random operands, positive where a root is taken of them."""
    rng, kinds = np.random.default_rng(0), parameter_kinds(KERNELS[name].portable)
    arrays = [rng.standard_normal(shape).astype(dtype) for kind in kinds.values() if kind == "array"]
    if KERNELS[name].__module__ == update.__name__:
        arrays = [arrays[0], arrays[1], *(np.abs(array) + 1 for array in arrays[2:])]
    if special:
        for array in arrays:
            array[rng.random(shape) < 0.1] = np.nan
            array[rng.random(shape) < 0.1] = np.inf
            array[rng.random(shape) < 0.1] = 0
    arrays = [in_format(array, formats[place % len(formats)]) for place, array in enumerate(arrays)]
    return [*arrays, *(0.1 + 0.1 * place for place, kind in enumerate(kinds.values()) if kind == "scalar")]


def results(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(KERNELS)),
    dtype=st.sampled_from("fde"),
    shape=st.sampled_from([(5,), (1, 1), (3, 4, 5), (2, 3, 4, 5), (7, 1, 3), (0, 3)]),
    formats=st.one_of(st.sampled_from(FORMATS).map(lambda f: [f]), st.lists(st.sampled_from(FORMATS), min_size=2)),
    special=st.booleans(),
)
def test_every_kernel_equals_its_portable_definition_in_double(
    name: str, dtype: str, shape: tuple[int, ...], formats: list[str], special: bool
) -> None:
    given = operands(name, shape, dtype, formats, special)
    fused, backend = fuse(name), get_backend("numpy")
    before = [np.array(a) for a in given]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "SMALLEST", 0)
        found = results(fused(backend, *given))
    wide = [a.astype("d") if isinstance(a, np.ndarray) else a for a in before]
    wide = [float(a) if np.ndim(a) == 0 else a for a in wide]
    expected = results(KERNELS[name].portable(backend, *wide))
    own = results(KERNELS[name].portable(backend, *given))
    for a, b, c in zip(found, expected, own, strict=True):
        assert (a.dtype, a.shape) == (c.dtype, c.shape)
        if special or dtype == "e":  # where it overflows is a matter of dtype
            b = c
        tolerance = {"f": 2e-5, "d": 1e-12, "e": 2e-2}[dtype]
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(given, before, strict=True):  # they are read-only: nothing was written in place
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_which_are_compiled(name: str) -> None:
    for dtype in ("f", "d"):
        given = operands(name, (3,), dtype, ["dense"])
        assert (fuse(name).prepared(given) is None) is (name in SLOW_IN_NUMBA)
    assert (
        fuse(name).prepared(operands(name, (3,), "e", ["dense"])) is None
    )  # 16 bits: NumPy rounds after each operation


@pytest.mark.parametrize("name", ["dense", "channels last"])
def test_donated_arrays_are_written_in_place(name: str) -> None:
    backend, shape = get_backend("numpy"), (8, 16, 16, 17)
    p, g, m, v = (np.array(a, order="K") for a in operands("adam", shape, "f", [name])[:4])
    old = [a.astype("d") for a in (p, g, m, v)]
    made = update.adam(backend, p, g, m, v, 0.01, 0.9, 0.99, 1e-3, 0.5, 0.1)
    assert [a is b for a, b in zip(made, (p, m, v), strict=True)] == [True] * 3
    p0, g0, m0, v0 = old
    m0, v0 = 0.9 * m0 + 0.1 * g0, 0.99 * v0 + 0.01 * g0**2
    np.testing.assert_allclose(m, m0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(v, v0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(p, p0 - 0.5 * (0.01 * m0 / (np.sqrt(v0) + 1e-3) + 0.1 * p0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(g, old[1].astype("f"))


def test_large_arrays_keep_their_format_whatever_the_number_of_threads() -> None:
    backend, before = get_backend("numpy"), get_num_threads()
    y, gy = operands("relu_grad", (8, 32, 33, 31), "f", ["channels last"])
    made = []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            made.append(activation.relu_grad(backend, y, gy))
    finally:
        set_num_threads(before)
    for a in made:
        assert a.strides == y.strides
        np.testing.assert_array_equal(a, np.where(y > 0, gy, 0))


def test_what_a_loop_cannot_walk_over_goes_through_numpy() -> None:
    x, w = np.random.default_rng(0).standard_normal((4, 8, 40, 40)).astype("f"), np.full((8, 1, 1), 0.3, "f")
    backend = get_backend("numpy")
    expected = np.where(x >= 0, x, x * w)
    np.testing.assert_allclose(activation.prelu(backend, x, w), expected, rtol=1e-6)
    np.testing.assert_allclose(activation.prelu(backend, x[::-1], w), expected[::-1], rtol=1e-6)
    swapped = x.astype(x.dtype.newbyteorder())
    np.testing.assert_array_equal(activation.relu(backend, swapped), np.maximum(x, 0))
    last = in_format(x, "channels last")
    assert flattened([x, last]) is None
    assert flattened([x, x[:1]]) is None
    assert flattened([x[:, ::2]]) is None
    assert [np.shares_memory(last, view) for view in flattened([last, last]) or ()] == [True, True]
    with np.errstate(all="ignore"):
        assert activation.relu(backend, np.float32(-1)).shape == ()  # type: ignore[arg-type]


def test_rows_of_an_update_share_one_call() -> None:
    backend = get_backend("numpy")
    rng, sizes = np.random.default_rng(0), [(3,), (100, 100), (0, 5), (200, 300), (64,), (70, 70)]
    columns = [[rng.standard_normal(size).astype("f") for size in sizes] for _ in range(2)]
    columns.append([rng.random(size).astype("f") for size in sizes])
    scalars = [(0.1 * place, 0.9) for place in range(len(sizes))]
    expected = [
        update.momentum_sgd.portable(backend, *(np.array(a) for a in arrays), *numbers)
        for arrays, numbers in zip(zip(*columns, strict=True), scalars, strict=True)
    ]
    made = backend.foreach(update.momentum_sgd, columns, scalars)
    for row, (p, v) in enumerate(made):
        np.testing.assert_allclose(p, expected[row][0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(v, expected[row][1], rtol=1e-5, atol=1e-6)
    assert [p is old for (p, _), old in zip(made, columns[0], strict=True)] == [False, True, False, True, False, True]


def test_pieces_of_rows_of_all_lengths_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, before = get_backend("numpy"), get_num_threads()
    monkeypatch.setattr(elementwise, "SMALLEST", 0)
    monkeypatch.setattr(loops, "PIECE", 16)
    fused = FusedExpression(trace(update.sgd.portable, "sgd", (), update.sgd.donates))
    fused._smallest_sharing = 0
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            columns = [[np.arange(size, dtype="f") for size in (0, 5, 16, 0, 100, 33, 0)] for _ in range(2)]
            rows = [(p, g, 0.5 * place) for place, (p, g) in enumerate(zip(*columns, strict=True))]
            for place, (made,) in enumerate(fused.run_rows(backend, rows)):
                np.testing.assert_array_equal(made, np.arange(len(made)) * (1 - 0.5 * place))
    finally:
        set_num_threads(before)


def test_an_override_is_what_foreach_calls() -> None:
    @kernel(elementwise=True)
    def halfway(backend: Backend, p: Array, g: Array, share: float) -> tuple[Array]:
        return (p - share * g,)

    backend, target = get_backend("numpy"), halfway
    p, g = [np.ones(SMALLEST)], [np.ones(SMALLEST)]
    assert backend.foreach(target, [p, g], [(0.5,)])[0][0][0] == 0.5
    backend.implements(target)(lambda backend, p, g, share: (p * 0,))
    try:
        assert backend.foreach(target, [p, g], [(0.5,)])[0][0][0] == 0
    finally:
        del backend.overrides[target]
        backend.forget_choices()


def test_operation_by_operation_is_what_evaluate_gives() -> None:
    def odd(backend: Any, x: Any, y: Any, t: float) -> Any:
        xp = backend.xp
        up = xp.astype(x > 0, x.dtype) * t
        return xp.logical_xor(x > 0, y > 0), -up - xp.pow(abs(y), 1 - t), xp.where(~(y > 0), float("inf"), up)

    odd.__annotations__ = {"x": "Array", "y": "Array", "t": "float"}
    expression = trace(odd, "odd")
    x, y = np.random.default_rng(0).standard_normal((2, 9)).astype("f")
    for found, expected in zip(
        plain_function(expression)(np, x, y, 0.3), evaluate(expression, np, [x, y], [0.3]), strict=True
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


SCRIPT = """
import sys
import numpy as np
from kusari.backend import get_backend
from kusari.backend.expression import trace
from kusari.kernels.activation import relu
from kusari_numpy.elementwise import FusedExpression
fused = FusedExpression(trace(relu.portable, "relu"))
y = fused(get_backend("numpy"), np.linspace(-1, 1, 2**15, dtype="f"))
assert y[0] == 0 and y[-1] == 1
(typed,) = fused._typed.values()
print(sum(typed.loop((None,)).functions["take_rows"].stats.cache_hits.values()))
"""


@pytest.mark.processes
@pytest.mark.parametrize(("folder", "hits"), [(str, [0, 1]), (lambda path: f"{path}/file/below", [0, 0])])
def test_loops_are_kept_on_disk_or_else_compiled_again(
    tmp_path: Path, folder: Callable[[Path], str], hits: list[int]
) -> None:
    (tmp_path / "file").write_text("no folder")
    environment = {**os.environ, "KUSARI_CACHE": folder(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    for expected in hits:
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert int(run.stdout) == expected
