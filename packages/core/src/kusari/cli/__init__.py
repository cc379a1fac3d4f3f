"""The command line: ``kusari info`` and ``kusari new-backend``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kusari.cli.info import show_info
from kusari.cli.new_backend import write_package
from kusari.errors import UnknownBackend, UnknownKernel


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: What was typed after ``kusari``; None: this process's own.

    Returns:
        0, or 1 where something is wrong with what was asked about, or 2 where the question was.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (UnknownBackend, UnknownKernel, ValueError, FileExistsError) as error:
        print(f"kusari {options.command}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("kusari", description="Look at an installation of Kusari, or extend it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    info = commands.add_parser(
        "info", help="what is installed, what can run here, and whose kernels would run", description=_INFO
    )
    info.add_argument("--backend", metavar="NAME", help="only this backend")
    info.add_argument("--kernel", metavar="NAME", help="explain the choice for this kernel, or those that begin so")
    info.set_defaults(run=lambda options: show_info(options.backend, options.kernel))

    new = commands.add_parser(
        "new-backend", help="write a package that adds a backend, to start from", description=_NEW_BACKEND
    )
    new.add_argument("name", metavar="NAME", help="what users will call the backend, such as 'strict'")
    new.add_argument("--xp", metavar="MODULE", default="array_api_strict", help="array module; default: %(default)s")
    new.add_argument("--directory", metavar="DIR", type=Path, help="where to write; default: ./kusari-backend-NAME")
    new.set_defaults(run=_new_backend)
    return parser


_INFO = """List versions, backends (or why they cannot run), devices, dtypes and kernels.
Exit status: 0, 1 where a plugin is broken or the backend asked for cannot run, 2 for a name that nothing goes by."""

_NEW_BACKEND = """Write a complete backend package: pip-installable, correct as it is, with its tests.
Exit status: 0, 2 where the name is not one or the directory exists."""


def _new_backend(options: argparse.Namespace) -> int:
    directory = write_package(options.name, options.xp, options.directory)
    print(f"wrote {directory}; next: pip install -e {directory} && kusari info --backend {options.name}")
    return 0
