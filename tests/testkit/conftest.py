"""Running the kit inside a test: on a wrong backend, and what it said."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kusari.backend import Backend, registry


class Outcome:
    """What a run of the kit said: pytest's exit code, and each test's id with its outcome and its text."""

    def __init__(self) -> None:
        self.exit_code = -1
        self.failed: dict[str, str] = {}
        self.passed: list[str] = []
        self.skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect, as a plugin of the inner run."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.failed[name] = report.longreprtext
        elif report.skipped:
            self.skipped[name] = getattr(report, "wasxfail", report.longreprtext)
        elif report.when == "call":
            self.passed.append(name)

    def text_of(self, test: str) -> str:
        """Return what the failures of one test function said, or an empty text."""
        return "\n".join(text for name, text in self.failed.items() if name.partition("[")[0] == test)


INSTALLED = any(found.name == "kusari_testkit" for found in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "kusari_testkit.plugin"]
# An inner run finds the kit imported already, by the outer one.
INI = """
[pytest]
filterwarnings =
    error
    ignore::pytest.PytestAssertRewriteWarning
"""

RunKit = Callable[..., Outcome]


@pytest.fixture
def run_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunKit:
    """Return a function that runs the conformance tests in this process, with options as on the command line."""
    pytest.importorskip("kusari_testkit", reason="needs kusari-testkit")
    (tmp_path / "pytest.ini").write_text(INI)
    monkeypatch.chdir(tmp_path)

    def run(*options: str, modules: tuple[str, ...] = ("kusari_testkit.conformance",)) -> Outcome:
        outcome = Outcome()
        quiet = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:sybil", "-s", "-q", "--tb=short"]
        command = [*quiet, *PLUGIN, "-c", str(tmp_path / "pytest.ini"), "--pyargs", *modules]
        outcome.exit_code = pytest.main([*command, *options], plugins=[outcome])
        return outcome

    return run


@pytest.fixture
def registered() -> Iterator[Callable[[Backend], Backend]]:
    """Return a function that makes a backend known for the length of a test."""
    names: list[str] = []

    def register(backend: Backend) -> Backend:
        names.append(registry.add(backend).name)
        return backend

    yield register
    for name in names:
        registry.remove(name)


@pytest.fixture
def array_api() -> Callable[[], Any]:
    """Return a function that loads array-api-strict afresh, with an array class that no other backend has."""
    strict = pytest.importorskip("array_api_strict", reason="needs array-api-strict")

    def load() -> Any:
        name = f"_kusari_tests_array_api_{len(sys.modules)}"
        folder = Path(strict.__file__).parent
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
