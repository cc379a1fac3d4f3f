"""The convolutions that nobody chose: of every kind, within bounds, and drawn anew by another seed."""

from __future__ import annotations

import pytest
from benchmarks.workloads.drawing import MULTIPLICATIONS, NUMBERS, OF_EACH, convolutions, draw
from benchmarks.workloads.drawn import DRAWN, KINDS, Drawn, workloads
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def windows_of(one: Drawn) -> int:
    """Count where a window fits on a line of the padded image."""
    reach = one.dilate * (one.window - 1)
    return len(range(0, one.size + 2 * one.pad - reach, one.stride))


def is_of_its_kind(one: Drawn) -> bool:
    return {
        "1×1": one.window == 1,
        "dense": one.groups == 1 and one.window > 1 and one.dilate == 1,
        "strided": one.groups == 1 and one.stride > 1,
        "dilated": one.groups == 1 and one.dilate > 1,
        "grouped": 1 < one.groups < one.channels and one.channels % one.groups == one.out % one.groups == 0,
        "depthwise": one.groups == one.channels == one.out,
    }[one.kind]


def check(one: Drawn) -> None:
    low, high = MULTIPLICATIONS
    assert is_of_its_kind(one)
    assert one.layer.out_size == windows_of(one) > 0
    assert low <= one.layer.multiplications <= high
    x, W, b, gy = one.layer.arrays
    assert x.shape == (one.batch, one.channels, one.size, one.size)
    assert W.shape == (one.out, one.channels // one.groups, one.window, one.window)
    assert b.shape == (one.out,)
    assert gy.shape == (one.batch, one.out, windows_of(one), windows_of(one))
    assert x.size <= NUMBERS
    assert gy.size <= NUMBERS


@pytest.mark.parametrize("one", DRAWN, ids=lambda one: one.layer.name)
def test_the_set_is_valid(one: Drawn) -> None:
    check(one)


def test_the_set_covers_the_kinds() -> None:
    assert len(set(DRAWN)) == 30
    assert {kind: sum(one.kind == kind for one in DRAWN) for kind in KINDS} == dict.fromkeys(KINDS, OF_EACH)
    assert (
        {one.window % 2 for one in DRAWN} == {one.size % 2 for one in DRAWN} == {one.out % 2 for one in DRAWN} == {0, 1}
    )
    assert {one.stride for one in DRAWN} == {1, 2, 3}
    assert any(one.pad == 0 for one in DRAWN)
    assert any(one.pad > 0 for one in DRAWN)
    assert min(one.batch for one in DRAWN) == 1


def test_every_convolution_is_a_workload_of_its_own() -> None:
    found = list(workloads())
    assert len({workload.name for workload in found}) == 30
    assert all(workload.group == "drawn" and workload.limit == 2.0 for workload in found)


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    first = draw(1)
    assert first == draw(1)
    assert [one.kind for one in first] == list(KINDS * OF_EACH)
    assert len(set(first)) > 25
    assert not set(first) & set(draw(1000))


@settings(max_examples=30, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.sampled_from(KINDS).flatmap(convolutions))
def test_whatever_is_drawn_is_valid(one: Drawn) -> None:
    check(one)
