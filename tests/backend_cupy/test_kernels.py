"""The plugin's own kernels and random numbers: their source, compiled for the host, against SciPy and formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import PREAMBLE, array, compiled, host_backend

from kusari.kernels import scatter, softmax
from kusari_cupy.backend import CupyBackend
from kusari_cupy.kernels.softmax import WARP
from kusari_cupy.random import PHILOX

HOST = host_backend()


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_softmax_is_scipys(axis: int, dtype: str, order: tuple[int, ...], one_lane: None) -> None:
    rng = np.random.default_rng(0)
    shape = (3, 4, 5)
    x, gy = (
        array(rng.normal(0, 30, [shape[a] for a in order]).astype(dtype).transpose(np.argsort(order))) for _ in "xg"
    )
    assert x.shape == shape
    y, log_y = softmax.softmax(HOST, x, axis), softmax.log_softmax(HOST, x, axis)
    wide, g = x.astype("d"), gy.astype("d")
    p = scipy.special.softmax(wide, axis)
    close = {"rtol": 2e-5 if dtype == "float32" else 1e-12, "atol": 1e-6 if dtype == "float32" else 1e-13}
    np.testing.assert_allclose(y, p, **close)
    np.testing.assert_allclose(log_y, scipy.special.log_softmax(wide, axis), **close)
    # The Jacobian of softmax is diag(p) − p pᵀ; that of its logarithm 1 − 1 pᵀ.
    along = np.moveaxis(p, axis, -1), np.moveaxis(g, axis, -1)
    jacobian = along[0][..., None] * np.eye(shape[axis]) - along[0][..., None] * along[0][..., None, :]
    expected = np.moveaxis(np.einsum("...ij,...j->...i", jacobian, along[1]), -1, axis)
    close["atol"] *= 100  # of sums of numbers of about 30
    np.testing.assert_allclose(softmax.softmax_grad(HOST, y, gy, axis), expected, **close)
    expected = g - p * g.sum(axis, keepdims=True)
    np.testing.assert_allclose(softmax.log_softmax_grad(HOST, log_y, gy, axis), expected, **close)
    for result in (y, log_y):
        assert result.dtype == x.dtype
        assert result.strides == x.strides


@pytest.fixture
def one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each row one thread: threads that exchange what they hold cannot run one after another."""
    monkeypatch.setattr("kusari_cupy.kernels.softmax.WARP", 1)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0], [1e30, -1e30], [-np.inf, -np.inf]])
def test_softmax_of_special_values_is_the_definitions(values: list[float], one_lane: None) -> None:
    x = np.array([values, [0.5, 0.25]], "f")
    with np.errstate(invalid="ignore", divide="ignore"):
        for kernel in (softmax.softmax, softmax.log_softmax):
            np.testing.assert_allclose(kernel(HOST, array(x), 1), kernel.portable(HOST, x, 1), rtol=1e-6)


def test_empty_softmax(one_lane: None) -> None:
    assert softmax.softmax(HOST, array(np.zeros((0, 3), "f")), 1).shape == (0, 3)


def test_a_row_has_a_warp_where_it_is_contiguous() -> None:
    launched: list[tuple[Any, str]] = []

    class Watched:
        def __init__(self, source: str, name: str) -> None:
            self.source = source

        def __call__(self, grid: Any, block: Any, arguments: Any) -> None:
            launched.append((grid[0] * block[0], self.source.partition("#define LANES ")[2].partition("\n")[0]))

    backend = host_backend()
    backend.cupy.RawKernel = Watched
    softmax.softmax(backend, array(np.zeros((700, 10), "f")), 1)
    softmax.softmax(backend, array(np.zeros((70, 10, 11), "f")), 1)
    (threads, lanes), (side_by_side, lone) = launched
    assert (lanes, lone) == (str(WARP), "1")
    assert threads >= 700 * WARP
    assert side_by_side >= 770


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_scatter_adds_what_a_loop_adds(data: st.DataObject) -> None:
    length, count = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 7))
    if length == 0:
        count = 0
    rest = tuple(data.draw(st.lists(st.integers(0, 3), max_size=2)))
    axis = data.draw(st.integers(0, len(rest)))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int32", "int64", "uint8"]))
    kind = data.draw(st.sampled_from(["int32", "int64", "uint8"]))
    index = np.array(data.draw(st.lists(st.integers(0, max(length - 1, 0)), min_size=count, max_size=count)), kind)
    values = np.random.default_rng(0).integers(0, 9, (count, *rest)).astype(dtype)
    expected = np.zeros((length, *rest), dtype)
    for place, row in zip(index, values, strict=True):
        expected[place] += row
    result = scatter.scatter_sum(HOST, array(np.moveaxis(values, 0, axis)), array(index), axis, length)
    assert HOST.explain(scatter.scatter_sum).chosen.override.source == "cupy"
    assert result.dtype == dtype
    np.testing.assert_array_equal(np.moveaxis(result, axis, 0), expected)


def test_long_runs_lose_no_digits() -> None:
    values = np.full(100_000, 0.1, "f")
    result = scatter.scatter_sum(HOST, array(values), array(np.zeros(100_000, "i")), 0, 2)
    np.testing.assert_allclose(result, [np.float64(np.float32(0.1)) * 100_000, 0], rtol=1e-7)


def test_an_index_of_few_bits_reaches_all_places() -> None:
    index = np.arange(256, dtype="uint8")
    result = scatter.scatter_sum(HOST, array(np.ones(256, "f")), array(index), 0, 256)
    np.testing.assert_array_equal(result, 1)


@pytest.mark.parametrize(
    ("key", "low", "high", "words"),
    [  # known answers of the generator's authors
        (0, 0, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (2**64 - 1, 2**64 - 1, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            *(0x299F31D0_A4093822, 0x85A308D3_243F6A88, 0x03707344_13198A2E),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_the_generator_gives_its_authors_answers(key: int, low: int, high: int, words: list[int]) -> None:
    import ctypes

    text = 'extern "C" void answer(unsigned long long k, unsigned long long l, unsigned long long h, unsigned int* out)'
    library = compiled(PREAMBLE + PHILOX + text + "{ for (int i = 0; i < 4; ++i) out[i] = philox(k, l, h).w[i]; }")
    out = np.zeros(4, np.uint32)
    library.answer(ctypes.c_uint64(key), ctypes.c_uint64(low), ctypes.c_uint64(high), ctypes.c_void_p(out.ctypes.data))
    assert out.tolist() == words


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_have_their_distributions(host: CupyBackend, dtype: str) -> None:
    source = host.random(0)
    count = 50_000
    even, normal = source.uniform((count,), dtype, -1, 3), source.normal((count,), dtype, 2, 0.5)
    assert even.dtype == normal.dtype == dtype
    assert scipy.stats.kstest(even.astype("d"), scipy.stats.uniform(-1, 4).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(normal.astype("d"), scipy.stats.norm(2, 0.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(even, normal)[0, 1]) < 5 / count**0.5
    assert abs(np.corrcoef(even[1:], even[:-1])[0, 1]) < 5 / count**0.5


def test_uniform_does_not_reach_its_end(host: CupyBackend) -> None:
    drawn = host.random(0).uniform((50_000,), "float32", 2**24, 2**24 + 4)  # float32 has the even numbers there
    assert set(drawn.tolist()) == {2**24, 2**24 + 2}


def test_integers_are_even(host: CupyBackend) -> None:
    drawn = host.random(0).integers((70_000,), -3, 4, "int64")
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == list(range(-3, 4))
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    with pytest.raises(ValueError, match="integers from 4 to 4 - 1: there is none"):
        host.random(0).integers((1,), 4, 4, "int64")


def test_streams_go_on_where_they_were(host: CupyBackend) -> None:
    source = host.random(2**64 - 1)
    source.uniform((3, 5), "float32")
    state = source.get_state()
    expected = source.normal((4,), "float64")
    other = host.random(None)
    other.set_state(state)
    np.testing.assert_array_equal(other.normal((4,), "float64"), expected)
    assert not np.array_equal(host.random(None).normal((4,), "float64"), host.random(None).normal((4,), "float64"))
    # One number after the other, however they are asked for.
    whole = host.random(1).uniform((6,), "float32")
    again = host.random(1)
    np.testing.assert_array_equal(
        np.concatenate([again.uniform((2,), "float32"), again.uniform((4,), "float32")]), whole
    )
