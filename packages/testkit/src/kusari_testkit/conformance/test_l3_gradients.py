"""L3: functions of Variables: values, first and second gradients, labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kusari.autograd import Variable
from kusari.autograd.variable import constant
from kusari.backend import Backend, Device, use_backend
from kusari.gradient_check import check_backward, check_double_backward
from kusari_testkit.cases import FUNCTIONS, FunctionCase
from kusari_testkit.comparison import assert_values, difference, expected_dtype
from kusari_testkit.draw import HostArray
from kusari_testkit.layout import place, to_host

DIFFERENTIABLE = [case for case in FUNCTIONS if case.sources]
STEPS: dict[str, dict[str, Any]] = {  # a step, and the tolerance of what it can tell
    "float64": {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-6},
    "float32": {"eps": 1e-2, "atol": 1e-2, "rtol": 2e-2},
}


def checked(case: FunctionCase, device: Device) -> tuple[list[HostArray | None], Any, dict[str, Any]]:
    """Return inputs away from kinks, a function of those that have a gradient, and the tolerances."""
    dtype = "float64" if "float64" in device.backend.dtypes and "float64" in case.dtypes else "float32"
    hosts = case.away_from_kinks(case.draw(dtype))
    arrays = place(hosts, device)

    def function(*variables: Variable) -> Any:
        given = iter(variables)
        return case.call(
            *(
                None if array is None else next(given) if index in case.sources else constant(array, device)
                for index, array in enumerate(arrays)
            )
        )

    function.__qualname__ = str(case)
    return hosts, function, STEPS[dtype]


def like_outputs(case: FunctionCase, hosts: list[HostArray | None], device: Device) -> list[Any]:
    """Return gradients for the outputs."""
    generator = np.random.default_rng(1)
    made = [np.asarray(generator.uniform(0.5, 1.5, y.shape)) for y in case.ask_oracle(hosts) if y is not None]
    source = hosts[case.sources[0]]
    assert source is not None
    return place([m.astype(source.dtype) for m in made], device)


@pytest.mark.kusari_cases(FUNCTIONS)
def test_values(device: Device, case: FunctionCase, dtypes: list[str]) -> None:
    for dtype in dtypes:
        outputs = case.call(*case.variables(device, place(case.draw(dtype), device)))
        expected = case.expected(dtype)
        assert_values(device, case, [y.array for y in outputs], expected, dtype, "the oracle")
        for y, wanted in zip(outputs, expected, strict=True):
            assert wanted is not None
            assert y.device is device, f"{case}: the result is labelled {y.device}, its inputs {device}"
            assert isinstance(y.array, device.backend.array_types)
            assert device.backend.index_of(y.array) == device.index
            assert y.dtype == expected_dtype(wanted, dtype), f"{case} in {dtype} gave {y.dtype}"


@pytest.mark.kusari_cases(DIFFERENTIABLE)
def test_gradients(device: Device, case: FunctionCase) -> None:
    hosts, function, tolerance = checked(case, device)
    sources = place([hosts[index] for index in case.sources], device)
    with use_backend(device.backend):  # bare arrays would run their root backend's kernels
        check_backward(function, sources, like_outputs(case, hosts, device), **tolerance)


@pytest.mark.kusari_cases(DIFFERENTIABLE)
def test_second_gradients(device: Device, case: FunctionCase) -> None:
    hosts, function, tolerance = checked(case, device)
    sources = place([hosts[index] for index in case.sources], device)
    generator = np.random.default_rng(2)
    drawn = [np.asarray(hosts[index]) for index in case.sources]
    seconds = place([np.asarray(generator.uniform(0.5, 1.5, x.shape)).astype(x.dtype) for x in drawn], device)
    with use_backend(device.backend):
        check_double_backward(function, sources, like_outputs(case, hosts, device), seconds, **tolerance)


@pytest.mark.kusari_cases(DIFFERENTIABLE)
def test_gradient_types(device: Device, case: FunctionCase, dtypes: list[str]) -> None:
    for dtype, second in itertools.product(dtypes, (False, True)):
        variables = case.variables(device, place(case.draw(dtype), device))
        backward(case.call(*variables), enable_double_backprop=second)
        for index, x in enumerate(variables):
            if x is None or index not in case.sources:
                continue
            assert x.grad_var is not None, f"{case}: input {index} has no gradient"
            assert x.grad.shape == x.shape
            assert x.grad.dtype == x.array.dtype, f"{case}: {x.array.dtype} has a gradient of {x.grad.dtype}"
            assert x.grad_var.device is device, f"{case}: the gradient is labelled {x.grad_var.device}"
            assert device.backend.index_of(x.grad) == device.index


def backward(outputs: tuple[Variable, ...], **options: Any) -> None:
    """Backpropagate ones."""
    for y in outputs:
        y.grad = y.xp.ones_like(y.array)
        with np.errstate(all="ignore"):
            y.backward(**options)


class Elsewhere(Backend):
    """Kernels over another backend's arrays that nobody should call."""

    def __init__(self, root: Backend) -> None:
        super().__init__("kusari-testkit-elsewhere", root.xp, base=root)
        self.table = _Refusing()


class _Refusing(dict[Any, Any]):
    def __missing__(self, target: Any) -> Any:
        raise AssertionError(f"backward ran {target.key} of another backend than forward's")


@pytest.fixture
def elsewhere(device: Device) -> Iterator[Backend]:
    """A backend over the same memory that must not run."""
    root = device.backend.root
    made = Elsewhere(root)
    yield made
    for below in made.chain[1:]:
        below._above.remove(made)


@pytest.mark.kusari_cases(DIFFERENTIABLE)
def test_backward_runs_where_forward_did(device: Device, case: FunctionCase, elsewhere: Backend) -> None:
    hosts = case.draw(case.dtypes_on(device.backend)[0])

    def gradients(in_block: bool) -> list[HostArray | None]:
        bare = Device(device.backend.root, device.index)
        variables = case.variables(bare, place(hosts, device))
        with use_backend(device.backend):
            outputs = case.call(*variables)
        assert all(y.device is device for y in outputs), "the outputs do not bear the label of use_backend"
        if in_block:
            with use_backend(elsewhere):
                backward(outputs)
        else:
            backward(outputs)
        return to_host(device, [None if x is None else x.grad for x in variables])

    for found, wanted in zip(gradients(True), gradients(False), strict=True):
        if found is not None and wanted is not None:
            assert difference(found, wanted, 1e-6) is None
