"""A Sphinx directive that documents a package's public names: what its ``__init__.py`` re-exports, from docstrings.

    .. public-names:: kusari.functions
       :from: kusari.functions.activation

The pages say which package, and which part of it; names, signatures and texts come from the code, so that a page
cannot fall behind.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

BARS: Final = re.compile(r"(?<![\\`])\|")
STARS: Final = re.compile(r"(?<![\\`*\w])(\*{1,2})(?=\w)(?![^\n`]*\1(?!\w))")


def re_exports(module: str) -> Iterator[tuple[str, str]]:
    """Yield each public name of a module, and the module that it is imported from (itself, where it is defined)."""
    file = importlib.import_module(module).__file__
    assert file is not None
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((alias.asname, node.module) for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, module


class PublicNames(SphinxDirective):
    """Document public functions, classes and values, sorted by name."""

    required_arguments = 1
    option_spec = {"from": directives.unchanged}  # noqa: RUF012 - docutils reads a plain dict

    def run(self) -> list[nodes.Node]:
        package = self.arguments[0]
        prefixes = tuple(self.options.get("from", "").split()) or ("",)
        module = importlib.import_module(package)
        lines = [f".. currentmodule:: {package}", ""]
        first_name: dict[int, str] = {}
        for name, source in sorted(re_exports(package)):
            value = getattr(module, name)
            if inspect.ismodule(value) or not any(_is_within(source, prefix) for prefix in prefixes):
                continue
            if id(value) in first_name:
                lines += [f"``{name}``", f"   Another name of :py:obj:`{first_name[id(value)]}`.", ""]
                continue
            first_name[id(value)] = name
            lines += [f".. auto{_kind(value)}:: {name}", ""]
        if not first_name:
            raise self.error(f"{package} re-exports nothing from {' '.join(prefixes)}")
        return self.parse_text_to_nodes("\n".join(lines))


def _is_within(module: str, prefix: str) -> bool:
    return not prefix or module == prefix or module.startswith(f"{prefix}.")


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if callable(value) and not isinstance(value, type) and hasattr(value, "__code__") else "data"


def escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Take |x| and *args in docstrings for what they are: no substitutions, no emphasis."""
    for index, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[index] = STARS.sub(r"\\\g<0>", BARS.sub(r"\\|", line))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before Napoleon
    return {"parallel_read_safe": True}
