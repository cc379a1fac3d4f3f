"""docs/coverage.md says what is true, no documented function is lost, and none got more array operations."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from tools import coverage_page, function_calls
from tools.array_operations import counted, decode, encode, operations

ROWS = function_calls.documented()
GIVEN_OTHERWISE = {"function_hooks.PrintHook"}
"""Its documented default is ``sys.stdout``, which has a comma's look-alike; its own tests cover the parameters."""


@pytest.fixture(scope="module")
def found() -> list[function_calls.Use]:
    return function_calls.uses()


@pytest.fixture
def found_once(found: list[function_calls.Use], monkeypatch: pytest.MonkeyPatch) -> list[function_calls.Use]:
    monkeypatch.setattr(coverage_page, "uses", lambda: found)
    return found


@pytest.mark.usefixtures("found_once")
def test_the_page_is_up_to_date() -> None:
    committed = coverage_page.PAGE.read_text(encoding="utf-8")
    assert coverage_page.page() == committed, "docs/coverage.md is out of date: run python -m tools.coverage_page"


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 228
    assert len({row.name for row in ROWS}) == 227  # tanh is listed as an activation and as mathematics


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.group}")
def test_every_documented_function_exists(row: function_calls.Row) -> None:
    assert function_calls.find(row.name) is not None, f"kusari.{row.name} is documented and gone"


@pytest.mark.parametrize("row", [row for row in ROWS if row.name.startswith("functions.")], ids=lambda row: row.name)
def test_functions_take_the_documented_parameters(row: function_calls.Row) -> None:
    documented = re.findall(r"(?:^|, )\*{0,2}(\w+)", row.parameters.strip("()"))
    starred = re.findall(r"\*{1,2}(\w+)", row.parameters)
    own = inspect.signature(function_calls.find(row.name)).parameters
    catches_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values())
    positional = [name for name in documented if name not in starred]
    missing = [name for name in positional if name not in own and not catches_all]
    assert not missing, f"{row.name}{row.parameters}: {missing} missing"
    before_star = [name for name in positional if own[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [name for name in own if name in before_star] == before_star


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.group}")
def test_every_documented_function_is_checked(row: function_calls.Row, found: list[function_calls.Use]) -> None:
    in_kit = any(row.name in use.call.names for use in found)
    assert in_kit or coverage_page.tests_that_name(row), f"{row.name} has no case in the kit, and no test names it"


def test_no_function_takes_more_operations_than_the_original(found: list[function_calls.Use]) -> None:
    counts, reasons = coverage_page.figures(found), coverage_page.allowed()
    more = {name: count for name, count in counts.items() if count.more}
    assert not {name: count for name, count in more.items() if name not in reasons}
    assert not [name for name in reasons if name not in more], "these are allowed more and need it no longer"
    assert all(reasons.values())


def test_a_lost_row_is_seen(monkeypatch: pytest.MonkeyPatch, found_once: list[function_calls.Use]) -> None:
    import kusari.functions

    before = coverage_page.page()
    monkeypatch.delattr(kusari.functions, "relu")
    found_once[:] = [use for use in found_once if "functions.relu" not in use.call.names]
    assert "| `functions.relu` | **no** |" in coverage_page.page()
    assert coverage_page.page() != before


def _add_in_place(x: Any) -> None:
    x[1:] += x[:2]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x + 1, ["add"]),
        (lambda x: np.sum(x, axis=0), ["sum"]),
        (lambda x: x.sum(), ["sum"]),
        (lambda x: x @ x.T, ["matmul"]),
        (lambda x: np.tensordot(x, x, 2), ["tensordot"]),
        (lambda x: np.einsum("ij,kj->ik", x, x), ["einsum"]),
        (lambda x: np.concatenate([x, x]), ["concatenate"]),
        (lambda x: x.T.reshape(-1), ["reshape"]),
        (lambda x: x.reshape(-1)[2:][None].T, []),
        (lambda x: np.broadcast_to(x, (2, 3, 3)), []),
        (lambda x: x[[0, 2]], ["getitem"]),
        (lambda x: x.astype("f8"), ["astype"]),
        (lambda x: x.astype("f4", copy=False), []),
        (lambda x: x.__setitem__(0, 1), ["setitem"]),
        (lambda x: x[1:].__iadd__(1), ["add"]),
        (_add_in_place, ["add"]),
        (lambda x: np.dot(x, x, out=np.empty((3, 3), "f4")), ["dot"]),
        (lambda x: np.where(x > 0, x, 0), ["greater", "where"]),
        (lambda x: np.add(x, 1, out=x) * 2, ["add", "multiply"]),
        (lambda x: np.maximum.reduce(x), ["maximum.reduce"]),
    ],
)
def test_operations_are_counted(call: Any, expected: list[str]) -> None:
    x = counted(np.ones((3, 3), "f4"))
    with operations() as done:
        call(x)
    assert done == expected


def test_results_of_counted_arrays_count() -> None:
    space = function_calls.namespace()
    x = space.zeros((2, 3))
    with operations() as done:
        y = space.exp(space.reshape(space.concat([x, x]), (3, 4))[1:, :])
        z, w = space.unstack(y)
        z += w
    assert done == ["concatenate", "exp", "add"]


def test_arguments_can_be_replayed() -> None:
    value = [np.arange(6, dtype="i4").reshape(2, 3), (slice(None, 2), ..., None, "word"), 0.5]
    again = decode(encode(value), lambda array, requires_grad: array)
    np.testing.assert_array_equal(again[0], value[0])
    assert (again[0].dtype, again[1:]) == (np.dtype("i4"), value[1:])
