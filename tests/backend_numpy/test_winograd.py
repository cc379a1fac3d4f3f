"""Ways to share out Winograd's convolution: each as exact as the transforms allow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal

from kusari.backend import get_backend
from kusari.kernels.conv import ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution import winograd_gradient
from kusari_numpy.convolution.winograd import WinogradConvolution
from kusari_numpy.convolution.winograd_filters import BACK, THERE, windows_of
from kusari_numpy.convolution.winograd_gradient import (
    _gradient_by_channels,
    _gradient_by_lanes,
    _gradient_by_places,
    filter_gradient,
)
from kusari_numpy.convolution.winograd_sweep import Tiling, are_few, convolve, convolve_by_panels

pytestmark = pytest.mark.skipif(
    compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl"
)

Array = np.ndarray[Any, Any]


def arrays(c: int, o: int, window: int, size: tuple[int, int] = (7, 9)) -> tuple[Array, Array, Array, Array, Tiling]:
    """Images (N, H, W, C), filters, a bias, the gradient of y, and how y is cut, with half a window around images."""
    rng = np.random.default_rng(c)
    x, gy = (rng.standard_normal((3, *size, channels)).astype("f") for channels in (c, o))
    W = (rng.standard_normal((o, c, window, window)) / window / np.sqrt(c)).astype("f")
    return x, W, rng.standard_normal(o).astype("f"), gy, Tiling.of(window, size, (window // 2, window // 2))


def by_definition(x: Array, W: Array, b: Array) -> Array:
    """y (N, H, W, O) in float64."""
    y = np.zeros((*x.shape[:3], len(W)))
    for n, image in enumerate(x.astype("d")):
        for o, filters in enumerate(W.astype("d")):
            maps = [signal.correlate(image[..., c], tap, "same") for c, tap in enumerate(filters)]
            y[n, ..., o] = np.sum(maps, axis=0) + b[o]
    return y


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize(("c", "o"), [(17, 16), (16, 70), (40, 130)])
@pytest.mark.parametrize("direction", [THERE, BACK])
def test_strips_and_panels_against_scipy(direction: Any, c: int, o: int, window: int) -> None:
    x, W, b, _, tiling = arrays(c, o, window)
    given = W if direction is THERE else W.swapaxes(0, 1)[..., ::-1, ::-1]
    given = np.ascontiguousarray(given)
    expected = np.maximum(by_definition(x, W, b), 0)
    for y in (
        convolve(x, direction.transformed(given), (b, o), tiling, x.shape[1:3], True),
        convolve_by_panels(x, direction.windows(given), (b, o), tiling, x.shape[1:3], True),
    ):
        np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize(("c", "o"), [(64, 16), (17, 33), (130, 40)])
def test_gradients_by_channels_places_and_lanes_against_the_definition(c: int, o: int, window: int) -> None:
    x, W, _, gy, tiling = arrays(c, o, window)
    made = [_gradient_by_channels(x, gy, tiling, W.shape)]
    for by_outputs in (False, True):
        for transformed in (_gradient_by_places, _gradient_by_lanes):
            made.append(windows_of(transformed(x, gy, tiling, by_outputs), W.shape, by_outputs))
    edge = window // 2
    padded_x = np.pad(x.astype("d"), ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded_x, (window, window), (1, 2))
    expected = np.einsum("nijckl,nijo->ockl", seen, gy.astype("d"))
    for gW in made:
        np.testing.assert_allclose(gW, expected, atol=2e-5 * np.abs(expected).max())


def test_few_tiles_of_many_channels_are_shared_out_by_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert are_few(32, 512, 512)
    assert not are_few(32, 128, 128)  # all filters stay in cache
    assert not are_few(512, 512, 512)
    x, W, _, gy, tiling = arrays(160, 144, 3, (4, 4))
    monkeypatch.delattr(winograd_gradient, "_gradient_by_places")
    made = filter_gradient(x, gy, tiling, W.shape)  # 3 tiles
    np.testing.assert_array_equal(made, _gradient_by_channels(x, gy, tiling, W.shape))


def test_images_of_few_tiles_go_directly() -> None:
    window = Window((3, 3), (1, 1), (1, 1), (1, 1))
    for images, reason in ((3, "12 tiles, and the filters' transforms pay from 16"), (4, True)):
        x = (images, 16, 8, 8)
        assert WinogradConvolution.accepts(ConvolutionProblem(x, (16, 16, 3, 3), window, np.dtype("f"))) == reason
