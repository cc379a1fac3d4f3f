"""The graph behind Variables, as nodes and edges, and as text for Graphviz."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from kusari.autograd import FunctionNode, Variable, VariableNode

RANKDIRS: Final = ("TB", "BT", "LR", "RL")
"""From top to bottom, and so on."""
_VARIABLE_STYLE: Final = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
_FUNCTION_STYLE: Final = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}


class ComputationalGraph:
    """Nodes and edges of a graph, and how to draw them.

    Args:
        nodes: VariableNodes and FunctionNodes.
        edges: Pairs of nodes: from an input to a function, and from a function to an output.
        variable_style: Graphviz attributes of variables; ``"default"`` or None: grey octagons.
        function_style: The same for functions; ``"default"``: blue boxes.
        rankdir: ``TB``, ``BT``, ``LR`` or ``RL``: in which direction the graph grows.
        remove_variable: Draw functions alone, each with an arrow to those that use its outputs.
        show_name: Write the names of Variables that have one.

    Raises:
        ValueError: Another direction.
    """

    def __init__(
        self,
        nodes: Iterable[Any],
        edges: Iterable[tuple[Any, Any]],
        variable_style: Mapping[str, Any] | str | None = "default",
        function_style: Mapping[str, Any] | str | None = "default",
        rankdir: str = "TB",
        remove_variable: bool = False,
        show_name: bool = True,
    ) -> None:
        if rankdir not in RANKDIRS:
            raise ValueError(f"rankdir={rankdir!r}: expected {', '.join(RANKDIRS)}")
        self.nodes = list(nodes)
        self.edges = list(edges)
        self.variable_style = _style(variable_style, _VARIABLE_STYLE)
        self.function_style = _style(function_style, _FUNCTION_STYLE)
        self.rankdir = rankdir
        self.remove_variable = remove_variable
        self.show_name = show_name

    def dump(self, format: str = "dot") -> str:
        """Return the graph as text.

        Args:
            format: ``dot``, for Graphviz; or ``json``: nodes (``id``, ``kind``, ``label``) and edges (pairs of ids).

        Raises:
            NotImplementedError: Another format.

        >>> x = kusari.Variable(np.ones((2, 3), "f"), name="x")
        >>> print(build_computational_graph([F.relu(x)], remove_variable=True).dump())
        digraph graphname{rankdir=TB;0 [label="ReLU",shape="record",fillcolor="#6495ED",style="filled"];}
        """
        if format == "dot":
            return self._dot()
        if format == "json":
            return self._json()
        raise NotImplementedError(f"dump(format={format!r}): expected 'dot' or 'json'")

    def render(self, path: str | Path) -> Path:
        """Draw the graph into a file with Graphviz; the suffix says what kind: ``.svg``, ``.png``, ``.pdf``.

        Raises:
            RuntimeError: Graphviz is not installed, or failed.
        """
        target = Path(path)
        target.write_bytes(self._draw(target.suffix.removeprefix(".")))
        return target

    def _repr_svg_(self) -> str | None:
        """Draw the graph in a notebook, where Graphviz is installed."""
        return self._draw("svg").decode() if shutil.which("dot") else None

    def _draw(self, kind: str) -> bytes:
        program = shutil.which("dot")
        if program is None:
            raise RuntimeError("drawing a graph needs Graphviz: install its program dot, or use dump() alone")
        done = subprocess.run([program, f"-T{kind}"], input=self._dot().encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"dot -T{kind} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def _shown(self) -> tuple[dict[Any, int], list[tuple[Any, Any]]]:
        """Return the nodes to draw, numbered in their order, and the edges between them."""
        if not self.remove_variable:
            return {node: number for number, node in enumerate(self.nodes)}, self.edges
        functions = [node for node in self.nodes if not isinstance(node, VariableNode)]
        makers = {end: start for start, end in self.edges if isinstance(end, VariableNode)}
        uses = [(start, end) for start, end in self.edges if isinstance(start, VariableNode)]
        edges = [(makers[variable], user) for variable, user in uses if variable in makers]
        return {node: number for number, node in enumerate(functions)}, edges

    def _label(self, node: Any) -> str:
        if isinstance(node, VariableNode) and self.show_name and node.name is not None:
            return f"{node.name}: {node.label}"
        return str(node.label)

    def _dot(self) -> str:
        numbers, edges = self._shown()
        statements = [f"rankdir={self.rankdir};"]
        for node, number in numbers.items():
            style = self.variable_style if isinstance(node, VariableNode) else self.function_style
            label = _escaped(self._label(node))
            if "record" in str(style.get("shape")):
                label = re.sub(r"([{}|<>])", r"\\\1", label)  # which would divide a record into fields
            inside = ",".join([f'label="{label}"', *(f'{key}="{_escaped(value)}"' for key, value in style.items())])
            statements.append(f"{number} [{inside}];")
        statements += [f"{numbers[start]} -> {numbers[end]};" for start, end in edges]
        return f"digraph graphname{{{''.join(statements)}}}"

    def _json(self) -> str:
        numbers, edges = self._shown()
        nodes = [
            {"id": n, "kind": "variable" if isinstance(node, VariableNode) else "function", "label": self._label(node)}
            for node, n in numbers.items()
        ]
        return json.dumps({"nodes": nodes, "edges": [[numbers[start], numbers[end]] for start, end in edges]})


def build_computational_graph(
    outputs: Variable | Iterable[Any],
    remove_split: bool = True,
    variable_style: Mapping[str, Any] | str | None = "default",
    function_style: Mapping[str, Any] | str | None = "default",
    rankdir: str = "TB",
    remove_variable: bool = False,
    show_name: bool = True,
) -> ComputationalGraph:
    """Return the graph of everything that Variables were computed from.

    Args:
        outputs: Where to start: Variables, VariableNodes or FunctionNodes, or one of them.
        remove_split: Only True.
        variable_style: See `ComputationalGraph`.
        function_style: See `ComputationalGraph`.
        rankdir: See `ComputationalGraph`.
        remove_variable: See `ComputationalGraph`.
        show_name: See `ComputationalGraph`.

    Raises:
        ValueError: ``remove_split=False``, or another ``rankdir``.
        TypeError: Something in ``outputs`` that is in no graph.

    >>> graph = build_computational_graph(F.relu(kusari.Variable(np.ones(3, "f")) * 2))
    >>> [node.label for node in graph.nodes]
    ['(3), float32', '_ * 2', '(3), float32', 'ReLU', '(3), float32']
    """
    if not remove_split:
        raise ValueError("build_computational_graph(remove_split=False): expected True; there are no split nodes")
    if isinstance(outputs, Variable | VariableNode | FunctionNode):
        outputs = [outputs]
    starts = [_node_of(output) for output in outputs]
    nodes, edges = _collect(starts)
    return ComputationalGraph(nodes, edges, variable_style, function_style, rankdir, remove_variable, show_name)


def _node_of(output: Any) -> Any:
    node = output.node if isinstance(output, Variable) else getattr(output, "node", output)
    if not isinstance(node, VariableNode | FunctionNode):
        raise TypeError(f"build_computational_graph(): expected Variables, got {type(output).__name__}")
    return node


def _collect(starts: list[Any]) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Return what the starts come from, inputs before outputs, and the edges, without repetition."""
    found: dict[Any, None] = {}
    edges: dict[tuple[Any, Any], None] = {}
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found[node] = None
        if isinstance(node, VariableNode):
            before = [] if node.creator_node is None else [node.creator_node]
        else:
            before = list(node.inputs)
        edges.update(dict.fromkeys((source, node) for source in before))
        stack.extend(before)
    # A function's rank is that of its deepest input; its outputs are one deeper. Sorting is stable.
    nodes = sorted(found, key=lambda node: 2 * node.rank + isinstance(node, FunctionNode))
    place = {node: number for number, node in enumerate(nodes)}
    return nodes, sorted(edges, key=lambda edge: (place[edge[1]], place[edge[0]]))


def _style(given: Mapping[str, Any] | str | None, default: Mapping[str, Any]) -> Mapping[str, Any]:
    if given is None or given == "default":
        return default
    if isinstance(given, str):
        raise ValueError(f"style {given!r}: expected 'default' or a mapping of Graphviz attributes")
    return given


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"')
