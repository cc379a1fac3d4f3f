"""The kernels of poolings of regions of interest, compiled for the host, against loops and the portable definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import array, host_backend

from kusari.configuration import using_config
from kusari.errors import SynchronizationError
from kusari.kernels.roi import RoiAverage, RoiMax, RoiProblem
from kusari_cupy.kernels.roi import CupyRoiAverage, CupyRoiMax
from kusari_testkit.cases.roi import Region

HOST = host_backend()
Families = type[RoiAverage | RoiMax]
FAMILIES = pytest.mark.parametrize("family", [RoiAverage, RoiMax])


@st.composite
def problems(draw: st.DrawFn) -> RoiProblem:
    x = tuple(draw(st.sampled_from(choice)) for choice in ((1, 2), (1, 3), (1, 2, 5, 8), (1, 2, 5, 8)))
    out = draw(st.sampled_from([(1, 1), (2, 4), (4, 2), (1, 8)]))
    samples = draw(st.sampled_from([None, (1, 1), (2, 4), (None, None), (None, 2)]))
    scale, fast_rcnn = draw(st.sampled_from([1.0, 0.5])), samples is None and draw(st.booleans())
    return RoiProblem(x, draw(st.integers(0, 4)), out, scale, np.dtype("float64"), None, samples, fast_rcnn)


def drawn(problem: RoiProblem, seed: int, step: float, dtype: str = "float64") -> tuple[Any, Any, Any, Any]:
    """Return x, with equals; RoIs in and around it; their images; and gy."""
    rng = np.random.default_rng(seed)
    n, c, h, w = problem.x
    x = rng.integers(-3, 3, problem.x).astype(problem.dtype)
    rois = rng.uniform(-4, 2 * max(h, w) + 4, (problem.rois, 4))
    if step:
        rois = np.round(rois / step) * step
    gy = rng.standard_normal((problem.rois, c, *problem.out)).astype(problem.dtype)
    return array(x), array(rois.astype(dtype)), array(rng.integers(0, n, problem.rois)), array(gy)


def planned(family: Families, problem: RoiProblem) -> Any:
    plan = family.plan(HOST, problem)
    assert isinstance(plan, CupyRoiAverage | CupyRoiMax)
    return plan


@FAMILIES
@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(0, 999))
def test_it_is_the_loops(family: Families, problem: RoiProblem, seed: int) -> None:
    x, rois, image, gy = drawn(problem, seed, 0.5)
    # Of powers of two in size: every point has an exact number, so that what is equal is so for all.
    rois[:, 2:] = rois[:, :2] + 2.0 ** np.random.default_rng(seed).integers(0, 5, (problem.rois, 2))
    given_rois = tuple(zip(image.tolist(), *rois.T.tolist(), strict=True))
    loops = Region("", family, problem.out, problem.scale, problem.samples, problem.fast_rcnn, given_rois, problem.x)
    plan = planned(family, problem)
    y, kept = plan.forward(x, rois, image)
    np.testing.assert_allclose(y, loops.forward(x, rois, image), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(plan.grad_input(kept, gy), loops.grad_input(x, rois, image, gy), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(plan.gather(kept, 2 * x), loops.gather(x, rois, image, 2 * x), rtol=1e-12, atol=1e-13)


@FAMILIES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rois_dtype", ["float32", "float64"])
@settings(max_examples=25, deadline=None)
@given(problems(), st.integers(0, 999), st.sampled_from([0.0, 0.25]))
def test_it_is_the_portable_definition(
    family: Families, dtype: str, rois_dtype: str, problem: RoiProblem, seed: int, step: float
) -> None:
    problem = problem._replace(dtype=np.dtype(dtype))
    x, rois, image, gy = drawn(problem, seed, step, rois_dtype)
    other = array(np.random.default_rng(seed + 1).standard_normal(problem.x).astype(dtype))
    definition = family(HOST, problem)
    found, expected = (plan.forward(x, rois, image) for plan in (planned(family, problem), definition))
    close = {"rtol": 1e-5 if dtype == "float32" else 1e-12, "atol": 1e-5 if dtype == "float32" else 1e-12}
    if family is RoiMax:  # the same points, the same roundings, the same choice
        close = {"rtol": 0, "atol": 0}
    np.testing.assert_allclose(found[0], expected[0], **close)
    np.testing.assert_allclose(
        planned(family, problem).gather(found[1], other), definition.gather(expected[1], other), **close
    )
    close = {"rtol": 1e-4 if dtype == "float32" else 1e-11, "atol": 1e-5 if dtype == "float32" else 1e-12}
    gx = planned(family, problem).grad_input(found[1], gy)
    np.testing.assert_allclose(gx, definition.grad_input(expected[1], gy), **close)
    assert found[0].dtype == gx.dtype == dtype


WHOLE = np.array([[0.0, 0.0, 2.0, 4.0]])
"""One RoI, of 2 × 4 pixels."""


@pytest.mark.parametrize("samples", [None, (2, 4)])
def test_a_nan_wins_and_its_first_place_stays(samples: tuple[int, int] | None) -> None:
    problem = RoiProblem((1, 1, 2, 4), 1, (1, 1), 1.0, np.dtype("float32"), None, samples)
    x = np.array([[[[1, 9, 2, 3], [np.nan, 5, 7, np.nan]]]], "f")
    y, kept = planned(RoiMax, problem).forward(array(x), array(WHOLE), array([0]))
    assert np.isnan(y).all()
    gx = planned(RoiMax, problem).grad_input(kept, array(np.ones((1, 1, 1, 1), "f")))
    assert gx[0, 0, 1, 0] > 0
    assert gx[0, 0, 1, 3] == 0


@FAMILIES
@pytest.mark.parametrize("samples", [None, (1, 2)])
def test_a_nan_stays_in_the_bins_that_read_it(family: Families, samples: tuple[int, int] | None) -> None:
    problem = RoiProblem((1, 1, 2, 8), 1, (1, 2), 1.0, np.dtype("float32"), None, samples)
    x = np.zeros(problem.x, "f")
    x[0, 0, 1, 7] = np.nan
    y, kept = planned(family, problem).forward(array(x), array([[0.0, 0.0, 2.0, 8.0]]), array([0]))
    assert np.isnan(y).ravel().tolist() == [False, True]
    gx = planned(family, problem).grad_input(kept, array(np.array([[[[1, np.nan]]]], "f")))
    assert not np.isnan(gx[..., :4]).any()


def test_pixels_between_the_samples_of_a_mean_are_not_read() -> None:
    problem = RoiProblem((1, 1, 8, 8), 1, (1, 1), 1.0, np.dtype("float32"), None, (2, 2))
    x = np.full(problem.x, np.nan, "f")
    seen = np.ix_([0], [0], [2, 6], [2, 6])  # samples on pixels
    x[seen] = np.arange(4).reshape(1, 1, 2, 2)
    y, kept = planned(RoiAverage, problem).forward(array(x), array([[0.0, 0.0, 8.0, 8.0]]), array([0]))
    assert y.item() == 1.5
    gx = planned(RoiAverage, problem).grad_input(kept, array(np.full((1, 1, 1, 1), np.nan, "f")))
    assert np.isnan(gx[seen]).all()
    assert np.isnan(gx).sum() == 4


@pytest.mark.parametrize(("begin", "expected"), [(-1.5, 1), (-1.75, -np.inf), (2.5, 3), (2.75, -np.inf)])
def test_a_sample_one_pixel_outside_still_counts(begin: float, expected: float) -> None:
    problem = RoiProblem((1, 1, 1, 3), 1, (1, 1), 1.0, np.dtype("float32"), None, (1, 1))
    roi = [[0.0, begin, 1.0, begin + 1]]
    y, _ = planned(RoiMax, problem).forward(array(np.array([[[[1, 2, 3]]]], "f")), array(roi), array([0]))
    assert y.item() == expected


@FAMILIES
@pytest.mark.parametrize("samples", [None, (2, 2), (None, None)])
@pytest.mark.parametrize("missing", [-1, 2, 2**40, -(2**63), 2**63 - 1])
def test_nothing_is_read_of_an_image_that_is_not_there(
    family: Families, samples: tuple[int | None, int | None] | None, missing: int
) -> None:
    problem = RoiProblem((2, 3, 4, 5), 3, (2, 2), 1.0, np.dtype("float32"), None, samples)
    x, rois, _, gy = drawn(problem, 0, 0.25)
    rois[...] = [0, 0, 4, 5]
    plan = planned(family, problem)
    y, kept = plan.forward(x, rois, array([1, missing, 0]))
    for result in (y, plan.gather(kept, x)):
        assert np.isnan(result[1]).all()
        assert np.isfinite(result[::2]).all()
    without = planned(family, problem._replace(rois=2))
    _, kept_without = without.forward(x, rois[::2], array([1, 0]))
    np.testing.assert_array_equal(plan.grad_input(kept, gy), without.grad_input(kept_without, gy[::2]))


@FAMILIES
@pytest.mark.parametrize("samples", [None, (2, 2), (None, None)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the namespace that stands in for CuPy's
def test_coordinates_that_are_no_place_end_and_stay_within_the_image(
    family: Families, samples: tuple[int | None, int | None] | None, value: float
) -> None:
    problem = RoiProblem((1, 2, 4, 5), 8, (2, 2), 1.0, np.dtype("float64"), None, samples)
    x, rois, image, gy = drawn(problem, 0, 0.25)
    rois[...] = [0, 0, 4, 5]
    for r in range(8):
        rois[r, np.unravel_index(r % 4, 4)] = value
        if r >= 4:
            rois[r, (r + 2) % 4] = -value
    plan = planned(family, problem)
    y, kept = plan.forward(x, rois, image)
    assert y.shape == plan.gather(kept, x).shape == gy.shape
    assert plan.grad_input(kept, gy).shape == x.shape


@FAMILIES
@pytest.mark.parametrize("samples", [None, (2, 2), (None, None)])
def test_the_host_does_not_wait(family: Families, samples: tuple[int | None, int | None] | None) -> None:
    problem = RoiProblem((1, 2, 4, 5), 1, (2, 2), 1.0, np.dtype("float32"), None, samples)
    x, rois, image, gy = drawn(problem, 0, 0.25)
    plan = planned(family, problem)
    with using_config("forbid_synchronization", True):
        _, kept = plan.forward(x, rois, image)
        assert plan.gather(kept, x).shape == gy.shape
        assert plan.grad_input(kept, gy).shape == x.shape


def test_what_the_definition_reads_the_kernels_do_not() -> None:
    problem = RoiProblem((1, 2, 4, 5), 1, (2, 2), 1.0, np.dtype("float32"), None, (None, None))
    x, rois, image, _ = drawn(problem, 0, 0.25)
    with using_config("forbid_synchronization", True):
        with pytest.raises(SynchronizationError):
            RoiMax(HOST, problem).forward(x, rois, image)
        planned(RoiMax, problem).forward(x, rois, image)


@FAMILIES
@pytest.mark.parametrize("samples", [None, (2, 2)])
def test_results_are_channels_last(family: Families, samples: tuple[int, int] | None) -> None:
    problem = RoiProblem((2, 3, 4, 5), 2, (2, 2), 1.0, np.dtype("float32"), None, samples)
    x, rois, image, gy = drawn(problem, 0, 0.25)
    plan = planned(family, problem)
    y, kept = plan.forward(x, rois, image)
    for result in (y, plan.gather(kept, x), plan.grad_input(kept, gy)):
        assert result.transpose(0, 2, 3, 1).flags.c_contiguous


@FAMILIES
@pytest.mark.parametrize("samples", [None, (None, None)])
@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 3, 4)])
def test_nothing_gives_nothing(
    family: Families, samples: tuple[int | None, int | None] | None, shape: tuple[int, ...]
) -> None:
    problem = RoiProblem(shape, 0 if all(shape) else 2, (2, 2), 1.0, np.dtype("float32"), None, samples)
    rois, image = np.tile([0.0, 0.0, 3.0, 4.0], (problem.rois, 1)), np.zeros(problem.rois, "int32")
    x, plan = np.ones(shape, "f"), planned(family, problem)
    y, kept = plan.forward(array(x), array(rois), array(image))
    assert y.shape == (problem.rois, shape[1], 2, 2)
    assert np.isnan(y).all()  # of no image
    gx = plan.grad_input(kept, array(np.ones(y.shape, "f")))
    assert gx.shape == shape
    assert not gx.any()


@pytest.mark.parametrize(("fast_rcnn", "empty"), [(True, 0), (False, -math.inf)])
def test_a_bin_without_pixels_has_no_maximum_and_no_gradient(fast_rcnn: bool, empty: float) -> None:
    problem = RoiProblem((1, 1, 2, 2), 1, (1, 1), 1.0, np.dtype("float32"), None, None, fast_rcnn)
    plan, x = planned(RoiMax, problem), array(np.full((1, 1, 2, 2), np.inf, "f"))
    y, kept = plan.forward(x, array([[5.0, 5.0, 6.0, 6.0]]), array([0]))
    assert y.item() == empty
    assert plan.gather(kept, x).item() == 0
    assert not plan.grad_input(kept, array(np.ones((1, 1, 1, 1), "f"))).any()


@FAMILIES
def test_what_it_does_not_accept_is_said(family: Families) -> None:
    explained = HOST.explain(family, RoiProblem((1, 1, 2, 2), 1, (1, 1), 1.0, np.dtype("float16")))
    assert explained.chosen.override.source == "portable"
    assert "written for float32 and float64, not float16" in str(explained)
