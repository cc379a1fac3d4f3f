"""The pytest plugin: the kit's options, which exist only where the kit is asked for, and its expected failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from kusari_testkit.xfails import Entry, read_expectations, read_xfails

if TYPE_CHECKING:
    from kusari.backend import Device

CONFORMANCE: Final = Path(__file__).parent / "conformance"
UNMATCHED: Final = pytest.StashKey[list[Entry]]()
DEVICES: Final = pytest.StashKey["list[Device]"]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options where the command line names the kit: elsewhere others may have a ``--backend`` of their own."""
    if not any("kusari_testkit" in word for word in args):
        return
    group = parser.getgroup("kusari", "Kusari's conformance suite")
    group.addoption(
        "--backend",
        action="append",
        metavar="NAME",
        dest="kusari_backends",
        help="judge this backend, or one device of it (strict:1); may be repeated",
    )
    group.addoption(
        "--xfails-file",
        metavar="FILE",
        dest="kusari_xfails",
        help="what cannot work yet, one a line: part of a test's id, then # and the reason; one that passes fails",
    )
    group.addoption(
        "--expect-chosen",
        metavar="FILE",
        dest="kusari_expectations",
        help="which implementation must be chosen, one a line: kernel or family:label:dtype, then its name",
    )
    group.addoption(
        "--case",
        action="append",
        metavar="TEXT",
        dest="kusari_cases",
        help="only cases whose name has TEXT in it, such as relu or Convolution:depthwise; may be repeated",
    )
    group.addoption(
        "--kit-size",
        choices=("small", "full"),
        default="full",
        dest="kusari_size",
        help="small: for a backend whose every call is slow, such as an interpreter",
    )
    group.addoption(
        "--no-host-kernels",
        action="store_true",
        dest="kusari_no_host_kernels",
        help="fail where a kernel goes by way of the host",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the kit's mark, and read its files."""
    config.addinivalue_line(
        "markers", "kusari_cases(table, where=None): run for each device (that fits), case and dtype"
    )
    config.stash[UNMATCHED] = []
    config.stash[DEVICES] = [_open(name) for name in backends(config)]
    if backends(config):
        for option, read in (("kusari_xfails", read_xfails), ("kusari_expectations", read_expectations)):
            entries(config, option, read)
    elif any("kusari_testkit.conformance" in word for word in config.args):
        raise pytest.UsageError("which backend shall be judged? Add --backend NAME, such as --backend numpy")


def backends(config: pytest.Config) -> Sequence[str]:
    """Return what ``--backend`` names."""
    return config.getoption("kusari_backends", None) or ()


def _open(name: str) -> Device:
    from kusari.backend import get_device
    from kusari.errors import BackendUnavailable, PluginConflict, UnknownBackend

    try:
        return get_device(name)
    except (BackendUnavailable, PluginConflict, UnknownBackend, ValueError) as error:
        raise pytest.UsageError(f"--backend {name}: {error}") from None


def entries(config: pytest.Config, option: str, read: object) -> list[Entry]:
    """Return the entries of the file that an option names.

    Raises:
        UsageError: The file is missing or malformed.
    """
    name = config.getoption(option, None)
    if not name:
        return []
    path = config.invocation_params.dir / name
    try:
        return read_xfails(path) if read is read_xfails else read_expectations(path)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the conformance tests out where no backend is named: docstring examples may be run all the same."""
    return True if collection_path == CONFORMANCE and not backends(config) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the expected failures among the kit's tests; remember the entries that name none."""
    if not backends(config):
        return
    own = [item for item in items if CONFORMANCE in item.path.parents]
    for entry in entries(config, "kusari_xfails", read_xfails):
        named = [item for item in own if entry.name in item.nodeid and "test_xfails.py" not in item.nodeid]
        for item in named:
            item.add_marker(pytest.mark.xfail(reason=entry.text, strict=True))
        if not named:
            config.stash[UNMATCHED].append(entry)
    if config.getoption("kusari_size") == "small":
        from kusari_testkit.small import left_out

        leave = dict.fromkeys(left_out(own))
        config.hook.pytest_deselected(items=list(leave))
        items[:] = [item for item in items if item not in leave]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which kernels of the judged backends go by way of the host."""
    from kusari_testkit.host_kernels import host_kernels

    for device in config.stash[DEVICES]:
        found = host_kernels(device.backend)
        if found:
            terminalreporter.line(f"{device}: by way of the host: {', '.join(found)}")
