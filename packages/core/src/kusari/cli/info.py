"""``kusari info``: what is installed, what can run here, and whose kernels would run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections import Counter
from typing import Final, NamedTuple

import kusari.kernels as _all_kernels  # noqa: F401  loads every kernel, so that all of them can be listed
from kusari.backend import CONTRACT, Backend, find_kernel, get_backend, kernel_names, registry
from kusari.backend.choice import Verdict
from kusari.backend.discovery import GROUP
from kusari.dtypes import STANDARD_NAMES

Row = tuple[str, ...]
GENERIC: Final = ("compiled", "portable", "host")
"""What an implementation's source may be beside a backend."""


class Section(NamedTuple):
    """A table: a title, the names of its columns, and rows of text."""

    title: str
    columns: Row
    rows: list[Row]


class Found(NamedTuple):
    """An installed backend: opened, or the plain reason why not."""

    name: str
    backend: Backend | None
    reason: str


def show_info(backend: str | None = None, kernel: str | None = None) -> int:
    """Print what is installed, or with ``kernel`` why which implementation of it runs; return the exit status.

    Args:
        backend: Only this one; None: all that are installed.
        kernel: A kernel's name, or how several begin, in any case.

    Returns:
        0, or 1 where a plugin is broken or ``backend`` cannot run here.

    Raises:
        UnknownBackend: Nothing installed goes by that name.
        UnknownKernel: No kernel's name begins so.
    """
    known = {*registry.specs(), *(added.name for added in registry.opened())}
    if backend is not None and backend not in known:
        get_backend(backend)  # raises, saying what is installed
    found = [_open(name) for name in ([backend] if backend else sorted(known))]
    if kernel is not None:
        print("\n\n".join(_explanations(found, matching_kernels(kernel))))
    else:
        kernels = [_kernels(one.backend) for one in found if one.backend is not None]
        broken = [Section("Broken plugins", ("plugin", "reason"), list(registry.broken))] if registry.broken else []
        _print([_versions(), _backends(found, kernels), *broken, *kernels])
    unavailable = backend is not None and found[0].backend is None
    return 1 if registry.broken or unavailable else 0


def matching_kernels(text: str) -> list[str]:
    """Return the kernel that goes by ``text``, else those whose names begin so, in any case.

    Raises:
        UnknownKernel: There is none; the message lists the nearest ones.

    >>> matching_kernels("relu"), matching_kernels("averagepool")
    (['relu'], ['AveragePooling'])
    """
    names = kernel_names()
    found = [text] if text in names else [name for name in names if name.lower().startswith(text.lower())]
    if not found:
        find_kernel(text)  # raises
    return found


def _open(name: str) -> Found:
    try:
        return Found(name, get_backend(name), "")
    except Exception as error:  # noqa: BLE001  whatever a plugin raises is the reason why it cannot run
        return Found(name, None, re.sub(r"^backend '[^']*': ", "", _plain(error)))


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__


def _versions() -> Section:
    rows: list[Row] = [
        ("kusari", importlib.metadata.version("kusari")),
        ("contract", str(CONTRACT)),
        ("python", platform.python_version()),
        ("platform", platform.platform(terse=True)),
    ]
    required = [line for line in importlib.metadata.requires("kusari") or () if ";" not in line]
    names = [re.split(r"[^\w.-]", line)[0] for line in required]
    rows += [(name, importlib.metadata.version(name)) for name in names]
    plugins = [entry_point.dist for entry_point in importlib.metadata.entry_points(group=GROUP)]
    rows += sorted((dist.name, dist.version) for dist in plugins if dist is not None)
    rows += [(name, value) for name, value in sorted(os.environ.items()) if name.startswith("KUSARI_")]
    return Section("Versions", ("what", "version"), rows)


def _backends(found: list[Found], kernels: list[Section]) -> Section:
    rows: list[Row] = []
    tables = iter(kernels)
    for name, backend, reason in found:
        if backend is None:
            rows.append((name, f"unavailable: {reason}"))
            continue
        counts = Counter(kind for first, _, kind, _ in next(tables).rows if first)
        devices = [name] if backend.on_host else [f"{name}:{index}" for index in range(len(backend.devices()))]
        rows += [
            (name, f"available; kernels: {', '.join(f'{n} {kind}' for kind, n in counts.most_common())}"),
            ("", f"devices: {' '.join(devices)}"),
            ("", f"dtypes: {' '.join(name for name in STANDARD_NAMES if name in backend.dtypes)}"),
        ]
    return Section("Backends", ("backend", "state"), rows)


def _kernels(backend: Backend) -> Section:
    """Return what runs for each kernel; for a family, every candidate that may take a Problem, first asked first."""
    rows: list[Row] = []
    for name in kernel_names():
        target = find_kernel(name)
        try:
            able = [verdict for verdict in backend.explain(target).verdicts if verdict.reason is None]
        except Exception as error:  # noqa: BLE001  a plugin's available() may raise anything
            rows.append((name, "", f"broken: {_plain(error)}", ""))
            continue
        for verdict in able if isinstance(target, type) else able[:1]:
            implementation = getattr(verdict.override.implementation, "__name__", "?")
            first = name if verdict is able[0] else ""
            rows.append((first, implementation, _kind(backend, verdict), _below_path(verdict.location)))
    return Section(f"Kernels of {backend.name}", ("kernel", "implementation", "kind", "defined in"), rows)


def _kind(backend: Backend, verdict: Verdict) -> str:
    source = verdict.override.source
    if source in GENERIC:
        return source
    return "overridden" if source == backend.name else f"overridden by {source}"


def _below_path(location: str) -> str:
    """Return ``package/module.py:12`` for a file that Python can import: the tables stay narrow."""
    for folder in sorted(sys.path, key=len, reverse=True):
        if folder and location.startswith(folder + os.sep):
            return location[len(folder) + 1 :]
    return location


def _explanations(found: list[Found], names: list[str]) -> list[str]:
    texts = []
    for name, backend, reason in found:
        if backend is None:
            texts.append(f"{name} · unavailable: {reason}")
        else:
            texts += [str(backend.explain(find_kernel(kernel))) for kernel in names]
    return texts


def _print(sections: list[Section]) -> None:
    """Print tables on a terminal, and plain aligned lines into a file or a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console()
        for title, columns, rows in sections:
            table = Table(*columns, title=title, title_justify="left")
            for row in rows:
                table.add_row(*[Text(cell, overflow="fold") for cell in row])
            console.print(table)
        return
    for title, columns, rows in sections:
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        print(title)
        for row in rows:
            print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print()
