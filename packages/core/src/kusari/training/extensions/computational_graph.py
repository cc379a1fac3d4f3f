"""Drawing the graph of a loss."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kusari.autograd import Variable
from kusari.configuration import config
from kusari.graph import build_computational_graph
from kusari.training.extension import Extension
from kusari.training.triggers import OnceTrigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class DumpGraph(Extension):
    """Write the graph of a reported Variable to a file in the DOT language, in the first iteration.

    Where Graphviz's ``dot`` is installed, a picture (``.png``) is made, too. Graphs of reported values are kept until
    then.

    Args:
        root_name: The Variable's name among the observations: ``main/loss``.
        filename: In the output folder.
        variable_style: Graphviz attributes of Variables' nodes. Default: those of ``build_computational_graph``.
        function_style: Graphviz attributes of functions' nodes. Default: as well.
        **kwargs: ``out_name``, the old name of ``filename``.
    """

    default_name = "dump_graph"

    def __init__(
        self,
        root_name: str,
        filename: str = "cg.dot",
        variable_style: Mapping[str, Any] | None = None,
        function_style: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._filename = kwargs.pop("out_name", filename)
        if kwargs:
            raise TypeError(f"DumpGraph() got unexpected keyword(s) {', '.join(kwargs)}")
        self._root_name = root_name
        given = {"variable_style": variable_style, "function_style": function_style}
        self._styles: dict[str, Any] = {name: style for name, style in given.items() if style is not None}
        self._once = OnceTrigger()
        self._kept_before: bool | None = None

    def trigger(self, trainer: Trainer) -> bool:
        """Tell whether the graph is still to be drawn."""
        return self._once(trainer)

    def initialize(self, trainer: Trainer) -> None:
        if not self._once.finished:
            self._kept_before, config.keep_graph_on_report = config.keep_graph_on_report, True

    def __call__(self, trainer: Trainer) -> None:
        self._restore()
        root = trainer.observation.get(self._root_name)
        if not isinstance(root, Variable):
            known = ", ".join(name for name, value in trainer.observation.items() if isinstance(value, Variable))
            raise ValueError(f"DumpGraph({self._root_name!r}): no such Variable was reported; there are: {known}")
        graph = build_computational_graph([root], **self._styles)
        path = os.path.join(trainer.out, self._filename)
        with open(path, "w", encoding="utf-8") as file:
            file.write(graph.dump())
        dot = shutil.which("dot")
        if dot is not None:
            picture = f"{os.path.splitext(path)[0]}.png"
            subprocess.run([dot, "-Tpng", path, "-o", picture], check=True)

    def _restore(self) -> None:
        if self._kept_before is not None:
            config.keep_graph_on_report, self._kept_before = self._kept_before, None

    def finalize(self) -> None:
        self._restore()

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load whether the graph was drawn."""
        self._once.serialize(serializer["_trigger"])


dump_graph = DumpGraph  # its old name
