"""The small kit: what is left for a backend whose every call is slow, such as an interpreter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from kusari.backend import Backend
from kusari_testkit.cases import Case, FunctionCase


def left_out(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests that are not part of the small kit.

    Of a kernel that the backend implements or compiles itself, the quick cases, in their first dtype and their last (a
    16-bit one). Of everything else, the values of one case, in one dtype: kernels that it inherits are judged where
    they come from. Of a function, one case.
    """
    seen: set[Any] = set()
    return [item for item in items if not _is_in(item, seen)]


def _is_in(item: pytest.Item, seen: set[Any]) -> bool:
    callspec = getattr(item, "callspec", None)
    case = None if callspec is None else callspec.params.get("case")
    if callspec is None or not isinstance(case, Case):
        return True
    if not case.quick:
        return False
    device = callspec.params["device"]
    found = ends(case.dtypes_on(device.backend))
    dtype = callspec.params.get("dtype", found[0])
    if not isinstance(case, FunctionCase) and is_own(device.backend, case):
        return dtype in found
    test = getattr(item, "originalname", item.name)
    if dtype != found[0] or not (isinstance(case, FunctionCase) or test == "test_values"):
        return False
    key = (device, test, case.name, getattr(case, "step", ""))
    first = key not in seen
    seen.add(key)
    return first


def is_own(backend: Backend, case: Case) -> bool:
    """Tell whether a backend implements or compiles a kernel itself, or has nobody to inherit it from."""
    if backend.base is None or case.target in backend.overrides:
        return True
    is_kernel = hasattr(case.target, "key")  # else it is a test's own function around some
    return is_kernel and backend.explain(case.target).chosen.override.source == "compiled"


def ends(dtypes: list[str]) -> list[str]:
    """Return the first and the last, once.

    >>> ends(["float32", "float64", "float16"]), ends(["float32"])
    (['float32', 'float16'], ['float32'])
    """
    return list(dict.fromkeys((dtypes[0], dtypes[-1])))
