"""What poolings do beside their numbers: sizes, ways back, regions of interest in odd places, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType, SynchronizationError
from kusari.kernels import roi as kernels
from kusari.kernels.window import get_conv_outsize

Host = np.ndarray[Any, Any]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(2, 3, 6, 5))
ROIS = np.asarray([[1.0, 1.0, 6.0, 4.0], [0.0, 2.0, 3.0, 5.0], [2.0, 2.0, 3.0, 3.0]])
OF_IMAGES = np.asarray([0, 1, 1], "int32")
ROI_FUNCTIONS = [F.roi_average_align_2d, F.roi_average_pooling_2d, F.roi_max_align_2d, F.roi_max_pooling_2d]


# Windows, and the way back. -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_the_size_that_unpooling_suggests_is_the_smallest_that_pools_back(data: st.DataObject) -> None:
    length, k = (data.draw(st.integers(1, 6)) for _ in range(2))
    s = data.draw(st.integers(1, k))  # windows that leave no gaps
    p = data.draw(st.integers(0, k // 2))
    cover_all = data.draw(st.booleans())
    sizes = [n for n in range(60) if get_conv_outsize(n, k, s, p, cover_all) == length]
    assume(sizes)
    assume(min(sizes) > 0)
    y = F.unpooling_1d(np.ones((1, 1, length)), k, s, p, cover_all=cover_all)
    assert y.shape[2] == min(sizes)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_upsampled_maxima_are_found_again(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(4, 7), st.integers(4, 7)))
    k = data.draw(st.integers(1, 3))
    cover_all = data.draw(st.booleans())
    x = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(1.0, 2.0, (1, 2, *size))
    y, indexes = F.max_pooling_2d(x, k, cover_all=cover_all, return_indices=True)
    back = F.upsampling_2d(y, indexes, k, outsize=size, cover_all=cover_all).array
    np.testing.assert_array_equal(np.where(back > 0, x, 0), back)
    np.testing.assert_array_equal(F.max_pooling_2d(back, k, cover_all=cover_all).array, y.array)


def test_unpooling_repeats_exactly() -> None:
    x = GENERATOR.normal(size=(1, 2, 3, 2)).astype("f")
    y = F.unpooling_2d(x, 3, cover_all=False).array
    np.testing.assert_array_equal(y, np.repeat(np.repeat(x, 3, axis=2), 3, axis=3))


def test_one_pyramid_for_images_of_any_size(backend: Backend) -> None:
    for size in ((8, 8), (9, 5), (6, 7), (17, 4)):
        x = GENERATOR.normal(size=(2, 3, *size))
        y = backend.to_host(F.spatial_pyramid_pooling_2d(backend.from_host(x), 2, "max").array)
        assert y.shape == (2, 15, 1, 1)
        np.testing.assert_array_equal(y[:, :3, 0, 0], x.max(axis=(2, 3)))


def test_a_pyramid_may_be_finer_than_its_image() -> None:
    y = F.spatial_pyramid_pooling_2d(np.ones((1, 1, 1, 1)), 2, "max").array.ravel()
    assert np.sum(y == 1) == 2  # the image, and the one bin that sees it
    assert np.all((y == 1) | (y == -np.inf))


# Regions of interest. -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ROI_FUNCTIONS)
def test_one_bin_over_everything(backend: Backend, function: Callable[..., Variable]) -> None:
    image = backend.from_host(np.asarray([1], "int32"))
    whole = backend.from_host(np.asarray([[0.0, 0.0, 60.0, 50.0]]))
    y = backend.to_host(function(backend.from_host(IMAGES), whole, image, 1, 0.1).array)
    if function in (F.roi_average_pooling_2d, F.roi_max_pooling_2d):
        expected = IMAGES[1].max(axis=(1, 2)) if function is F.roi_max_pooling_2d else IMAGES[1].mean(axis=(1, 2))
        np.testing.assert_allclose(y.ravel(), expected, rtol=1e-12)
    else:  # points lie between four pixels each, but for the last row and column
        inner = np.pad(IMAGES[1], ((0, 0), (0, 1), (0, 1)), mode="edge")
        points = (inner[:, :-1, :-1] + inner[:, 1:, :-1] + inner[:, :-1, 1:] + inner[:, 1:, 1:]) / 4
        expected = points.max(axis=(1, 2)) if function is F.roi_max_align_2d else points.mean(axis=(1, 2))
        np.testing.assert_allclose(y.ravel(), expected, rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_means_of_a_constant_are_that_constant(data: st.DataObject) -> None:
    number = st.floats(0, 8, allow_subnormal=False)
    top, left = data.draw(number), data.draw(number)
    bottom, right = top + data.draw(st.floats(1, 8)), left + data.draw(st.floats(1, 8))
    out = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    x = np.full((1, 1, 17, 17), 3.0, "f")
    roi, image = np.asarray([[top, left, bottom, right]]), np.zeros(1, "int32")
    for ratio in (None, 1, (2, None)):
        y = F.roi_average_align_2d(x, roi, image, out, 1.0, ratio).array
        np.testing.assert_allclose(y, np.full((1, 1, *out), 3.0), rtol=1e-5)
    np.testing.assert_allclose(F.roi_average_pooling_2d(x, roi, image, out, 1.0).array, 3.0, rtol=1e-5)


@pytest.mark.parametrize("function", ROI_FUNCTIONS)
def test_many_rois_are_taken_in_blocks(function: Callable[..., Variable], monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> tuple[Host, Host]:
        x = Variable(IMAGES)
        y = function(x, ROIS, OF_IMAGES, (2, 3), 1.0)
        y.grad = np.arange(float(y.size)).reshape(y.shape)
        y.backward()
        return y.array, x.grad

    expected = run()
    monkeypatch.setattr(kernels, "BLOCK", 1)  # one at a time
    for made, wanted in zip(run(), expected, strict=True):
        np.testing.assert_allclose(made, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", ROI_FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_results_have_the_dtype_of_the_images(function: Callable[..., Variable], dtype: str) -> None:
    x = Variable(IMAGES.astype(dtype))
    y = function(x, ROIS.astype("float32"), OF_IMAGES, 2, 1.0)
    assert y.dtype == dtype
    y.grad = np.ones_like(y.array)
    y.backward()
    assert x.grad.dtype == dtype


def test_rois_have_no_gradient() -> None:
    x, rois = Variable(IMAGES), Variable(ROIS)
    y = F.roi_average_align_2d(x, rois, OF_IMAGES, 2, 1.0)
    y.grad = np.ones_like(y.array)
    y.backward()
    assert rois.grad is None
    assert x.grad is not None


def test_the_number_of_samples_is_not_a_matter_of_rounding() -> None:
    # In float32, 7 · 0.6 − 2 · 0.6 is 3.0000002, which would be four samples for one bin.
    x = GENERATOR.normal(size=(1, 1, 6, 6)).astype("f")
    roi = np.asarray([[2.0, 0.0, 7.0, 5.0]], "f")
    adaptive, three = (
        F.roi_average_align_2d(x, roi, np.zeros(1, "int32"), 1, 0.6, ratio).array for ratio in (None, (3, 3))
    )
    np.testing.assert_allclose(adaptive, three, rtol=1e-6)


def test_only_the_maximum_over_as_many_points_as_fit_reads_the_rois(backend: Backend) -> None:
    x, rois, image = (backend.from_host(a) for a in (IMAGES, ROIS, OF_IMAGES))
    with using_config("forbid_synchronization", True):
        for function in (F.roi_average_align_2d, F.roi_average_pooling_2d, F.roi_max_pooling_2d):
            function(x, rois, image, 2, 1.0)
        F.roi_max_align_2d(x, rois, image, 2, 1.0, 2)
        with pytest.raises(SynchronizationError, match="give sampling_ratio"):
            F.roi_max_align_2d(x, rois, image, 2, 1.0)


def test_fast_rcnn_counts_the_last_pixel_and_orders_its_columns_its_own_way() -> None:
    five = np.concatenate([OF_IMAGES[:, None], ROIS[:, [1, 0, 3, 2]]], axis=1)
    longer = ROIS + np.asarray([0, 0, 1, 1])
    y = F.roi_pooling_2d(IMAGES, five, 2, 3, 1.0).array
    np.testing.assert_array_equal(y, F.roi_max_pooling_2d(IMAGES, longer, OF_IMAGES, (2, 3), 1.0).array)
    outside = np.asarray([[0.0, 90.0, 90.0, 95.0, 95.0]])
    np.testing.assert_array_equal(F.roi_pooling_2d(IMAGES, outside, 2, 2, 1.0).array, np.zeros((1, 3, 2, 2)))


@pytest.mark.parametrize("function", ROI_FUNCTIONS)
def test_debug_mode_finds_rois_of_no_image(function: Callable[..., Variable]) -> None:
    with using_config("debug", True), pytest.raises(ValueError, match=r"images outside 0 … 1"):
        function(IMAGES, ROIS, np.asarray([0, 2, 1], "int32"), 2, 1.0)


# Bad input. ---------------------------------------------------------------------------------------------------------


INTEGERS = np.ones((2, 3, 6, 5), "int32")
PLACES = np.zeros((2, 3, 3, 3), "int32")
POOLED = np.ones((2, 3, 3, 3))
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "max 1d: rank": (lambda: F.max_pooling_1d(IMAGES, 2), ValueError),
    "max 3d: rank": (lambda: F.max_pooling_3d(IMAGES, 2), ValueError),
    "max nd: no spatial axis": (lambda: F.max_pooling_nd(IMAGES[0, 0], 2), ValueError),
    "average 1d: rank": (lambda: F.average_pooling_1d(IMAGES, 2), ValueError),
    "average 3d: rank": (lambda: F.average_pooling_3d(IMAGES, 2), ValueError),
    "average 1d: pad_value": (lambda: F.average_pooling_1d(IMAGES[0], 2, pad_value=1), ValueError),
    "unpooling 1d: rank": (lambda: F.unpooling_1d(IMAGES, 2), ValueError),
    "unpooling 2d: rank": (lambda: F.unpooling_2d(IMAGES[0], 2), InvalidType),
    "unpooling 2d: integers": (lambda: F.unpooling_2d(INTEGERS, 2), InvalidType),
    "unpooling 2d: outsize": (lambda: F.unpooling_2d(IMAGES, 2, outsize=(13, 9)), InvalidType),
    "unpooling 1d: empty": (lambda: F.unpooling_1d(np.ones((1, 1, 1)), 1, 2), ValueError),
    "unpooling nd: ksize": (lambda: F.unpooling_nd(IMAGES, (2, 2, 2)), ValueError),
    "upsampling: outsize": (lambda: F.upsampling_2d(POOLED, PLACES, 2, outsize=(9, 9)), InvalidType),
    "upsampling: indexes": (lambda: F.upsampling_2d(POOLED, PLACES[1:], 2), InvalidType),
    "upsampling: not integers": (lambda: F.upsampling_2d(POOLED, PLACES.astype("f"), 2), InvalidType),
    "pyramid: pooling": (lambda: F.spatial_pyramid_pooling_2d(IMAGES, 2), ValueError),
    "pyramid: rank": (lambda: F.spatial_pyramid_pooling_2d(IMAGES[0], 2, "max"), ValueError),
    "pyramid: no level": (lambda: F.spatial_pyramid_pooling_2d(IMAGES, 0, "max"), ValueError),
    "pyramid: a fraction": (lambda: F.spatial_pyramid_pooling_2d(IMAGES, 2.0, "max"), TypeError),  # type: ignore[arg-type]
    "fast rcnn: four numbers": (lambda: F.roi_pooling_2d(IMAGES, ROIS, 2, 2, 1.0), InvalidType),
    "fast rcnn: a fraction": (lambda: F.roi_pooling_2d(IMAGES, ROIS, 2.0, 2, 1.0), TypeError),  # type: ignore[arg-type]
    "ratio: none": (lambda: F.roi_max_align_2d(IMAGES, ROIS, OF_IMAGES, 2, 1.0, 0), TypeError),
    "ratio: a fraction": (lambda: F.roi_max_align_2d(IMAGES, ROIS, OF_IMAGES, 2, 1.0, 1.5), TypeError),  # type: ignore[arg-type]
    "ratio: three": (lambda: F.roi_max_align_2d(IMAGES, ROIS, OF_IMAGES, 2, 1.0, (1, 1, 1)), ValueError),
}


@pytest.mark.parametrize(("call", "error"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


REFUSED_ROIS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "rank of x": ({"x": IMAGES[0]}, InvalidType),
    "integers": ({"x": INTEGERS}, InvalidType),
    "integer rois": ({"rois": ROIS.astype("int32")}, InvalidType),
    "five numbers": ({"rois": np.ones((3, 5))}, InvalidType),
    "one roi": ({"rois": ROIS[0]}, InvalidType),
    "floating images": ({"roi_indices": OF_IMAGES.astype("f")}, InvalidType),
    "fewer images": ({"roi_indices": OF_IMAGES[:2]}, InvalidType),
    "fraction of bins": ({"outsize": 2.0}, TypeError),
    "no bins": ({"outsize": (2, 0)}, TypeError),
    "three sizes": ({"outsize": (2, 2, 2)}, ValueError),
    "scale of 0": ({"spatial_scale": 0.0}, TypeError),
    "no scale": ({"spatial_scale": "1"}, TypeError),
}


@pytest.mark.parametrize("function", ROI_FUNCTIONS)
@pytest.mark.parametrize(("wrong", "error"), REFUSED_ROIS.values(), ids=REFUSED_ROIS)
def test_bad_rois_are_refused(function: Callable[..., Variable], wrong: dict[str, Any], error: type[Exception]) -> None:
    good = {"x": IMAGES, "rois": ROIS, "roi_indices": OF_IMAGES, "outsize": 2, "spatial_scale": 1.0}
    with pytest.raises(error):
        function(**{**good, **wrong})


def test_debug_mode_finds_indexes_beyond_the_window() -> None:
    with using_config("debug", True), pytest.raises(ValueError, match="outside 0 … 3"):
        F.upsampling_2d(POOLED, PLACES + 4, 2)
