"""Initializers: formulas, moments, shapes, dtypes, where the draws come from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import kusari.initializers as I
from kusari.backend import Backend, Device, seed
from kusari.configuration import using_config
from kusari.dtypes import mixed16

SHAPE = (120, 40, 3, 3)
FAN_IN, FAN_OUT = 40 * 9, 120 * 9


def filled(initializer: Any, shape: Any = SHAPE, dtype: str = "float64") -> np.ndarray[Any, Any]:
    array = np.full(shape, 7.0, dtype)
    assert initializer(array) is None
    return array


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed(0)


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (I.Normal(), 0.05),
        (I.Normal(2.0), 2.0),
        (I.LeCunNormal(), math.sqrt(1 / FAN_IN)),
        (I.LeCunNormal(scale=3.0), 3 * math.sqrt(1 / FAN_IN)),
        (I.GlorotNormal(), math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (I.HeNormal(), math.sqrt(2 / FAN_IN)),
        (I.HeNormal(fan_option="fan_out"), math.sqrt(2 / FAN_OUT)),
    ],
)
def test_normal_draws_have_the_moments_of_their_formula(initializer: Any, deviation: float) -> None:
    drawn = filled(initializer) / deviation
    n = drawn.size
    # Each bound is five standard errors of the sample moment.
    assert abs(drawn.mean()) < 5 / math.sqrt(n)
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((drawn**4).mean() - 3) < 5 * math.sqrt(96 / n)


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (I.Uniform(), 0.05),
        (I.Uniform(2.0), 2.0),
        (I.LeCunUniform(), math.sqrt(3 / FAN_IN)),
        (I.GlorotUniform(), math.sqrt(6 / (FAN_IN + FAN_OUT))),
        (I.HeUniform(), math.sqrt(6 / FAN_IN)),
        (I.HeUniform(scale=0.5), 0.5 * math.sqrt(6 / FAN_IN)),
    ],
)
def test_uniform_draws_have_the_moments_of_their_formula(initializer: Any, bound: float) -> None:
    drawn = filled(initializer) / bound
    n = drawn.size
    assert abs(drawn).max() <= 1
    assert drawn.max() > 0.999
    assert drawn.min() < -0.999
    assert abs(drawn.mean()) < 5 * math.sqrt(1 / 3 / n)
    assert abs(drawn.var() - 1 / 3) < 5 * math.sqrt(4 / 45 / n)


@pytest.mark.parametrize(
    "initializer",
    [I.LeCunNormal(), I.GlorotNormal(), I.HeNormal(), I.LeCunUniform(), I.GlorotUniform(), I.HeUniform()],
)
def test_fans_need_two_axes(initializer: Any) -> None:
    with pytest.raises(ValueError, match="two axes"):
        filled(initializer, (5,))
    assert filled(initializer, (4, 0)).shape == (4, 0)


def test_an_unknown_fan_option_is_refused() -> None:
    with pytest.raises(ValueError, match="fan_in"):
        I.HeNormal(fan_option="fan")


@given(hnp.array_shapes(min_dims=2, max_dims=5, min_side=0, max_side=6))
def test_fans_are_the_sizes_of_rows_and_columns(shape: tuple[int, ...]) -> None:
    weight = np.zeros(shape)
    fan_in, fan_out = I.get_fans(shape)
    assert fan_in * shape[0] == weight.size
    assert fan_out * shape[1] == weight.size


@pytest.mark.parametrize("kind", [I.Normal, I.LeCunNormal, I.HeNormal, I.Uniform, I.GlorotUniform, I.Orthogonal])
def test_draws_come_from_the_seeded_stream_or_from_a_given_one(kind: Any) -> None:
    first = filled(kind(), (3, 4))
    second = filled(kind(), (3, 4))
    seed(0)
    assert (filled(kind(), (3, 4)) == first).all()
    assert (first != second).any()
    given_one, same_again = (filled(kind(rng=np.random.default_rng(7)), (3, 4)) for _ in range(2))
    assert (given_one == same_again).all()
    assert (filled(kind(), (3, 4)) == second).all()
    with pytest.raises(TypeError, match=r"unknown keyword.*seed"):
        kind(seed=1)


def test_old_random_states_will_do_as_stream() -> None:
    state = np.random.RandomState(0)
    assert filled(I.Normal(1.0, rng=state), (3,)) == pytest.approx([1.764052, 0.400157, 0.978738], abs=1e-6)


@pytest.mark.parametrize(("initializer", "value"), [(I.Zero(), 0.0), (I.One(), 1.0), (I.Constant(2.5), 2.5)])
def test_constants(initializer: Any, value: float) -> None:
    assert (filled(initializer) == value).all()


def test_nan_marks_floats_and_lowers_integers() -> None:
    assert np.isnan(filled(I.NaN())).all()
    assert filled(I.NaN(), (2,), "int8").tolist() == [-128, -128]
    assert filled(I.NaN(), (2,), "bool").tolist() == [False, False]
    assert np.isnan(filled(I.NaN(), (2,), "complex64")).all()


def test_constant_takes_arrays_of_any_backend_that_broadcast(backend: Backend) -> None:
    row = backend.from_host(np.arange(3.0))
    assert filled(I.Constant(row), (2, 3)).tolist() == [[0, 1, 2], [0, 1, 2]]
    with pytest.raises(ValueError, match=r"shape \(3,\) does not broadcast to \(2, 2\)"):
        filled(I.Constant(row), (2, 2))


@pytest.mark.parametrize("value", [[1, 2], "x", None])
def test_constant_refuses_what_is_neither_number_nor_array(value: Any) -> None:
    with pytest.raises(ValueError, match="number or an array"):
        I.Constant(value)


def test_identity_is_square() -> None:
    assert (filled(I.Identity(2.0), (3, 3)) == 2 * np.eye(3)).all()
    for shape in [(3, 4), (3,), (3, 3, 3)]:
        with pytest.raises(ValueError, match="square"):
            filled(I.Identity(), shape)


@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5), st.floats(0.1, 3.0), st.integers(0, 2**32 - 1))
def test_orthogonal_rows_or_columns(shape: tuple[int, ...], scale: float, number: int) -> None:
    matrix = filled(I.Orthogonal(scale, rng=np.random.default_rng(number)), shape).reshape(shape[0], -1)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, scale**2 * np.eye(len(small)), atol=1e-12 * scale**2 + 1e-13)


def test_orthogonal_signs_are_drawn_evenly() -> None:
    # QR alone would fix the sign: Q of a 1×1 matrix would always be the same.
    signs = [filled(I.Orthogonal(1.0), (1, 1)).item() for _ in range(400)]
    assert set(np.round(signs, 12)) == {-1.0, 1.0}
    assert abs(sum(signs)) < 5 * math.sqrt(400)


@pytest.mark.parametrize(
    ("mode", "fits", "does_not"),
    [("projection", (3, 5), (5, 3)), ("embedding", (5, 3), (3, 5)), ("basis", (3, 3), (3, 5))],
)
def test_orthogonal_modes_insist_on_a_shape(mode: str, fits: tuple[int, ...], does_not: tuple[int, ...]) -> None:
    filled(I.Orthogonal(mode=mode), fits)
    with pytest.raises(ValueError, match="needs O"):
        filled(I.Orthogonal(mode=mode), does_not)


def test_orthogonal_refuses_unknown_modes_and_empty_arrays() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        I.Orthogonal(mode="other")
    for shape in [(0, 3), ()]:
        with pytest.raises(ValueError, match="at least one"):
            filled(I.Orthogonal(), shape)


def test_upsampling_interpolates_linearly() -> None:
    assert filled(I.UpsamplingDeconvFilter(), (1, 1, 3, 3))[0, 0].tolist() == [
        [0.25, 0.5, 0.25],
        [0.5, 1.0, 0.5],
        [0.25, 0.5, 0.25],
    ]
    # Twofold, stride 2: every output is a mean of neighbours whose weights add up to 1.
    weights = filled(I.UpsamplingDeconvFilter(), (1, 1, 4))[0, 0]
    assert (weights[0::2].sum(), weights[1::2].sum()) == (1.0, 1.0)


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3))
def test_downsampling_takes_means(ksize: int, ndim: int, channels: int) -> None:
    array = filled(I.DownsamplingConvFilter(), (channels, channels, *[ksize] * ndim))
    sums = array.reshape(channels, channels, -1).sum(axis=2)
    np.testing.assert_allclose(sums, np.eye(channels), atol=1e-12)
    np.testing.assert_array_equal(array, np.flip(array, axis=-1))


def test_sampling_filters_fill_every_channel_of_a_depthwise_weight() -> None:
    array = filled(I.UpsamplingDeconvFilter(), (3, 1, 2, 2))
    assert (array == 0.25).all()


@pytest.mark.parametrize("kind", [I.UpsamplingDeconvFilter, I.DownsamplingConvFilter])
def test_sampling_filters_refuse_what_is_no_window(kind: Any) -> None:
    for shape in [(3, 3), (3, 3, 2, 3)]:
        with pytest.raises(ValueError, match=r"\(O, I, k"):
            filled(kind(), shape)
    with pytest.raises(ValueError, match="as many inputs as outputs"):
        filled(kind(), (1, 2, 3, 3))
    with pytest.raises(ValueError, match="linear"):
        kind("nearest")


@pytest.mark.parametrize(
    "initializer", [I.Normal(dtype="float64"), I.Uniform(dtype="float64"), I.Constant(1, "float64")]
)
def test_an_array_of_another_dtype_is_refused(initializer: Any) -> None:
    assert initializer.dtype == "float64"
    with pytest.raises(ValueError, match="float32"):
        filled(initializer, (2,), "float32")


def test_generate_array_makes_what_the_initializer_asks_for() -> None:
    assert I.generate_array(I.Normal(), (2,), np).dtype == np.float32
    assert I.generate_array(I.Normal(dtype="float64"), (2,), np).dtype == np.float64
    assert I.generate_array(I.Normal(), (2,), np, dtype="float16").dtype == np.float16
    with using_config("dtype", mixed16):
        assert I.generate_array(I.Normal(), (2,), np).dtype == np.float16
    with pytest.raises(ValueError, match="float64"):
        I.generate_array(I.Normal(dtype="float64"), (2,), np, dtype="float32")


def test_generate_array_makes_it_where_the_module_or_the_device_says(backend: Backend) -> None:
    array = I.generate_array(I.One(), (2,), backend.xp)
    assert isinstance(array, backend.array_types)
    assert backend.to_host(array).tolist() == [1, 1]
    assert isinstance(I.generate_array(I.One(), (2,), np, device=Device(backend)), backend.array_types)
    with pytest.raises(ValueError, match="no backend in use"):
        I.generate_array(I.One(), (2,), math)


def test_get_initializer_says_what_an_argument_means() -> None:
    assert isinstance(I.get_initializer(None), I.LeCunNormal)
    assert isinstance(I.get_initializer(None, I.Zero), I.Zero)
    assert I.get_initializer(3).fill_value == 3
    assert isinstance(I.get_initializer(np.ones(2)), I.Constant)
    own = I.HeNormal()
    assert I.get_initializer(own) is own
    with pytest.raises(TypeError, match="in place"):
        I.get_initializer([1.0])


def test_a_base_class_without_call_says_so() -> None:
    with pytest.raises(NotImplementedError, match="__call__"):
        I.Initializer()(np.zeros(2))


def test_bfloat16_arrays_are_filled() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 on the host needs ml_dtypes")
    array = np.zeros((64, 64), ml_dtypes.bfloat16)
    I.LeCunNormal()(array)
    assert float(array.astype("f").std()) == pytest.approx(1 / 8, rel=0.1)
