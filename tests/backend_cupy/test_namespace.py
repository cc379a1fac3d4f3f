"""The standard's namespace over CuPy, by a module that stands in for array_api_compat's."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from kusari_cupy.namespace import standard_namespace


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    compat = ModuleType("array_api_compat.cupy")
    compat.__dict__.update(clip=None, vecdot=np.vecdot)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", compat)
    monkeypatch.setattr("array_api_compat.cupy", compat, raising=False)
    return standard_namespace(np)


def test_clip_is_cupys_own(namespace: ModuleType) -> None:
    x = np.array([-2, np.nan, 3], "f")
    for bounds, expected in (((-1, 2), [-1, np.nan, 2]), ((None, 2), [-2, np.nan, 2]), ((0, None), [0, np.nan, 3])):
        made = namespace.clip(x, *bounds)
        np.testing.assert_array_equal(made, np.array(expected, "f"))
        assert made.dtype == np.float32
    np.testing.assert_array_equal(namespace.clip(x, min=0), np.array([0, np.nan, 3], "f"))
    assert namespace.clip(np.array([1, 200], np.uint8), np.array(3, np.int64), None).dtype == np.uint8


def test_all_else_is_array_api_compats(namespace: ModuleType) -> None:
    assert namespace.vecdot is np.vecdot
