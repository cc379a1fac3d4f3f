"""Write docs/coverage.md: every documented function, what it is checked against, and what runs it on which backend.

The page is made from the table of documented names, the live functions, the conformance kit's cases and the sources of
the backends; from nothing that differs between machines. A test compares it with what is committed.

Usage: python -m tools.coverage_page
"""

from __future__ import annotations

import ast
import functools
import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from tools.function_calls import Row, Use, compared, documented, find, uses

from kusari_testkit.cases.case import FLOATING, FunctionCase

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "coverage.md"
COUNTS: Final = Path(__file__).with_name("operation_counts.json")
ALLOWED: Final = Path(__file__).with_name("more_operations_allowed.toml")
SHORT: Final = {"float32": "32", "float64": "64", "float16": "16", "bfloat16": "b16"}

INTRODUCTION: Final = """\
<!-- Written by `python -m tools.coverage_page`: change that, or the tables it reads. -->

# Coverage of functions

Every function that the original's reference lists under "Functions" ({count} rows), with what holds for it here.
A test compares this page with the code, so that a row that disappears fails it.

- **Checked against**: the conformance kit runs the function's cases on every backend against this oracle, in these
  floating-point dtypes (32, 64, 16 bits, b16: bfloat16) as far as the backend has them; else the tests named.
- **Gradients**: the orders that the kit compares with finite differences.
- **Runs on**: the kernels that the cases went through, forward and backward, and how each backend runs them: *own*
  (the plugin replaces the portable definition, for all problems or some), *compiled* (fused from the expression),
  *portable*, *host* (by way of host arrays). Without a kernel, the *array module* does it all. "Any other" is a backend
  that brings nothing but a namespace by the array API standard, without its optional parts.
- **Operations**: how many array operations the portable kernels take for the kit's first case, forward + backward, and
  how many the original takes for the same inputs (– where it cannot be asked). One is a ufunc, reduction, product,
  copy, gather or assignment; views are none.
"""


class Plugin(NamedTuple):
    """What a backend's sources say of it."""

    overrides: frozenset[str]
    """Kernels that it implements, by name."""
    compiles: bool
    on_host: bool
    lacks_extensions: bool = False


def plugin(folder: Path, base: Plugin | None = None, on_host: bool = False) -> Plugin:
    """Read a backend's sources: which kernels it implements, and whether it compiles elementwise ones."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))]
    names = frozenset(name for tree in trees for name in implemented(tree))
    compiles = any(
        isinstance(node, ast.FunctionDef) and node.name == "compile_elementwise"
        for tree in trees
        for node in ast.walk(tree)
    )
    if base is None:
        return Plugin(names, compiles, on_host)
    return Plugin(names | base.overrides, compiles or base.compiles, base.on_host)


def implemented(tree: ast.Module) -> Iterator[str]:
    """Yield the names given to ``backend.implements``; where a loop gives them, those of the tables in the module.

    >>> source = "from kusari.kernels.conv import Convolution; backend.implements(Convolution)(Mine)"
    >>> list(implemented(ast.parse(source)))
    ['Convolution']
    """
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kusari.kernels")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "implements"):
            continue
        target = node.args[0]
        if isinstance(target, ast.Name) and target.id in imported:
            yield imported[target.id]
        elif isinstance(target, ast.Attribute):
            yield target.attr
        else:
            yield from (name for key, name in imported.items() if key in _table_entries(tree))


def _table_entries(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        parts: list[Any] = node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Tuple) else []
        found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found


def plugins() -> dict[str, Plugin]:
    """Return the backends of this repository, and the least that a backend can be."""
    packages = ROOT / "packages"
    cupy = plugin(packages / "backend-cupy" / "src")
    return {
        "numpy": plugin(packages / "backend-numpy" / "src", on_host=True),
        "cupy": cupy,
        "triton": plugin(packages / "backend-triton" / "src", cupy),
        "any other": Plugin(frozenset(), False, False, lacks_extensions=True),
    }


def implementation(kernel: Any, backend: Plugin) -> str:
    """Say in a word how a backend runs a kernel."""
    if kernel.__name__ in backend.overrides:
        return "own"
    if getattr(kernel, "elementwise", False) and backend.compiles:
        return "compiled"
    if getattr(kernel, "host", False) and not backend.on_host:
        return "host"
    return "host" if backend.lacks_extensions and getattr(kernel, "extension", None) else "portable"


def how(kernels: Iterable[Any], backend: Plugin) -> str:
    """Say how a backend runs a function."""
    ways = {implementation(kernel, backend) for kernel in kernels}
    return ", ".join(way for way in ("own", "compiled", "portable", "host") if way in ways) or "array module"


def oracle(case: FunctionCase) -> str:
    """Say in a few words what a case is compared with.

    >>> oracle(FunctionCase(target=abs, label="", inputs=(), oracle=np.abs))
    '`numpy.absolute`'
    """
    function = case.oracle
    if isinstance(function, np.ufunc):
        is_numpy = getattr(np, function.__name__, None) is function
        return f"`{'numpy' if is_numpy else 'scipy.special'}.{function.__name__}`"
    module = function.__module__
    if module.startswith("kusari_testkit."):
        words = "SciPy" if "scipy" in function.__code__.co_names else "formula or loop"
        return f"{words} in `{module.removeprefix('kusari_testkit.')}`"
    public = [part for part in module.split(".") if not part.startswith("_")]
    return f"`{'.'.join(public)}.{function.__name__}`"


@functools.cache
def _test_trees() -> dict[str, ast.Module]:
    paths = sorted((ROOT / "tests" / "core").rglob("test_*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def tests_that_name(row: Row) -> list[str]:
    """Return the test files in which a function's name occurs as one."""
    name = row.name.rpartition(".")[2]
    is_function = row.name.startswith("functions.")
    owners = {"F", "functions"} if is_function else {"kusari", "function_hooks", "hooks"}

    def is_named(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr == name and isinstance(node.value, ast.Name) and node.value.id in owners
        return isinstance(node, ast.alias) and node.name == name

    within = "tests/core/functions/" if is_function else "tests/core/"
    return [
        path for path, tree in _test_trees().items() if path.startswith(within) and any(map(is_named, ast.walk(tree)))
    ]


class Figures(NamedTuple):
    """Array operations of one case: here and in the original."""

    case: str
    forward: int
    backward: int
    original: tuple[int, int] | None

    @property
    def more(self) -> bool:
        """Whether there are more than in the original: forward, or in all."""
        if self.original is None:
            return False
        return self.forward > self.original[0] or self.forward + self.backward > sum(self.original)


def figures(found: Iterable[Use]) -> dict[str, Figures]:
    """Return the operations of each function, by name."""
    original = json.loads(COUNTS.read_text(encoding="utf-8"))
    made = {}
    for name, (use, _) in compared(found).items():
        count = original.get(name)
        if count is not None and count["case"] != str(use.case):
            raise ValueError(
                f"{COUNTS.name}: {name} was counted for {count['case']}, the kit's first case is {use.case}; count anew"
            )
        theirs = None if count is None else (count["forward"], count["backward"])
        made[name] = Figures(str(use.case), len(use.forward), len(use.backward), theirs)
    return made


def allowed() -> dict[str, str]:
    """Return which functions may take more operations than the original, and why."""
    return tomllib.loads(ALLOWED.read_text(encoding="utf-8"))


def page() -> str:
    """Return the page."""
    found, rows, backends = uses(), documented(), plugins()
    counts, reasons = figures(found), allowed()
    by_name: dict[str, list[Use]] = {}
    for use in found:
        for name in use.call.names:
            by_name.setdefault(name, []).append(use)
    head = ["function", "exists", "checked against", "dtypes", "gradients", "kernels", *backends, "operations"]
    lines = [INTRODUCTION.format(count=len(rows))]
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines += [f"\n## {group}\n", _line(head), _line(["---"] * len(head))]
        lines.append(_line(_cells(row, by_name.get(row.name, []), backends, counts.get(row.name))))
    lines += [
        "\n## Where there are more operations than in the original\n",
        _line(["function", "ours / original", "why"]),
    ]
    lines.append(_line(["---"] * 3))
    lines += [_line([f"`{name}`", _operations(counts[name]), reason]) for name, reason in sorted(reasons.items())]
    return "\n".join(lines) + "\n"


def _cells(row: Row, own: list[Use], backends: dict[str, Plugin], counts: Figures | None) -> list[str]:
    exists = "yes" if find(row.name) is not None else "**no**"
    if not own:
        checked = ", ".join(f"`{path}`" for path in tests_that_name(row)) or "**nothing**"
        return [f"`{row.name}`", exists, checked, *[""] * (len(backends) + 4)]
    kernels = sorted({kernel for use in own for kernel in use.kernels}, key=lambda kernel: kernel.key)
    dtypes = {dtype for use in own for dtype in use.case.dtypes}
    return [
        f"`{row.name}`",
        exists,
        f"{len(own)} × " + ", ".join(sorted({oracle(use.case) for use in own})),
        " ".join(SHORT[dtype] for dtype in FLOATING if dtype in dtypes),
        "1, 2" if any(use.case.sources for use in own) else "none",
        " ".join(f"`{kernel.key}`" for kernel in kernels),
        *(how(kernels, backend) for backend in backends.values()),
        "" if counts is None else _operations(counts),
    ]


def _operations(counts: Figures) -> str:
    theirs = "–" if counts.original is None else f"{counts.original[0]} + {counts.original[1]}"
    return f"{counts.forward} + {counts.backward} / {theirs}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
