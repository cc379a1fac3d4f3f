"""Type checks at their documented path: expressions, their texts, and what a failed check says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import FunctionNode
from kusari.errors import InvalidType
from kusari.utils import type_check
from kusari.utils.type_check import expect

Array = Callable[..., Any]

A, B = 7, 3


@pytest.mark.parametrize(
    "text",
    [
        "a + b * 2", "(a + b) * 2", "a - (b - 1)", "a - b - 1", "-a", "-(a + b)", "a * (b * 2)", "a ** b", "(-a) ** 2",
        "a // b // 2", "a % b", "(a + 1) % b", "a * b == 21", "a != b", "a <= b", "(a == 7) & (b == 2)",
        "(a == 7) | (b == 2)", "2 * (a + b)", "10 - (a - b)", "a == b + 1", "a / b", "2 ** a", "(a + b).real",
    ],
)  # fmt: skip
def test_an_expression_is_written_as_it_was_and_has_its_value(text: str) -> None:
    names = {"a": type_check.Variable(A, "a"), "b": type_check.Variable(B, "b")}
    made = eval(text, {}, names)
    assert isinstance(made, type_check.Expr)
    assert str(made) == text
    assert type_check.eval(made) == made.eval() == eval(text, {}, {"a": A, "b": B})


def test_subscripts_are_written_as_they_were() -> None:
    shape = type_check.make_variable((2, 3, 4), "x.shape")
    texts = [str(s) for s in (shape[0], shape[-1], shape[1:], shape[:-1], shape[::2], shape[0:3:2])]
    assert texts == [f"x.shape[{inside}]" for inside in ("0", "-1", "1:", ":-1", "::2", "0:3:2")]
    assert shape[1:].eval() == (3, 4)
    assert [str(length) for length in shape] == ["x.shape[0]", "x.shape[1]", "x.shape[2]"]
    assert len(shape) == 3
    assert type_check.make_variable(shape, "another") is shape


@pytest.mark.parametrize(
    ("make", "expected", "actual"),
    [
        (lambda v: v + 1 == 7, "v + 1 == 7", "6 != 7"),
        (lambda v: v < 2, "v < 2", "5 >= 2"),
        (lambda v: v <= 2, "v <= 2", "5 > 2"),
        (lambda v: v > 8, "v > 8", "5 <= 8"),
        (lambda v: v >= 8, "v >= 8", "5 < 8"),
        (lambda v: v != 5, "v != 5", "5 == 5"),
        (lambda v: type_check.Variable(2, "two") > v, "two > v", "2 <= 5"),
        (lambda v: v == type_check.prod([v, 2]), "v == prod([v, 2])", "5 != 10"),
    ],
)
def test_what_an_expectation_that_fails_says(make: Callable[[Any], Any], expected: str, actual: str) -> None:
    v = type_check.Variable(5, "v")
    with pytest.raises(InvalidType) as caught:
        expect(v == 5, make(v))
    assert (caught.value.expect, caught.value.actual) == (expected, actual)
    assert str(caught.value) == f"Expect: {expected}\nActual: {actual}"


def test_expectations_that_hold_or_are_plain() -> None:
    expect()
    expect(True, type_check.Variable(1, "one") == 1)
    with pytest.raises(AssertionError):
        expect(False)


def test_types_of_arrays(array: Array) -> None:
    data = (array([1.0, 2.0], "float32"), array([[1]], "int64"))
    light = type_check.get_light_types(data)
    assert isinstance(light, type_check.TypeInfoTuple)
    assert light.size() == 2
    assert [(t.shape, t.dtype, t.ndim, t.size) for t in light] == [
        ((2,), np.dtype("float32"), 1, 2),
        ((1, 1), np.dtype("int64"), 2, 1),
    ]
    named = type_check.get_types(data, "xs")
    with pytest.raises(InvalidType, match=r"xs\.size == 3\nActual: 2 != 3"):
        expect(named.size() == 3)
    with pytest.raises(InvalidType, match=r"xs\[1\]\.dtype\.kind == f\nActual: i != f"):
        expect(named[1].dtype.kind == "f")
    with pytest.raises(ValueError, match="accept_none"):
        type_check.get_types((None,))
    assert type_check.get_types((None,), accept_none=True)[0].shape.eval() is None


def test_products_and_types() -> None:
    assert type_check.prod((2, 3)) == 6
    shape = type_check.Variable((2, 3), "x.shape")
    assert str(type_check.prod(shape) == 7) == "prod(x.shape) == 7"
    assert type_check.prod(shape).eval() == 6
    assert type_check.same_types(np.ones(1), np.ones(2))
    assert not type_check.same_types(np.ones(1), 2)


class Paired(FunctionNode):
    """Its check states number, kind, rank and shapes."""

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        x, y = in_types
        expect(x.dtype.kind == "f", x.ndim == y.ndim + 1, x.shape[0] == y.shape[0])
        expect(type_check.prod(x.shape) < 100)

    def forward(self, inputs: Any) -> Any:
        return (inputs[0],)


@pytest.mark.parametrize(
    ("shapes", "expected", "actual"),
    [
        ([(2, 3)], "in_types.size == 2", "1 != 2"),
        ([(2, 3), (3,)], "in_types[0].shape[0] == in_types[1].shape[0]", "2 != 3"),
        ([(2, 3), (2, 3)], "in_types[0].ndim == in_types[1].ndim + 1", "2 != 3"),
        ([(2, 50), (2,)], "prod(in_types[0].shape) < 100", "100 >= 100"),
    ],
)
def test_a_failed_check_names_the_function(array: Array, shapes: Any, expected: str, actual: str) -> None:
    with pytest.raises(InvalidType) as caught:
        Paired().apply(tuple([array(np.zeros(shape)) for shape in shapes]))
    assert str(caught.value) == (
        f"\nInvalid operation is performed in: Paired (Forward)\n\nExpect: {expected}\nActual: {actual}"
    )


@pytest.mark.parametrize(
    ("check", "expected", "actual"),
    [
        (lambda types: expect(types[1].ndim == 2), "in_types.size >= 2", "1 < 2"),
        (lambda types: expect(types.size() == 2, types[1].ndim == 2), "in_types.size >= 2", "1 < 2"),
        (lambda types: expect(types[-3].ndim == 2), "in_types.size >= 3", "1 < 3"),
        (lambda types: expect(types[0].shape[2] == 4), "len(in_types[0].shape) >= 3", "2 < 3"),
        (lambda types: expect(types[0].shape[-4] == 4), "len(in_types[0].shape) >= 4", "2 < 4"),
    ],
)
def test_a_check_that_looks_for_more_than_there_is(array: Array, check: Any, expected: str, actual: str) -> None:
    class Looking(FunctionNode):
        def check_type_forward(self, in_types: Any) -> None:
            check(in_types)

        def forward(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(InvalidType) as caught:
        Looking().apply((array(np.zeros((2, 3))),))
    assert str(caught.value) == (
        f"\nInvalid operation is performed in: Looking (Forward)\n\nExpect: {expected}\nActual: {actual}"
    )


def test_an_index_error_of_the_check_itself_is_its_own(array: Array) -> None:
    class Careless(FunctionNode):
        ranks: tuple[int, ...] = ()

        def check_type_forward(self, in_types: Any) -> None:
            expect(in_types[0].ndim == self.ranks[1])

        def forward(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(IndexError, match="tuple index"):
        Careless().apply((array(np.zeros(2)),))


def test_the_structure_of_a_built_in_message(array: Array) -> None:
    with pytest.raises(InvalidType) as caught:
        F.relu(array([1], "int64"))
    head, (expected, actual) = str(caught.value).split("\n\n")[0], str(caught.value).split("\n\n")[1].split("\n")
    assert head == "\nInvalid operation is performed in: ReLU (Forward)"
    assert expected.startswith("Expect: x.dtype")
    assert actual == "Actual: int64"
