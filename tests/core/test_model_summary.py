"""The table of a model, and that making it changes nothing; runtime information."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.backend import host_generator
from kusari.link_hooks import TimerHook
from kusari.model import Chain, Link


class Counting(Link):
    """Has a state, and remembers how it was called."""

    def __init__(self) -> None:
        super().__init__(W=(3,))
        self.W.array[...] = 1
        self.state: Any = None

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        self.state = 1 if self.state is None else self.state + 1
        assert not kusari.config.train
        assert not kusari.config.enable_backprop
        return {"scaled": x * self.W * scale, "parts": (x[0], [x[1]])}


def test_each_link_has_a_row() -> None:
    model = kusari.Sequential(L.MLPConvolution2D(3, (4, 2), 3), F.relu, L.Linear(None, 5))
    table = kusari.summary(model, np.ones((2, 3, 6, 6), "f"))
    found = {row.path: row for row in table.rows}
    assert list(found) == ["/", "/0", "/0/0", "/0/1", "/1"]
    assert found["/"][1:6] == ("Sequential", "(2, 5)", "float32", "287", "numpy")
    assert found["/0"][1:5] == ("MLPConvolution2D", "(2, 2, 4, 4)", "float32", "122")
    assert found["/0"].implementation.split(" (")[0].endswith("MLPConvolution")
    assert found["/0/0"][2:5] == ("", "", "112")  # inside the fused one: not called
    assert table.parameters == 287
    assert table.size == 287 * 4


def test_a_fused_link_that_runs_as_a_chain_says_why() -> None:
    block = L.MLPConvolution2D(3, (4, 2), 3, activation=lambda x: F.relu(x))  # a function unknown
    table = kusari.summary(block, np.ones((2, 3, 6, 6), "f"))
    assert table.rows[0].implementation == "its links, one by one: <lambda> is not an activation that kernels know"
    assert table.rows[1].output == "(2, 4, 4, 4)"
    assert "Convolution" in table.rows[1].implementation


def test_nothing_changes() -> None:
    model = Chain(a=L.Linear(None, 4), b=Counting())
    inner, state = model.b, dict(vars(model.b))
    with TimerHook() as hook, kusari.function_hooks.TimerHook() as functions:
        model.a.add_hook(TimerHook())
        kusari.seed(0)
        expected = host_generator().random()
        kusari.seed(0)
        kusari.summary(model.a, np.ones((1, 3), "f"))
        kusari.summary(inner, np.ones((2, 3), "f"), scale=2.0)
        assert host_generator().random() == expected
    assert hook.call_history == functions.call_history == []
    assert model.a.local_link_hooks["TimerHook"].call_history == []  # type: ignore[attr-defined]
    assert model.a.W.array is None
    assert vars(inner) == state
    assert inner.state is None
    assert kusari.config.train


def test_outputs_of_any_structure() -> None:
    (row,) = kusari.summary(Counting(), np.ones((2, 3), "f")).rows
    assert (row.output, row.dtype) == ("(2, 3), (3,), (3,)", "float32")


def test_shared_parameters_count_once_in_the_total() -> None:
    shared = L.Linear(3, 3)
    table = kusari.summary(kusari.Sequential(shared, shared), np.ones((1, 3), "f"))
    assert [row.parameters for row in table.rows] == ["24", "12", "12"]
    assert table.parameters == 12


def test_text_terminal_and_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    table = kusari.summary(L.Linear(3, 2), np.ones((1, 3), "f"))
    plain = str(table)
    assert plain.splitlines()[0].split("  ")[0] == "path"
    assert plain.splitlines()[-1] == "8 parameters, 0.00 MiB"
    assert repr(table) == plain
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    rich = str(table)
    assert "│" in rich
    assert "8 parameters" in rich
    page = table._repr_html_()
    assert page.startswith("<table><thead><tr><th>path</th>")
    assert "<td>Linear</td>" in page
    assert page.count("<tr>") == 2


def test_names_are_escaped_in_a_notebook() -> None:
    Odd = type("A<B>", (L.Linear,), {})
    assert "A&lt;B&gt;" in kusari.summary(Odd(3, 2), np.ones((1, 3), "f"))._repr_html_()


def test_an_error_of_the_model_is_shown() -> None:
    with pytest.raises(Exception, match="ReLU"):
        kusari.summary(kusari.Sequential(F.relu), np.ones(3, "int32"))


def test_runtime_information(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    kusari.print_runtime_info(out)
    lines = dict(line.split(": ", 1) for line in out.getvalue().splitlines())
    assert lines["numpy"] == np.__version__
    assert lines["backend numpy"] == f"numpy {np.__version__}"
    assert {"Platform", "Python", "kusari"} <= lines.keys()
    kusari.print_runtime_info()
    assert capsys.readouterr().out == out.getvalue()
