"""Drawing graphs: nodes and edges, their text, and Graphviz where it is installed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Function, Variable, VariableNode
from kusari.computational_graph import ComputationalGraph, build_computational_graph


@pytest.fixture
def made() -> tuple[Variable, Variable]:
    x = Variable(np.ones((2, 3), "f"), name="x")
    return x, F.relu(x * 2) + x


def labels(graph: ComputationalGraph) -> list[str]:
    return [node["label"] for node in json.loads(graph.dump("json"))["nodes"]]


def edges(graph: ComputationalGraph) -> set[tuple[str, str]]:
    """The edges by label, functions alone."""
    written = json.loads(graph.dump("json"))
    names = {node["id"]: node["label"] for node in written["nodes"]}
    return {(names[start], names[end]) for start, end in written["edges"]}


def test_nodes_are_everything_that_the_outputs_come_from(made: tuple[Variable, Variable]) -> None:
    x, y = made
    graph = build_computational_graph([y])
    assert labels(graph)[0] == "x: (2, 3), float32"
    assert [label for label in labels(graph) if "float32" not in label] == ["_ * 2", "ReLU", "_ + _"]
    assert len(graph.nodes) == 7
    assert len(graph.edges) == 7
    assert {type(node) for node in graph.nodes if node.label == "(2, 3), float32"} == {VariableNode}
    assert x.node in graph.nodes
    assert (x.node, y.creator_node) in graph.edges
    assert (y.creator_node, y.node) in graph.edges


def test_functions_alone(made: tuple[Variable, Variable]) -> None:
    graph = build_computational_graph(made[1], remove_variable=True)
    assert edges(graph) == {("_ * 2", "ReLU"), ("ReLU", "_ + _")}
    assert "float32" not in graph.dump()


def test_text_for_graphviz(made: tuple[Variable, Variable]) -> None:
    text = build_computational_graph(
        [made[1]], rankdir="LR", variable_style={"fillcolor": "red"}, function_style={"shape": "ellipse"}
    ).dump()
    assert text.startswith("digraph graphname{rankdir=LR;")
    assert text.endswith("}")
    statements = text.partition("{")[2].removesuffix("}").rstrip(";").split(";")[1:]
    assert statements[0] == '0 [label="x: (2, 3), float32",fillcolor="red"]'
    assert '1 [label="_ * 2",shape="ellipse"]' in statements
    arrows = [statement for statement in statements if "->" in statement]
    assert len(arrows) == 7
    assert all(re.fullmatch(r"\d+ -> \d+", arrow) for arrow in arrows)
    assert (
        text
        == build_computational_graph(
            [made[1]], rankdir="LR", variable_style={"fillcolor": "red"}, function_style={"shape": "ellipse"}
        ).dump()
    )


def test_names_may_be_left_out_and_are_escaped(made: tuple[Variable, Variable]) -> None:
    made[0].name = 'a "b" \\'
    assert '"a \\"b\\" \\\\: (2, 3), float32"' in build_computational_graph([made[1]]).dump()
    assert "a " not in build_computational_graph([made[1]], show_name=False).dump()
    assert 'label="\\|_\\|"' in build_computational_graph([abs(made[1])]).dump()  # a record's fields


def test_what_may_be_drawn(made: tuple[Variable, Variable]) -> None:
    class Old(Function):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

    x, y = made
    parts = F.split_axis(x, 3, 1)
    assert labels(build_computational_graph(parts)).count("SplitAxis") == 1
    assert labels(build_computational_graph(x)) == ["x: (2, 3), float32"]
    assert labels(build_computational_graph([Old()(x)]))[1] == "Old"
    for start in (y.node, y.creator_node):
        assert "ReLU" in labels(build_computational_graph(start))


def test_a_long_chain_is_drawn() -> None:
    y = Variable(np.ones(1, "f"))
    for _ in range(3000):
        y = y + 1
    assert len(build_computational_graph(y).nodes) == 6001


def test_graph_mistakes(made: tuple[Variable, Variable]) -> None:
    with pytest.raises(ValueError, match="expected TB, BT, LR, RL"):
        build_computational_graph([made[1]], rankdir="XX")
    with pytest.raises(ValueError, match="remove_split"):
        build_computational_graph([made[1]], remove_split=False)
    with pytest.raises(NotImplementedError, match="'dot' or 'json'"):
        build_computational_graph([made[1]]).dump("png")
    with pytest.raises(TypeError, match="expected Variables, got ndarray"):
        build_computational_graph([np.ones(2)])
    with pytest.raises(ValueError, match="style 'grey'"):
        build_computational_graph([made[1]], variable_style="grey")


def test_drawing_needs_graphviz(
    made: tuple[Variable, Variable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = build_computational_graph([made[1]])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert graph._repr_svg_() is None
    with pytest.raises(RuntimeError, match="install its program dot"):
        graph.render(tmp_path / "graph.svg")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_drawing(made: tuple[Variable, Variable], tmp_path: Path) -> None:
    drawn = build_computational_graph([made[1]]).render(tmp_path / "graph.svg").read_text()
    assert "<svg" in drawn
    assert "ReLU" in drawn


def test_drawing_calls_the_program(
    made: tuple[Variable, Variable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\necho "$1" >&2\ngrep -q ReLU && [ "$1" = -Tsvg ] && echo "<svg/>"\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    graph = build_computational_graph([made[1]])
    assert graph.render(tmp_path / "graph.svg").read_text() == "<svg/>\n"
    assert graph._repr_svg_() == "<svg/>\n"
    with pytest.raises(RuntimeError, match="dot -Tnosuch failed: -Tnosuch"):
        graph.render(tmp_path / "graph.nosuch")
