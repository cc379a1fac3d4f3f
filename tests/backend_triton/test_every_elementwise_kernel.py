"""Every elementwise kernel of the core: fused, it computes what its definition computes."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import kusari.kernels
from kusari.backend import Backend, Kernel, find_kernel, get_backend, kernel_names
from kusari.backend.expression import parameter_kinds


def elementwise_kernels() -> list[Kernel[..., Any]]:
    for module in pkgutil.iter_modules(kusari.kernels.__path__, "kusari.kernels."):
        importlib.import_module(module.name)
    found = [find_kernel(name) for name in kernel_names()]
    return [
        kernel
        for kernel in found
        if getattr(kernel, "elementwise", False) and kernel.__module__.startswith("kusari.kernels.")
    ]


@pytest.mark.parametrize("kernel", elementwise_kernels(), ids=lambda kernel: kernel.key)
def test_fused_is_as_defined(backend: Backend, kernel: Kernel[..., Any]) -> None:
    kinds = parameter_kinds(kernel.portable)
    if "static" in kinds.values():
        pytest.skip("has static parameters, whose values only its own tests know")
    rng = np.random.default_rng(1)
    # Positive, so that roots and quotients are defined; the definition gets float64 of the same numbers.
    arguments = [
        rng.uniform(0.1, 2, (3, 5)).astype("f") if kind == "array" else float(rng.uniform(0.1, 0.9))
        for kind in kinds.values()
    ]
    wide = [value.astype("d") if isinstance(value, np.ndarray) else value for value in arguments]
    with np.errstate(invalid="ignore"):  # a variance from states that no run would have
        expected = kernel.portable(get_backend("numpy"), *wide)
    assert backend.explain(kernel).chosen.override.source == "compiled"
    results = kernel(backend, *arguments)
    assert isinstance(results, tuple) == isinstance(expected, tuple)
    for ours, exact in zip(np.atleast_2d(results), np.atleast_2d(expected), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, exact, rtol=2e-5, atol=2e-6)
