"""L2: every kernel and every step of every family, against an oracle and against its portable definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kusari.backend import Device
from kusari.backend.derived import Storage
from kusari.backend.host import host_backend
from kusari_testkit.cases import FAMILIES, KERNELS, Case, FamilyCase
from kusari_testkit.comparison import assert_unchanged, assert_values, expected_dtype, results
from kusari_testkit.draw import HostArray
from kusari_testkit.layout import FORMATS, is_dense, place, to_host

PARAMETERISED = [case for case in KERNELS if case.parameters]


def first_dtype(case: Case, device: Device) -> str:
    """Return the dtype that a test runs in when one is enough."""
    return case.dtypes_on(device.backend)[0]


def tells_strides(device: Device) -> bool:
    """Tell whether memory formats can be seen on a device."""
    return device.backend.strides(device.backend.from_host(np.ones(2), device.index)) is not None


def not_donated(case: Case, arrays: Sequence[Any]) -> list[Any]:
    """Return arrays with None in the place of those whose memory results may take."""
    return [None if index in case.donated else array for index, array in enumerate(arrays)]


@pytest.mark.kusari_cases(KERNELS)
def test_values(device: Device, case: Case, dtype: str) -> None:
    raw = case.run(device.backend, place(case.draw(dtype), device))
    assert_values(device, case, raw, case.expected(dtype), dtype, "the oracle")


@pytest.mark.kusari_cases(KERNELS)
def test_portable_definition(device: Device, case: Case) -> None:
    dtype, host = first_dtype(case, device), Device(host_backend())
    raw = case.run(device.backend, place(case.draw(dtype, salt=1), device))
    expected = results(host, case.run(host.backend, place(case.draw(dtype, salt=1), host)))
    assert_values(device, case, raw, expected, dtype, "the portable definition on NumPy")


@pytest.mark.kusari_cases(KERNELS)
def test_result_type(device: Device, case: Case, dtypes: list[str]) -> None:
    for dtype in dtypes:
        raw = case.run(device.backend, place(case.draw(dtype), device))
        for position, (y, wanted) in enumerate(zip(raw, case.expected(dtype), strict=True)):
            if y is not None and wanted is not None:
                check_type(device, y, wanted, expected_dtype(wanted, dtype), f"{case} in {dtype}, result {position}")


def check_type(device: Device, y: Any, wanted: HostArray, dtype: np.dtype[Any], what: str) -> None:
    """Raise unless a result is an array of the backend, of the right shape and dtype, on the device."""
    own = isinstance(y, device.backend.array_types)
    scalar = wanted.ndim == 0 and hasattr(y, "dtype") and device.backend.on_host  # NumPy's reductions give those
    assert own or scalar, f"{what} is a {type(y).__module__}.{type(y).__qualname__}"
    (array,) = results(device, [y])
    assert tuple(array.shape) == wanted.shape, f"{what} has shape {array.shape}, expected {wanted.shape}"
    found = device.backend.host_dtype(array.dtype)
    assert found == dtype, f"{what} is {found}, expected {dtype}"
    where = device.backend.index_of(array)
    assert where == device.index, f"{what} is on device {where}, its inputs are on {device.index}"


@pytest.mark.kusari_cases(KERNELS)
def test_memory_formats(device: Device, case: Case) -> None:
    dtype = first_dtype(case, device)
    for memory_format in FORMATS:
        raw = case.run(device.backend, place(case.draw(dtype), device, memory_format))
        assert_values(device, case, raw, case.expected(dtype), dtype, f"the oracle, on {memory_format} inputs")


@pytest.mark.kusari_cases(KERNELS, where=tells_strides)
def test_results_are_dense(device: Device, case: Case) -> None:
    for memory_format in ("dense", "transposed"):
        arrays = place(case.draw(first_dtype(case, device)), device, memory_format)
        for position, y in enumerate(results(device, case.run(device.backend, arrays))):
            if y is None:
                continue
            strides, itemsize = device.backend.strides(y), device.backend.host_dtype(y.dtype).itemsize
            assert strides is not None
            assert is_dense(y.shape, strides, itemsize), (
                f"{case}, result {position} on {memory_format} inputs is not dense: shape {y.shape}, "
                f"strides {strides} of {itemsize}-byte elements"
            )


@pytest.mark.kusari_cases(KERNELS)
def test_inputs_are_left_alone(device: Device, case: Case) -> None:
    hosts = case.draw(first_dtype(case, device))
    for memory_format in ("dense", "transposed") if case.donated else ("dense", "transposed", "read-only"):
        arrays = place(hosts, device, memory_format)
        case.run(device.backend, arrays)
        after = to_host(device, not_donated(case, arrays))
        assert_unchanged(not_donated(case, hosts), after, f"{case}, {memory_format}: input")


@pytest.mark.kusari_cases(KERNELS)
def test_results_share_no_memory_with_inputs(device: Device, case: Case) -> None:
    hosts = case.draw(first_dtype(case, device))
    arrays = place(hosts, device)
    for y in results(device, case.run(device.backend, arrays)):
        if y is not None:
            y[...] = 1
    after = to_host(device, not_donated(case, arrays))
    assert_unchanged(not_donated(case, hosts), after, f"{case}: writing to a result: input")


@pytest.mark.kusari_cases(KERNELS)
def test_nothing_is_left_of_an_earlier_call(device: Device, case: Case) -> None:
    dtype = first_dtype(case, device)
    kept = results(device, case.run(device.backend, place(case.draw(dtype), device)))
    before = to_host(device, kept)
    other = case.run(device.backend, place(case.draw(dtype, salt=1), device))
    assert_values(device, case, other, case.expected(dtype, salt=1), dtype, "the oracle, in a second call")
    assert_unchanged(before, to_host(device, kept), f"{case}: a second call: result of the first")
    again = case.run(device.backend, place(case.draw(dtype), device))
    assert_values(device, case, again, before, dtype, "the same call before")


@pytest.mark.kusari_cases(PARAMETERISED)
def test_a_new_version_of_a_parameter_counts(device: Device, case: Case) -> None:
    dtype = first_dtype(case, device)
    first, second, third = (case.draw(dtype, salt) for salt in range(3))
    arrays = place(first, device)
    storages = {index: Storage(arrays[index]) for index in case.parameters}

    def check(hosts: list[Any], what: str) -> None:
        raw = case.run(device.backend, arrays)
        assert_values(device, case, raw, case.ask_oracle(hosts), dtype, f"the oracle, {what}")

    check(first, "of the first version")
    check(first, "of the first version, called again")
    hosts = list(first)
    for index, storage in storages.items():
        hosts[index] = second[index]
        arrays[index][...] = device.backend.from_host(np.asarray(hosts[index]), device.index)
        storage.touch()
    check(hosts, "after a parameter changed in place")
    for index, storage in storages.items():
        hosts[index] = third[index]
        storage.array = arrays[index] = device.backend.from_host(np.asarray(hosts[index]), device.index)
    check(hosts, "after a parameter got another array")


@pytest.mark.kusari_cases([case for case in KERNELS if case.donated])
def test_many_rows_at_once(device: Device, case: Case, dtype: str) -> None:
    count = 3
    rows = [case.draw(dtype, salt) for salt in range(count)]
    scalars = [{name: value * (1 - row / 8) for name, value in case.arguments.items()} for row in range(count)]
    columns = list(zip(*(place(row, device) for row in rows), strict=True))
    made = device.backend.foreach(case.target, columns, [tuple(row.values()) for row in scalars])
    assert len(made) == count
    for row, hosts in enumerate(rows):
        wanted = case.oracle(*(np.asarray(h, np.float64) for h in hosts), **scalars[row])
        assert_values(device, case, made[row], wanted, dtype, f"the oracle in row {row}, whose scalars are its own")
        after = to_host(device, not_donated(case, [column[row] for column in columns]))
        assert_unchanged(not_donated(case, hosts), after, f"{case}: row {row}, input")


@pytest.mark.kusari_cases(list({(case.name, case.label): case for case in reversed(FAMILIES)}.values()))
def test_a_plan_is_found_again(device: Device, case: FamilyCase) -> None:
    problem = case.problem_for(device.backend, first_dtype(case, device))
    plan = case.target.plan(device.backend, problem)
    assert plan.problem == problem
    assert plan.backend is device.backend
    assert case.target.plan(device.backend, problem) is plan, "plans are made anew: is the Problem not hashed by value?"
