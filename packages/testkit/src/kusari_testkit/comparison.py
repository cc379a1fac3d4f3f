"""Comparing what a backend computed with what it should have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kusari.backend import Device
from kusari.dtypes import host_dtype
from kusari_testkit.cases.case import Case
from kusari_testkit.draw import HostArray


def results(device: Device, raw: Sequence[Any]) -> list[Any]:
    """Return results as arrays, as a function node would take them: 0-d ones may come as the library's scalars."""
    return [None if y is None else device.backend.as_array(y, None) for y in raw]


def assert_values(
    device: Device, case: Case, raw: Sequence[Any], expected: Sequence[HostArray | None], dtype: str, what: str
) -> None:
    """Raise unless every result has the expected values, within the case's tolerance for ``dtype``."""
    actual = results(device, raw)
    assert len(actual) == len(expected), f"{case}: {len(actual)} results, expected {len(expected)}"
    for position, (y, wanted) in enumerate(zip(actual, expected, strict=True)):
        if y is None or wanted is None:
            assert y is None, f"{case}: result {position} was not asked for and is not None"
            assert wanted is None, f"{case}: result {position} is None"
            continue
        host = device.backend.to_host(y)
        assert host.shape == wanted.shape, f"{case}: result {position} has shape {host.shape}, expected {wanted.shape}"
        complaint = difference(host, wanted, case.tolerance[dtype])
        assert complaint is None, f"{case} in {dtype}, result {position} differs from {what}: {complaint}"


def difference(actual: HostArray, expected: HostArray, tolerance: float) -> str | None:
    """Return where two arrays differ most, or None where they do not; NaN equals NaN.

    >>> difference(np.array([1.0, 2.0]), np.array([1.0, 3.0]), 1e-6)
    '1 of 2 elements, most at (1,): 2.0, expected 3.0'
    """
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    finite = expected[np.isfinite(expected)]
    scale = max(1.0, float(np.max(np.abs(finite), initial=0.0)))
    with np.errstate(invalid="ignore"):
        distance = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
    wrong = distance > tolerance * scale
    if not np.any(wrong):
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), distance.shape))
    return (
        f"{int(np.sum(wrong))} of {wrong.size} elements, most at {index}: {float(actual[index])}, "
        f"expected {float(expected[index])}"
    )


def expected_dtype(expected: HostArray, dtype: str) -> np.dtype[Any]:
    """Return the dtype of a result: the case's, unless the oracle says one other than float64."""
    return host_dtype(dtype) if expected.dtype == np.float64 else expected.dtype


def assert_unchanged(before: Sequence[HostArray | None], after: Sequence[HostArray | None], what: str) -> None:
    """Raise unless arrays are what they were, bit by bit."""
    for position, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is not None and new is not None:
            same = old.tobytes() == np.ascontiguousarray(new).tobytes() if old.flags.c_contiguous else _same(old, new)
            assert same, f"{what} {position} has changed: {old} became {new}"


def _same(old: HostArray, new: HostArray) -> bool:
    return np.ascontiguousarray(old).tobytes() == np.ascontiguousarray(new).tobytes()
