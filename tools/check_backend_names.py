"""Check that no core module above ``backend/`` imports NumPy or names a concrete backend.

Docstrings, comments and the texts of errors may name one: a reader wants to know what to install. So may annotations
(``np.dtype``), with NumPy imported under ``if TYPE_CHECKING:``. Everything else is code that would choose its way by
whose arrays it was given, and that choice belongs to the backend. What may break the
rule, and why, stands in ``backend_names_allowed.toml``; an entry that is needed no longer is an error too.

Usage: python tools/check_backend_names.py
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "packages" / "core" / "src" / "kusari"
ALLOWED = Path(__file__).with_name("backend_names_allowed.toml")

# The seam itself, and the base layer under it, which wraps NumPy's dtypes and lists the documented configuration keys.
BELOW_THE_RULE = ("backend/", "configuration.py", "dtypes.py", "errors.py", "mixed.py", "types.py")

BACKENDS = frozenset(
    [
        *("numpy", "cupy", "cupyx", "cuda", "cudnn", "triton", "numba", "torch", "jax"),
        *("intel64", "ideep", "ideep4py", "chainerx", "chx", "strict"),
    ]
)
# `strict` is also an English word (`zip(..., strict=True)`): only a string can name the backend so.
IDENTIFIERS = BACKENDS - {"strict"}
WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")


class Violation(NamedTuple):
    """One place that breaks the rule."""

    file: str  # relative to the core package
    line: int
    rule: str  # "numpy": imports NumPy; "names": names a backend
    text: str

    def __str__(self) -> str:
        advice = {
            "numpy": "use backend.xp; for annotations, import it under `if TYPE_CHECKING:`",
            "names": "ask the backend what it can do, not what it is called",
        }[self.rule]
        return f"packages/core/src/kusari/{self.file}:{self.line}: {self.text}; {advice}"


def named_backends(identifier: str) -> set[str]:
    """Return the backends named in a snake_case, CamelCase or dotted identifier.

    >>> sorted(named_backends("CupyMemoryHook")), sorted(named_backends("to_intel64")), sorted(named_backends("occupy"))
    (['cupy'], ['intel64'], [])
    """
    return IDENTIFIERS & {word.lower() for word in WORD.findall(identifier)}


def names_device(text: str) -> bool:
    """Say whether a string is a backend's or a device's name, and not prose.

    >>> [names_device(text) for text in ("cupy", "@cupy:0", "numpy.float32", "strict", "needs cupy or numpy")]
    [True, True, True, True, False]
    """
    name = text.removeprefix("@").partition(":")[0].partition(".")[0]
    return name in BACKENDS or (text.isidentifier() and bool(named_backends(text)))


def exempt_strings(tree: ast.Module) -> set[ast.AST]:
    """Return the string nodes that are docstrings or stand in a raise statement."""
    exempt: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            exempt.update(ast.walk(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            exempt.add(node.value)
    return exempt


def annotation_imports(tree: ast.Module) -> set[ast.AST]:
    """Return the import statements that only a type checker executes."""
    return {
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
    }


def identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the identifiers that this node itself writes."""
    for field in ("id", "attr", "arg", "name", "asname"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value


def check_source(source: str, file: str) -> Iterator[Violation]:
    """Yield every violation in a module's text."""
    tree = ast.parse(source)
    exempt = exempt_strings(tree) | annotation_imports(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if node in exempt:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from check_import(node, file)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if names_device(node.value):
                yield Violation(file, line, "names", f"string {node.value!r} names a backend")
        elif not isinstance(node, ast.alias):
            for identifier in identifiers(node):
                if named_backends(identifier):
                    yield Violation(file, line, "names", f"identifier {identifier} names a backend")


def check_import(node: ast.Import | ast.ImportFrom, file: str) -> Iterator[Violation]:
    """Yield the violations of one import statement: its module, and each name that it binds."""
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    targets = {module, *(alias.name for alias in node.names), *(alias.asname or "" for alias in node.names)}
    if module.split(".")[0] == "numpy" or any(target.split(".")[0] == "numpy" for target in targets):
        yield Violation(file, node.lineno, "numpy", "imports numpy")
        return
    for target in sorted(targets):
        if named_backends(target):
            yield Violation(file, node.lineno, "names", f"import of {target} names a backend")


def check_tree(root: Path, allowed: dict[str, dict[str, str]]) -> tuple[list[Violation], list[str]]:
    """Return the violations below ``root`` that are not allowed, and the allowances that nothing needs.

    Args:
        root: The folder of the core package.
        allowed: For each rule, files and folders (with a final slash) and the reason of each.
    """
    violations: list[Violation] = []
    used: set[tuple[str, str]] = set()
    for path in sorted(root.rglob("*.py")):
        file = path.relative_to(root).as_posix()
        if file.startswith(BELOW_THE_RULE):
            continue
        for violation in check_source(path.read_text(encoding="utf-8"), file):
            rules = allowed.get(violation.rule, {})
            entries = [entry for entry in rules if file == entry or (entry.endswith("/") and file.startswith(entry))]
            used.update((violation.rule, entry) for entry in entries)
            if not entries:
                violations.append(violation)
    unused = [f"[{rule}] {entry}" for rule, rules in allowed.items() for entry in rules if (rule, entry) not in used]
    return violations, unused


def main() -> int:
    """Print what breaks the rule and return the exit status."""
    violations, unused = check_tree(CORE, tomllib.loads(ALLOWED.read_text(encoding="utf-8")))
    for violation in violations:
        print(violation)
    for entry in unused:
        print(f"tools/{ALLOWED.name}: {entry} allows nothing that is there; remove it")
    print(f"backend names: {len(violations)} violations, {len(unused)} needless allowances")
    return 1 if violations or unused else 0


if __name__ == "__main__":
    sys.exit(main())
