"""``kusari new-backend``: a third party's backend package, written from the files in ``template/``."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import keyword
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from kusari.backend import CONTRACT

SUFFIX: Final = ".template"
_RESERVED: Final = frozenset({"backend", "chainer", "compiled", "host", "portable", "testkit"})
"""Words that mean something else in ``kusari-...``, ``kusari_...`` or in an explanation."""


def write_package(name: str, xp: str, directory: Path | None = None) -> Path:
    """Write a package that adds a backend.

    Args:
        name: What users will call the backend: lower-case words, joined by ``-``.
        xp: The array module, such as ``array_api_strict``. It need not be installed here.
        directory: A new directory; None: ``kusari-backend-NAME`` below the current one.

    Returns:
        The directory.

    Raises:
        ValueError: ``name`` is not such a name, or ``xp`` is not a module's.
        FileExistsError: The directory exists.
    """
    check_names(name, xp)
    values = template_values(name, xp)
    if directory is None:
        directory = Path(values["distribution"])
    if directory.exists():
        raise FileExistsError(f"{directory} exists already; name another one with --directory, or remove it")
    for path, text in render(values):
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    return directory


def check_names(name: str, xp: str) -> None:
    """Raise unless both can be what they are to be.

    Raises:
        ValueError: Which one cannot, and what is expected.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"backend name {name!r}: expected lower-case letters and digits, words joined by '-'")
    if name in _RESERVED:
        raise ValueError(f"backend name {name!r} means something else already; choose another one")
    if not all(word.isidentifier() and not keyword.iskeyword(word) for word in xp.split(".")):
        raise ValueError(f"array module {xp!r}: expected a module's name, as `import` takes it")


def template_values(name: str, xp: str) -> dict[str, str]:
    """Return what the template's placeholders stand for."""
    major, minor = importlib.metadata.version("kusari").split(".")[:2]
    return {
        "name": name,
        "xp": xp,
        "package": f"kusari_{name.replace('-', '_')}",
        "distribution": f"kusari-backend-{name}",
        "xp_distribution": xp.partition(".")[0].replace("_", "-"),
        "contract": str(CONTRACT),
        "kusari": f"kusari>={major}.{minor},<{major}.{int(minor) + 1}",
    }


def render(values: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the path, below the new directory, and the text of every file."""
    root = importlib.resources.files("kusari.cli") / "template"
    for path, file in _files(root, Path()):
        renamed = [values["package"] if part == "package" else part for part in path.parts]
        text = Template(file.read_text(encoding="utf-8")).substitute(values)
        yield Path(*renamed).with_suffix(""), text


def _files(folder: Traversable, path: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, path / entry.name)
        elif entry.name.endswith(SUFFIX):
            yield path / entry.name, entry
