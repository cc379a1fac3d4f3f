"""The implementations that ``--expect-chosen`` lists are the ones that run: none has silently stopped being chosen."""

from __future__ import annotations

import difflib

import pytest

from kusari.backend import Device, find_kernel
from kusari_testkit.cases import FAMILIES
from kusari_testkit.plugin import entries
from kusari_testkit.xfails import Entry, read_expectations


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill ``entry`` with the lines of the file."""
    found = entries(metafunc.config, "kusari_expectations", read_expectations)
    metafunc.parametrize("entry", found, ids=[entry.name for entry in found])


def test_chosen(device: Device, entry: Entry) -> None:
    name, _, rest = entry.name.partition(":")
    problem = None
    if rest:
        known = {
            f"{case.name}:{case.label}:{dtype}": (case, dtype)
            for case in FAMILIES
            for dtype in case.dtypes_on(device.backend)
        }
        near = ", ".join(difflib.get_close_matches(entry.name, known, n=3))
        assert entry.name in known, f"{entry.where}: no such case; near: {near or 'none'}"
        case, dtype = known[entry.name]
        problem = case.problem_for(device.backend, dtype)
    explanation = device.backend.explain(find_kernel(name), problem)
    override = explanation.chosen.override
    names = {override.source, getattr(override.implementation, "__name__", "?")}
    assert entry.text in names, f"{entry.where}: expected {entry.text} for {entry.name}\n{explanation}"
