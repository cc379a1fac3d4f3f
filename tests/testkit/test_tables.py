"""The tables: every kernel has cases, names are unique, and the oracles agree with what others say."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import Backend, find_kernel, kernel_names
from kusari_testkit.cases import FUNCTIONS, KERNELS, Case
from kusari_testkit.cases.conv import Geometry
from kusari_testkit.cases.pooling import Pool
from kusari_testkit.cases.window import starts
from kusari_testkit.comparison import difference
from kusari_testkit.layout import FORMATS, is_dense, place


def test_every_kernel_has_cases() -> None:
    covered = {getattr(case.target, "covers", case.target) for case in KERNELS}
    own = [name for name in kernel_names() if find_kernel(name).__module__.startswith("kusari.kernels.")]
    missing = [name for name in own if find_kernel(name) not in covered]
    assert not missing, f"no case in kusari_testkit.cases for {', '.join(missing)}"


@pytest.mark.parametrize("table", [KERNELS, FUNCTIONS], ids=["kernels", "functions"])
def test_names_are_unique(table: tuple[Case, ...]) -> None:
    twice = [name for name, count in collections.Counter(map(str, table)).items() if count > 1]
    assert not twice
    assert not any(" #" in str(case) for case in table)  # which begins the reason in an xfails file


def test_the_small_kit_has_every_kernel() -> None:
    assert {case.name for case in KERNELS if case.quick} == {case.name for case in KERNELS}


def test_examples_repeat_and_differ_by_salt() -> None:
    case = KERNELS[0]
    first, again, other = case.draw("float32"), case.draw("float32"), case.draw("float32", salt=1)
    np.testing.assert_array_equal(np.asarray(first[0]), np.asarray(again[0]))
    assert not np.array_equal(np.asarray(first[0]), np.asarray(other[0]))


def test_the_oracle_of_convolution_agrees_with_scipy() -> None:
    geometry = Geometry("", (2, 3, 7, 6), (4, 3, 3, 2))
    generator = np.random.default_rng(0)
    x, W = generator.standard_normal(geometry.x), generator.standard_normal(geometry.W)
    expected = [
        [sum(scipy.signal.correlate2d(x[n, c], W[o, c], "valid") for c in range(3)) for o in range(4)] for n in range(2)
    ]
    np.testing.assert_allclose(geometry.forward(x, W), expected, atol=1e-12)


def test_the_oracle_of_a_strided_dilated_convolution_agrees_with_scipy() -> None:
    geometry = Geometry("", (1, 1, 9, 10), (1, 1, 3, 2), stride=(2, 3), pad=(1, 2), dilate=(2, 1))
    generator = np.random.default_rng(1)
    x, W = generator.standard_normal(geometry.x), generator.standard_normal(geometry.W)
    wide = np.zeros((5, 2))
    wide[::2] = W[0, 0]
    image = np.pad(x[0, 0], ((1, 1), (2, 2)))
    np.testing.assert_allclose(
        geometry.forward(x, W)[0, 0], scipy.signal.correlate2d(image, wide, "valid")[::2, ::3], atol=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_oracles_of_gradients_are_adjoint_to_forward(data: st.DataObject) -> None:
    # ⟨x ⋆ W, gy⟩ = ⟨x, grad_input⟩ = ⟨W, grad_weight⟩: what makes a gradient of a bilinear map.
    axes = data.draw(st.integers(1, 3))
    groups, c, o, n = (data.draw(st.integers(1, 2)) for _ in range(4))
    size, stride, dilate = (tuple(data.draw(st.integers(1, 3)) for _ in range(axes)) for _ in range(3))
    pad = tuple(data.draw(st.integers(0, 2)) for _ in range(axes))
    spatial = [d * (k - 1) + 1 + data.draw(st.integers(0, 2)) for k, d in zip(size, dilate, strict=True)]
    geometry = Geometry(
        "",
        (n, groups * c, *spatial),
        (groups * o, c, *size),
        stride,
        pad,
        dilate,
        groups,
        bias=False,
        cover_all=data.draw(st.booleans()),
    )
    generator = np.random.default_rng(2)
    x, W, gy = (generator.standard_normal(shape) for shape in (geometry.x, geometry.W, geometry.y))
    inner = np.sum(geometry.forward(x, W) * gy)
    np.testing.assert_allclose(np.sum(x * geometry.grad_input(W, gy)), inner, atol=1e-9)
    np.testing.assert_allclose(np.sum(W * geometry.grad_weight(x, gy)), inner, atol=1e-9)


def test_the_oracles_of_pooling_are_adjoint() -> None:
    pool = Pool("", (2, 3, 7, 6), (3, 2), (2, 1), pad=(1, 0), cover_all=True)
    generator = np.random.default_rng(3)
    x, gy = generator.standard_normal(pool.x), generator.standard_normal(pool.y)
    for border in (True, False):
        inner = np.sum(pool.average(x, border) * gy)
        np.testing.assert_allclose(np.sum(x * pool.average_grad(gy, border)), inner, atol=1e-10)
    y, where = pool.maximum(x)
    np.testing.assert_array_equal(pool.gathered(where, x), y)
    np.testing.assert_allclose(np.sum(x * pool.maximum_grad(where, gy)), np.sum(y * gy), atol=1e-10)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.booleans())
def test_windows_lie_where_they_should(length: int, size: int, stride: int, pad: int, dilate: int, all_: bool) -> None:
    reach = dilate * (size - 1) + 1
    if length + 2 * pad < reach:
        return
    found = starts(length, size, stride, pad, dilate, all_)
    assert found[0] == -pad
    assert all(b - a == stride for a, b in itertools.pairwise(found))
    room = length + 2 * pad - reach
    assert len(found) == (-(-room // stride) if all_ else room // stride) + 1


@pytest.mark.parametrize("memory_format", ["dense", "read-only", *FORMATS])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4, 5), (0, 3, 2), (1, 1)], ids=str)
def test_formats_hold_the_same_numbers(backend: Backend, memory_format: str, shape: tuple[int, ...]) -> None:
    from kusari.backend import Device

    host = np.random.default_rng(0).standard_normal(shape)
    for array in place([host, None, host, host], Device(backend), memory_format):
        if array is not None:
            np.testing.assert_array_equal(backend.to_host(array), host)


def test_formats_are_what_they_are_called() -> None:
    from kusari.backend import get_device

    host, device = np.zeros((2, 3, 4, 5)), get_device("numpy")
    strides = {name: place([host], device, name)[0].strides for name in ("dense", *FORMATS[:3])}
    assert strides["dense"] == host.strides
    assert strides["transposed"] == (480, 8, 120, 24)
    assert not is_dense(host.shape, strides["strided"], 8)
    assert strides["reversed"][0] == -host.strides[0]
    assert not place([host], device, "read-only")[0].flags.writeable


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, np.inf], [1.0, np.inf], True),
        ([1.0, np.inf], [1.0, -np.inf], False),
        ([1.0, 2.0], [1.0, np.nan], False),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([1.0, 1e9], [1.0, np.inf], False),
        ([1.0 + 2e-5, 1.0], [1.0, 1.0], False),
        ([1.0 + 5e-6, 1.0], [1.0, 1.0], True),
        ([], [], True),
    ],
)
def test_differences_are_seen(actual: list[float], expected: list[float], same: Any) -> None:
    assert (difference(np.asarray(actual), np.asarray(expected), 1e-5) is None) is same
