"""Recurrent layers with compiled cells against single sequences step by step, and against the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_numpy.arrays import compiled, in_format

from kusari.backend import get_backend
from kusari.kernels.n_step_rnn import Recurrence
from kusari_numpy.kernels.n_step_rnn import SMALLEST, CompiledRecurrence
from kusari_numpy.products import Packed
from kusari_numpy.threads import get_num_threads, set_num_threads
from kusari_testkit.cases.n_step_rnn import Stack

pytestmark = compiled


class Example:
    """A stack of layers with numbers."""

    def __init__(self, stack: Stack, dtype: str, seed: int = 0, memory: str = "dense") -> None:
        self.stack, self.problem = stack, stack.problem(np.dtype(dtype))
        self.rng, self.dtype, self.memory = np.random.default_rng(seed), dtype, memory
        self.x = self.draw(self.problem.x)
        self.states = [self.draw(stack.hx) for _ in range(1 + stack.memory)]
        self.matrices = [self.draw(shape) / np.sqrt(shape[1]) for shape in stack.matrices()]
        self.biases = [self.draw(shape) for shape in stack.biases()]
        self.masks = [2 * (self.draw(shape) > 0).astype(dtype) for shape in stack.masks()]
        width = stack.directions * stack.units
        self.gradients = [self.draw(shape) for shape in ((self.problem.x[0], width), *[stack.hx] * (1 + stack.memory))]

    def draw(self, shape: tuple[int, ...]) -> Any:
        return in_format(self.rng.standard_normal(shape).astype(self.dtype), self.memory)

    def forward(self, plan: Any) -> Any:
        weights = self.stack.weights(self.matrices, self.biases)
        return plan.forward(self.x, *self.both(self.states), weights, tuple(self.masks))

    def backward(self, plan: Any, kept: Any) -> list[Any]:
        gy, *states = self.gradients
        made = plan.backward(kept, tuple(self.masks), gy, *self.both(states))
        sides = [p for side in range(2) for layer in made.weights for p in layer[side]]
        return [made.x, made.hx, *([made.cx] if self.stack.memory else []), *sides]

    def both(self, states: list[Any]) -> tuple[Any, Any]:
        return states[0], states[1] if self.stack.memory else None

    def expected(self) -> tuple[Any, ...]:
        wide = [array.astype("d") for array in (self.x, *self.states, *self.matrices, *self.biases, *self.masks)]
        count = len(self.states)
        return self.stack.outputs(wide[0], wide[1 : 1 + count], wide[1 + count :])


@st.composite
def examples(draw: Any, dtype: str) -> Example:
    """Draw sorted sequences, some of which may be empty, in any memory, read-only."""
    batch = draw(st.integers(1, 5))
    sizes = sorted(draw(st.lists(st.integers(0, batch), min_size=1, max_size=4)), reverse=True)
    stack = Stack(
        draw(st.sampled_from(["lstm", "gru", "tanh", "relu"])),
        "drawn",
        tuple(sizes),
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        batch,
        draw(st.integers(1, 9)),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
    )
    memory = draw(st.sampled_from(["dense", "slice", "reversed axes"]))
    return Example(stack, dtype, draw(st.integers(0, 99)), memory)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dtype=st.sampled_from("fd"))
def test_outputs_against_single_sequences(data: st.DataObject, dtype: str) -> None:
    example = data.draw(examples(dtype))
    y, hy, cy, _ = example.forward(CompiledRecurrence(get_backend("numpy"), example.problem))
    for found, expected in zip((y, hy, *(() if cy is None else (cy,))), example.expected(), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 if dtype == "d" else 2e-5)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_gradients_against_the_portable_definition_and_for_a_second_time(data: st.DataObject) -> None:
    example, backend = data.draw(examples("d")), get_backend("numpy")
    plan, portable = CompiledRecurrence(backend, example.problem), Recurrence(backend, example.problem)
    kept = example.forward(plan)[3]
    found = example.backward(plan, kept)
    before = [array.copy() for array in found]
    expected = example.backward(portable, example.forward(portable)[3])
    again = example.backward(plan, kept)  # rooms are in use for the second time: nothing of the first may lie there
    for first, copy, second, other in zip(found, before, again, expected, strict=True):
        np.testing.assert_array_equal(first, copy)
        np.testing.assert_array_equal(second, copy)
        np.testing.assert_allclose(first, other, rtol=0, atol=1e-12)


def test_gradients_against_finite_differences() -> None:
    for cell in ("lstm", "gru"):
        example = Example(Stack(cell, "small", (3, 2), directions=2), "d")
        plan = CompiledRecurrence(get_backend("numpy"), example.problem)
        found = example.backward(plan, example.forward(plan)[3])
        inputs = [np.array(a) for a in (example.x, *example.states, *example.matrices, *example.biases)]
        for one, other in zip(found, example.stack.gradients(*inputs, *example.gradients), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_large_steps_give_the_same_whatever_the_number_of_threads(cell: str) -> None:
    example = Example(Stack(cell, "large", (300, 200), batch=300, units=256, size=5), "f")
    plan: Any = Recurrence.plan(get_backend("numpy"), example.problem)
    assert isinstance(plan, CompiledRecurrence)
    before, results = get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            *made, kept = example.forward(plan)
            results.append([a for a in (*made, *example.backward(plan, kept)) if a is not None])
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(results[0][0], example.expected()[0], rtol=0, atol=1e-5)


def test_matrices_are_packed_where_many_rows_go_by() -> None:
    for steps, batch, packed in ((8, 2, True), (7, 2, False), (8, 1, False)):
        example = Example(Stack("lstm", "packed", (batch,) * steps, batch=batch, units=128), "f")
        plan = CompiledRecurrence(get_backend("numpy"), example.problem)
        matrix = np.random.default_rng(0).standard_normal((512, 128)).astype("f")
        for one, transposed in ((matrix, False), (matrix.T, True)):
            factor = plan.as_factor(matrix, transposed)
            assert isinstance(factor, Packed) is packed
            rows = np.random.default_rng(1).standard_normal((batch, len(one))).astype("f")
            np.testing.assert_allclose(
                plan.times(rows, factor), np.einsum("nk,km->nm", rows, one, dtype="d"), atol=1e-4
            )


def test_infinite_and_missing_numbers_stay_in_their_sequence() -> None:
    example = Example(Stack("lstm", "bad", (4, 4, 4), batch=4, units=128, size=5), "f")
    x = np.array(example.x)
    x[1, 2], x[6, 0] = np.nan, np.inf  # sequence 1 from the first step on, and 2 in the second
    example.x = x
    plan = CompiledRecurrence(get_backend("numpy"), example.problem)
    *_, kept = made = example.forward(plan)
    assert np.isnan(made[0][[1, 5, 9]]).all()
    assert np.isfinite(made[0][[0, 2, 3, 4, 6, 7, 8, 10, 11]]).all()  # tanh(∞) is 1
    assert np.isfinite(example.backward(plan, kept)[0][[0, 3, 4, 7, 8, 11]]).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"dtype": np.dtype("float16")}, "not float16"), ({"hx": (1, 3, 9)}, f"fewer than {SMALLEST}")],
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    problem = Stack("gru", "", (9, 9), batch=9, units=99).problem(np.dtype("f"))
    explain = get_backend("numpy").explain
    assert explain(Recurrence, problem).chosen.override.implementation is CompiledRecurrence
    explanation = explain(Recurrence, problem._replace(**change))
    assert explanation.chosen.override.source == "portable"
    assert reason in str(explanation)
