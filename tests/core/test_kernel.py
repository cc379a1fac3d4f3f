"""Kernels: dispatch through the calling backend, names, signatures, host references."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, find_kernel, get_backend, kernel, kernel_names
from kusari.errors import SignatureMismatch, UnknownKernel
from kusari.kernels import activation
from kusari.types import Array


def example(name: str = "example", **more: Any) -> Backend:
    """Return a backend of this test alone, over NumPy."""
    return Backend(name, np, (np.ndarray,), **more)


@kernel
def scaled(backend: Backend, x: Array, factor: float = 2.0, *, offset: float = 0.0) -> Array:
    """factor · x + offset."""
    return x * factor + offset


@kernel
def scaled_twice(backend: Backend, x: Array) -> Array:
    """4x, through `scaled`."""
    return scaled(backend, scaled(backend, x))


@kernel(host=True)
def sorted_pair(backend: Backend, x: Array, where: Array) -> tuple[Array, Array]:
    """x in order, and which element of ``where`` came along."""
    assert isinstance(x, np.ndarray)
    order = np.argsort(x)
    return x[order], where[order]


def test_a_kernel_has_its_definitions_signature_and_defaults() -> None:
    assert inspect.signature(scaled) == inspect.signature(scaled.portable)
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "factor · x + offset."
    x = np.asarray([1.0, 2.0])
    np.testing.assert_array_equal(scaled(example(), x), [2.0, 4.0])
    np.testing.assert_array_equal(scaled(example(), x, 3.0), [3.0, 6.0])
    np.testing.assert_array_equal(scaled(example(), x, factor=3.0, offset=1.0), [4.0, 7.0])


def test_an_override_is_reached_by_name_by_keyword_and_from_inside_another_kernel() -> None:
    backend, calls = example(), []

    @backend.implements(scaled)
    def counted(backend: Backend, x: Array, factor: float = 2.0, *, offset: float = 0.0) -> Array:
        calls.append((factor, offset))
        return x * factor + offset

    np.testing.assert_array_equal(scaled_twice(backend, np.asarray([1.0])), [4.0])
    scaled(backend, np.asarray([1.0]), offset=5.0)
    assert calls == [(2.0, 0.0), (2.0, 0.0), (2.0, 5.0)]
    scaled(example(), np.asarray([1.0]))  # another backend has none of it
    assert len(calls) == 3


def test_the_latest_override_is_asked_first() -> None:
    backend = example()

    @backend.implements(activation.relu)
    def first(backend: Backend, x: Array) -> Array:
        return x * 0 + 1

    assert activation.relu(backend, np.zeros(1))[0] == 1

    @backend.implements(activation.relu)
    def second(backend: Backend, x: Array) -> Array:
        return x * 0 + 2

    assert activation.relu(backend, np.zeros(1))[0] == 2


def test_bases_kernels_are_inherited_and_an_override_on_the_base_reaches_what_is_built_on_it() -> None:
    base = example("base")
    top = example("top", base=base)
    x = np.asarray([-1.0, 1.0])
    np.testing.assert_array_equal(activation.relu(top, x), [0, 1])  # chosen now, to be chosen anew below

    @base.implements(activation.relu)
    def from_base(backend: Backend, x: Array) -> Array:
        return x * 0 + len(backend.name)

    np.testing.assert_array_equal(activation.relu(top, x), [3, 3])  # "top": the caller is handed on, not the base
    np.testing.assert_array_equal(activation.relu(base, x), [4, 4])
    assert top.explain(activation.relu).chosen.override.source == "base"


def test_available_is_asked_once_and_its_reason_is_shown() -> None:
    backend, asked = example(), []

    def available(backend: Backend) -> bool | str:
        asked.append(backend.name)
        return "needs another processor"

    @backend.implements(activation.relu, available=available)
    def fast(backend: Backend, x: Array) -> Array:
        raise AssertionError("not available")

    for _ in range(3):
        np.testing.assert_array_equal(activation.relu(backend, np.asarray([-1.0])), [0])
        text = str(backend.explain(activation.relu))
    assert asked == ["example"]
    assert "no: needs another processor" in text
    assert "CHOSEN" in text
    assert "test_kernel.py:" in text
    assert "activation.py:" in text


def test_a_verdict_of_false_has_a_reason_too() -> None:
    backend = example()

    @backend.implements(activation.relu, available=lambda backend: False)
    def fast(backend: Backend, x: Array) -> Array:
        raise AssertionError("not available")

    first, *_ = backend.explain(activation.relu).verdicts
    assert first.reason == "available() said no and gave no reason"


def no_scale(backend: Backend, x: Array, *, offset: float = 0.0) -> Array:
    return x


def renamed(backend: Backend, x: Array, by: float = 2.0, *, offset: float = 0.0) -> Array:
    return x


def other_default(backend: Backend, x: Array, factor: float = 3.0, *, offset: float = 0.0) -> Array:
    return x


def positional(backend: Backend, x: Array, factor: float = 2.0, offset: float = 0.0) -> Array:
    return x


def no_backend(x: Array, factor: float = 2.0, *, offset: float = 0.0) -> Array:
    return x


@pytest.mark.parametrize("wrong", [no_scale, renamed, other_default, positional, no_backend])
def test_a_wrong_signature_is_refused_with_both(wrong: Any) -> None:
    backend = example()
    with pytest.raises(SignatureMismatch) as caught:
        backend.implements(scaled)(wrong)
    text = str(caught.value)
    assert wrong.__name__ in text
    assert "(backend, x, factor=2.0, *, offset=0.0)" in text  # what is expected
    assert str(inspect.signature(wrong)).partition(" ->")[0].split(":")[0] in text  # what was given
    assert "give it the same parameters" in text
    assert scaled not in backend.overrides


def test_what_is_no_kernel_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match=r"is not a kernel; import one from kusari\.kernels"):
        example().implements(np.maximum)(np.maximum)  # type: ignore[call-overload]


def test_a_kernel_needs_named_parameters_and_a_backend() -> None:
    with pytest.raises(SignatureMismatch, match="named parameters"):

        @kernel
        def starred(backend: Backend, *arrays: Array) -> Array:
            return arrays[0]

    with pytest.raises(SignatureMismatch, match="the calling backend as the first one"):

        @kernel  # type: ignore[arg-type]
        def nothing() -> None: ...


def test_names() -> None:
    assert find_kernel("relu") is activation.relu
    assert {"relu", "Convolution", "adam"} <= set(kernel_names())
    # A third party's kernels go by their package's name too, so that two of them may share a name.
    assert scaled.key.endswith(":scaled")
    assert find_kernel(scaled.key) is scaled


def test_a_host_kernel_runs_on_host_arrays_wherever_it_is_called(backend: Backend) -> None:
    x = backend.from_host(np.asarray([3.0, 1.0, 2.0]))
    where = backend.from_host(np.asarray([0, 1, 2], dtype="int32"))
    values, places = sorted_pair(backend, x, where=where)
    assert isinstance(values, backend.array_types)
    assert isinstance(places, backend.array_types)
    np.testing.assert_array_equal(backend.to_host(values), [1, 2, 3])
    np.testing.assert_array_equal(backend.to_host(places), [1, 2, 0])
    assert backend.host_dtype(places.dtype) == np.int32
    expected = "portable" if backend.on_host else "host"
    assert backend.explain(sorted_pair).chosen.override.source == expected


def test_a_host_kernel_returns_to_the_device_that_its_arrays_came_from(strict: Backend) -> None:
    values, _ = sorted_pair(strict, strict.from_host(np.ones(2), 1), strict.from_host(np.ones(2), 1))
    assert strict.index_of(values) == 1


def test_an_elementwise_kernel_is_compiled_where_the_backend_can() -> None:
    compiled = []

    class Compiling(Backend):
        def compile_elementwise(self, expression: Any) -> Any:
            compiled.append(expression.name)
            return lambda backend, x: backend.xp.maximum(x, 0) + 100

    backend = Compiling("compiling", np, (np.ndarray,))
    for _ in range(2):
        np.testing.assert_array_equal(activation.relu(backend, np.asarray([-1.0, 1.0])), [100, 101])
    assert compiled == ["relu"]
    assert backend.explain(activation.relu).chosen.override.source == "compiled"


def test_portable_kernels_agree_between_backends(strict: Backend) -> None:
    x = np.linspace(-3, 3, 7)
    for one in (activation.relu, activation.sigmoid, activation.tanh):
        on_host = np.asarray(one(get_backend("numpy"), x))
        np.testing.assert_allclose(strict.to_host(one(strict, strict.from_host(x))), on_host, rtol=1e-15)
    sigmoid = np.asarray(activation.sigmoid(get_backend("numpy"), x))
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-x)), rtol=1e-14)


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(UnknownKernel, match=r"no kernel is called 'reluu'; did you mean .*\brelu\b"):
        find_kernel("reluu")
