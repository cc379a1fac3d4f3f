"""The command line: ``kusari info`` and ``kusari new-backend``, and the package that the latter writes."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.backend import CONTRACT, Backend, BackendSpec, get_backend, kernel_names, registry
from kusari.backend.discovery import BrokenPlugin
from kusari.cli import main
from kusari.cli.new_backend import write_package
from kusari.kernels.activation import relu, relu_grad
from kusari.kernels.conv import Convolution

EXAMPLE = Path(__file__).parents[2] / "examples" / "backend-template"
Output = pytest.CaptureFixture[str]


def files(folder: Path) -> dict[str, bytes]:
    """Return every file that a person wrote, by its path."""
    ignored = {"__pycache__", ".pytest_cache", "build", "dist"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not ignored & {*path.parts} and ".egg-info" not in path.as_posix()
    }


@pytest.fixture
def example() -> Iterator[Backend]:
    """A backend with one kernel of each kind: its own, its base's, compiled, portable."""

    class Compiling(Backend):
        def compile_elementwise(self, expression: Any) -> Any:
            return lambda backend, *operands: operands[0]

    base = registry.add(Backend("example-base", np, (np.ndarray,)))
    backend = registry.add(Compiling("example", np, base=base))

    @base.implements(relu_grad)
    def from_base(backend: Backend, y: Any, gy: Any) -> Any:
        return gy

    @backend.implements(relu, available=lambda backend: "needs another processor")
    def unavailable_relu(backend: Backend, x: Any) -> Any:
        return x

    @backend.implements(Convolution)
    class Fast(Convolution):
        contract = CONTRACT

    yield backend
    registry.remove("example")
    registry.remove("example-base")


# info. --------------------------------------------------------------------------------------------------------------
def test_info_lists_versions_backends_and_kernels(capsys: Output) -> None:
    assert main(["info"]) == (1 if registry.broken else 0)
    out = capsys.readouterr().out
    assert re.search(rf"^  contract +{CONTRACT}$", out, re.MULTILINE)
    assert re.search(rf"^  numpy +{re.escape(np.__version__)}$", out, re.MULTILINE)
    assert re.search(r"^  kusari-backend-numpy +\d", out, re.MULTILINE)
    assert re.search(r"^  numpy +available; kernels: .*\d+ portable", out, re.MULTILINE)
    assert re.search(r"^ +devices: numpy$", out, re.MULTILINE)
    assert re.search(r"^ +dtypes: bool .*float32 float64", out, re.MULTILINE)
    for name in kernel_names():
        assert re.search(rf"^  {re.escape(name)} ", out, re.MULTILINE)
    assert re.search(r"^  log_softmax +log_softmax +portable +kusari/kernels/softmax\.py:\d+$", out, re.MULTILINE)


def test_info_says_why_a_backend_cannot_run(capsys: Output) -> None:
    registry.register(BackendSpec("lacking", "nosuch_library.backend:open", contract=1, install="pip install nosuch"))
    try:
        assert main(["info", "--backend", "lacking"]) == 1
        line = "lacking  unavailable: No module named 'nosuch_library'; pip install nosuch"
        assert f"\nBackends\n  {line}\n" in capsys.readouterr().out
        assert main(["info", "--backend", "lacking", "--kernel", "relu"]) == 1
        assert (
            capsys.readouterr().out == "lacking · unavailable: No module named 'nosuch_library'; pip install nosuch\n"
        )
        assert main(["info"]) == (1 if registry.broken else 0)  # one backend of many that cannot run is no fault
        assert re.search(r"^  lacking +unavailable: No module", capsys.readouterr().out, re.MULTILINE)
    finally:
        registry.remove("lacking")


@pytest.mark.parametrize(
    ("kernel", "implementation", "kind"),
    [
        ("relu", "relu", "compiled"),
        ("relu_grad", "from_base", "overridden by example-base"),
        ("log_softmax", "log_softmax", "portable"),
    ],
)
def test_info_of_one_backend(example: Backend, capsys: Output, kernel: str, implementation: str, kind: str) -> None:
    assert main(["info", "--backend", "example"]) == (1 if registry.broken else 0)
    out = capsys.readouterr().out
    assert "Kernels of numpy" not in out
    assert re.search(rf"^  {kernel} +{implementation} +{kind} +\S+\.py:\d+$", out, re.MULTILINE), out


def test_info_lists_every_candidate_of_a_family(example: Backend, capsys: Output) -> None:
    main(["info", "--backend", "example"])
    lines = capsys.readouterr().out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  Convolution "))
    assert re.search(r"Fast +overridden +\S*test_cli\.py:\d+$", lines[first])
    assert re.search(r"^ +Convolution +portable +kusari/kernels/conv\.py:\d+$", lines[first + 1])


def test_info_explains_a_kernel(example: Backend, capsys: Output) -> None:
    main(["info", "--backend", "example", "--kernel", "relu"])
    out = capsys.readouterr().out
    assert "example · relu\n" in out
    assert "no: needs another processor" in out
    assert re.search(r"compiled +relu +CHOSEN", out)
    assert "relu_grad" not in out  # an exact name is that kernel alone
    main(["info", "--backend", "example", "--kernel", "CONV"])
    assert re.search(r"example +Fast +CHOSEN", capsys.readouterr().out)


def test_a_broken_plugin_is_listed_and_told_by_the_status(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.specs()
    monkeypatch.setattr(registry, "broken", [BrokenPlugin("half-installed", "ImportError: no such file")])
    assert main(["info", "--backend", "numpy"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"Broken plugins\n  half-installed +ImportError: no such file", out)


def test_a_kernel_that_cannot_be_explained_breaks_one_line_only(example: Backend, capsys: Output) -> None:
    def raising(backend: Backend) -> bool:
        raise OSError("driver is missing")

    @example.implements(relu_grad, available=raising)
    def never(backend: Backend, y: Any, gy: Any) -> Any:
        return gy

    main(["info", "--backend", "example"])
    out = capsys.readouterr().out
    assert re.search(r"^  relu_grad +broken: driver is missing$", out, re.MULTILINE)
    assert re.search(r"^  sigmoid +sigmoid +compiled", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["info", "--backend", "nosuch"], "kusari info: no backend is called 'nosuch'; installed: "),
        (["info", "--kernel", "reluu"], "kusari info: no kernel is called 'reluu'; did you mean"),
        (["new-backend", "Bad"], "expected lower-case letters and digits, words joined by '-'"),
    ],
)
def test_a_wrong_name_is_status_2(capsys: Output, arguments: list[str], text: str) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["info", "more"], ["new-backend"]])
def test_wrong_usage_is_status_2_too(capsys: Output, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kusari" in capsys.readouterr().err


def test_tables_on_a_terminal(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    main(["info", "--backend", "numpy"])
    out = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert "Kernels of numpy" in out
    assert "│ log_softmax" in out
    assert max(map(len, out.splitlines())) <= 100


def test_python_m_kusari(run_python: Callable[..., str]) -> None:
    code = """
import runpy, sys
sys.argv = ["kusari", "info", "--backend", "numpy", "--kernel", "relu_grad"]
try:
    runpy.run_module("kusari", run_name="__main__")
except SystemExit as end:
    print(end.code)
"""
    out = run_python(code)
    assert out.startswith("numpy · relu_grad\n")
    assert out.endswith("\n0")


# new-backend. -------------------------------------------------------------------------------------------------------
def test_the_example_is_what_the_command_writes(tmp_path: Path, capsys: Output) -> None:
    target = tmp_path / "written"
    assert main(["new-backend", "strict", "--xp", "array_api_strict", "--directory", str(target)]) == 0
    assert f"pip install -e {target}" in capsys.readouterr().out
    if not EXAMPLE.is_dir():
        pytest.skip("runs in a checkout only: there is no examples/ beside the tests")
    # After a change of the template: rm -r examples/backend-template and
    # kusari new-backend strict --xp array_api_strict --directory examples/backend-template
    assert files(target) == files(EXAMPLE)


def test_a_package_of_another_name_says_it_everywhere(tmp_path: Path) -> None:
    target = write_package("two-words", "some_library.arrays", tmp_path / "new")
    written = files(target)
    assert {"src/kusari_two_words/backend.py", "src/kusari_two_words/spec.py", "pyproject.toml"} <= set(written)
    text = "\n".join(content.decode() for content in written.values())
    assert "strict" not in text
    assert "$" not in text
    project = tomllib.loads(written["pyproject.toml"].decode())["project"]
    assert project["name"] == "kusari-backend-two-words"
    assert "some-library" in project["dependencies"]
    assert project["entry-points"]["kusari.backends"] == {"two-words": "kusari_two_words.spec"}
    for name, content in written.items():
        if name.endswith(".py"):
            ast.parse(content)


def test_the_whole_backend_is_a_few_lines(tmp_path: Path) -> None:
    write_package("small", "array_api_strict", tmp_path / "new")
    trees = [ast.parse(path.read_bytes()) for path in (tmp_path / "new" / "src").rglob("*.py")]
    substance = {
        (number, line)
        for number, tree in enumerate(trees)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    assert len(substance) <= 40


def test_the_package_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    target = write_package("fresh", "array_api_strict", tmp_path / "new")
    monkeypatch.syspath_prepend(target / "src")
    spec = importlib.import_module("kusari_fresh.spec").kusari_register_backend()
    assert "kusari_fresh.backend" not in sys.modules
    registry.register(spec)
    try:
        backend = get_backend("fresh")
        assert len(backend.devices()) >= 3
        y = relu(backend, backend.from_host(np.asarray([-1.0, 2.0])))
        np.testing.assert_array_equal(backend.to_host(y), [0, 2])
        assert backend.explain(relu).chosen.override.source == "fresh"
    finally:
        registry.remove("fresh")
        for name in ("kusari_fresh", "kusari_fresh.spec", "kusari_fresh.backend"):
            sys.modules.pop(name, None)


def test_the_default_directory_is_named_after_the_distribution(
    tmp_path: Path, monkeypatch: Any, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-backend", "fresh"]) == 0
    assert (tmp_path / "kusari-backend-fresh" / "src" / "kusari_fresh" / "backend.py").is_file()
    assert main(["new-backend", "fresh"]) == 2
    assert "kusari-backend-fresh exists already; name another one with --directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a_b", "a--b", "-a", "a-", "a b", "é", "a:0", "portable", "host"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="backend name"):
        write_package(name, "array_api_strict", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("module", ["", "a-b", "a..b", "1st", "class", "a b", "os; import sys"])
def test_modules_that_are_refused(tmp_path: Path, module: str) -> None:
    with pytest.raises(ValueError, match="expected a module's name"):
        write_package("fresh", module, tmp_path / "new")
    assert not (tmp_path / "new").exists()
