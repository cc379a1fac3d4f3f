"""Convolution by cuDNN: which graphs the plugin writes, and what becomes of them, by a frontend that stands in."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.backend_cupy import frontend
from tests.backend_cupy.frontend import Note
from tests.backend_cupy.host_cupy import array, host_backend

import kusari
from kusari.backend import get_backend
from kusari.kernels.activation import Activation, relu, relu_grad, tanh, tanh_grad
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_cupy.backend import CupyBackend
from kusari_cupy.kernels.conv import CudnnConvolution

RELU = Activation("relu", relu, relu_grad)
TANH = Activation("tanh", tanh, tanh_grad)
ONES = Window((3, 3), (1, 1), (1, 1), (1, 1))


REFUSED: list[frozenset[str]] = [frozenset(), frozenset({"bias", "relu"}), frozenset({"conv_fprop", "conv_dgrad"})]


def problem_of(window: Window = ONES, **fields: Any) -> ConvolutionProblem:
    return ConvolutionProblem((2, 3, 5, 6), (4, 3, *window.size), window, np.dtype("float32"), **fields)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[frontend.Graph]:
    cudnn, graphs = frontend.module()
    monkeypatch.setitem(sys.modules, "cudnn", cudnn)
    return graphs


def operands(problem: ConvolutionProblem) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    shapes = (problem.x, problem.W, (problem.W[0],), problem.y)
    x, W, b, gy = (rng.standard_normal(shape).astype("f") for shape in shapes)
    return x, W, b if problem.bias else None, gy


def compare(problem: ConvolutionProblem, backend: CupyBackend) -> None:
    """Check all passes against the definition."""
    given_arrays = x, W, b, gy = operands(problem)
    definition = Convolution(get_backend("numpy"), problem)
    plan = Convolution.plan(backend, problem)
    assert isinstance(plan, CudnnConvolution)
    ours_x, ours_W, ours_b, ours_gy = (None if a is None else array(a) for a in given_arrays)
    pairs = [
        (plan.forward(ours_x, ours_W, ours_b), definition.forward(x, W, b)),
        (plan.grad_input(ours_W, ours_gy), definition.grad_input(W, gy)),
        (plan.grad_weight(ours_x, ours_gy), definition.grad_weight(x, gy)),
    ]
    for ours, expected in pairs:
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_all_passes_are_as_defined(data: st.DataObject) -> None:
    number, axes = data.draw, data.draw(st.sampled_from([2, 3]))
    small = st.integers(1, 3)
    window = Window(
        *(
            tuple(number(s) for _ in range(axes))
            for s in (small, st.integers(1, 2), st.integers(0, 2), st.integers(1, 2))
        )
    )
    groups, per_group, out = number(st.sampled_from([1, 2])), number(small), number(small)
    shape = (number(small), groups * per_group, *(number(st.integers(3, 7)) for _ in range(axes)))
    assume(all(n >= 1 for n in window.out_shape(shape[2:])))
    problem = ConvolutionProblem(
        shape,
        (groups * out, per_group, *window.size),
        window,
        np.dtype("float32"),
        groups=groups,
        bias=number(st.booleans()),
        activation=number(st.sampled_from([None, RELU, TANH])),
    )
    cudnn, _ = frontend.module(
        number(st.sampled_from([frozenset(), frozenset({"bias", "relu"}), frozenset({"conv_fprop"})]))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cudnn", cudnn)
        compare(problem, host_backend())


def test_bias_and_activation_are_in_the_graph(made: list[frontend.Graph]) -> None:
    compare(problem_of(bias=True, activation=RELU), host_backend())
    assert [graph.operations for graph in made] == [["conv_fprop", "bias", "relu"], ["conv_dgrad"], ["conv_wgrad"]]
    assert made[0].steps == [
        *("validate", "build_operation_graph", "create_execution_plans", "check_support"),
        "HEURISTICS_CHOICE",
    ]


def test_graphs_are_built_once(made: list[frontend.Graph]) -> None:
    backend = host_backend()
    for _ in range(3):
        compare(problem_of(), backend)
    assert len(made) == 3
    assert [len(graph.executed) for graph in made] == [3, 3, 3]


@pytest.mark.parametrize(
    ("precision", "deterministic", "barred"),
    [
        ("ieee", False, {Note.TENSOR_CORE, Note.DOWN_CONVERT_INPUTS, Note.REDUCED_PRECISION_REDUCTION}),
        ("tf32", False, set()),
        ("tf32", True, {Note.NONDETERMINISTIC}),
    ],
)
def test_the_configuration_bars_kernels(
    made: list[frontend.Graph], precision: str, deterministic: bool, barred: set[Any]
) -> None:
    with kusari.using_config("cudnn_deterministic", deterministic):
        compare(problem_of(precision=precision), host_backend())
    assert all(set(graph.barred) == barred for graph in made)


def test_never_means_never(made: list[frontend.Graph]) -> None:
    with kusari.using_config("use_cudnn", "never"):
        compare(problem_of(), host_backend())
    assert not made


def test_autotune_takes_the_fastest_plan(made: list[frontend.Graph]) -> None:
    backend = host_backend()
    started: list[Any] = []
    backend.cupy.cuda.Event = lambda: _Event(started, made)
    backend.cupy.cuda.get_elapsed_time = lambda first, last: {1: 5.0, 2: 3.0}[last.plan]
    with kusari.using_config("autotune", True):
        for _ in range(2):
            compare(problem_of(), backend)
    for graph in made:
        assert graph.steps[-1] == "ALL"
        assert graph.executed == [*[1] * 4, *[2] * 4, 2, 2]  # a first run and three trials of each, then the calls


class _Event:
    def __init__(self, started: list[Any], made: list[frontend.Graph]) -> None:
        self.made = made

    def record(self) -> None:
        self.plan = self.made[-1].executed[-1]

    def synchronize(self) -> None:
        assert self.plan is not None


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (problem_of()._replace(dtype=np.dtype("float64")), "float64 is not among float16"),
        (problem_of(cover_all=True), "hang over the edge"),
        (problem_of(precision="tf32x3"), "tf32x3"),
        (problem_of()._replace(x=(0, 3, 5, 6)), "nothing to compute"),
        (ConvolutionProblem((1, 2, 9), (2, 2, 3), Window((3,), (1,), (0,), (1,)), np.dtype("f")), "two or three"),
    ],
)
def test_what_it_does_not_accept_is_said(made: list[frontend.Graph], problem: ConvolutionProblem, reason: str) -> None:
    explained = host_backend().explain(Convolution, problem)
    assert explained.chosen.override.implementation is not CudnnConvolution
    assert reason in str(explained)


def test_without_cudnn_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cudnn", None)
    assert "pip install 'kusari-backend-cupy[cudnn]'" in str(host_backend().explain(Convolution, problem_of()))
    old, _ = frontend.module(version=8_904)
    monkeypatch.setitem(sys.modules, "cudnn", old)
    assert "cuDNN 8904 is too old" in str(host_backend().explain(Convolution, problem_of()))

    def missing() -> int:
        raise RuntimeError("Unable to find symbol cudnnGetVersion")

    old.backend_version = missing  # type: ignore[attr-defined]
    assert "cuDNN itself is not there (Unable to find symbol" in str(host_backend().explain(Convolution, problem_of()))


def test_the_frontend_itself_takes_what_is_written() -> None:
    cudnn = pytest.importorskip("cudnn", reason="cuDNN's frontend is not installed", exc_type=ImportError)
    kinds = cudnn.data_type
    plan = CudnnConvolution.__new__(CudnnConvolution)
    plan.problem = problem_of(bias=True, activation=RELU)
    for write in (functools.partial(plan._write_forward, fused=True), plan._write_grad_input, plan._write_grad_weight):
        graph = cudnn.pygraph(
            io_data_type=kinds.FLOAT, intermediate_data_type=kinds.FLOAT, compute_data_type=kinds.FLOAT
        )
        inputs, output = write(graph)
        output.set_output(True).set_data_type(kinds.FLOAT)
        assert list(inputs[0].get_dim()) == list(plan.problem.W if write == plan._write_grad_input else plan.problem.x)
        assert len(inputs) == (3 if isinstance(write, functools.partial) else 2)
    for name in ("NONDETERMINISTIC", "TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"):
        assert hasattr(cudnn.numerical_note, name)
    for name in ("validate", "build_operation_graph", "create_execution_plans", "deselect_numeric_notes", "execute"):
        assert callable(getattr(cudnn.pygraph, name))
    assert hasattr(cudnn.build_plan_policy, "ALL")
    assert hasattr(cudnn.heur_mode, "FALLBACK")
    assert issubclass(cudnn.cudnnGraphNotSupportedError, Exception)
