"""What holds for the workspace as a whole: packages in lockstep, sizes, licences, no traces of a machine."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
IMPORT_NAMES = {
    "core": "kusari",
    "backend-numpy": "kusari_numpy",
    "backend-cupy": "kusari_cupy",
    "backend-triton": "kusari_triton",
    "testkit": "kusari_testkit",
}
MODULES = sorted(path for package in PACKAGES for path in package.glob("src/**/*.py"))
FOLDERS = ("benchmarks", "docs", "examples", "packages", "tests", "tools")
TEXTS = sorted(
    path
    for pattern in (
        "*.md",
        "*.toml",
        "*.py",
        ".ci/run",
        *(f"{folder}/**/*.*" for folder in ("packages", "docs", "tests")),
    )
    for path in ROOT.glob(pattern)
    if path.suffix in {"", ".py", ".md", ".toml", ".txt", ".json"} and path.is_file() and "_build" not in path.parts
)


def project(package: Path) -> dict[str, Any]:
    return tomllib.loads((package / "pyproject.toml").read_text())["project"]


def test_every_package_is_known() -> None:
    assert {package.name for package in PACKAGES} == set(IMPORT_NAMES)


def test_versions_move_in_lockstep() -> None:
    assert {project(package)["version"] for package in PACKAGES} == {project(ROOT / "packages" / "core")["version"]}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_packages_require_each_other_in_the_same_minor_release(package: Path) -> None:
    major, minor, _ = project(package)["version"].split(".")
    metadata = project(package)
    groups = [metadata["dependencies"], *metadata.get("optional-dependencies", {}).values()]
    own = [requirement for group in groups for requirement in group if requirement.startswith("kusari")]
    assert all(requirement.endswith(f">={major}.{minor},<{major}.{int(minor) + 1}") for requirement in own)
    assert own or package.name == "core"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_package_is_typed_described_and_licensed(package: Path) -> None:
    assert (package / "src" / IMPORT_NAMES[package.name] / "py.typed").read_text() == ""
    assert (package / "README.md").read_text().startswith(f"# {project(package)['name']}\n")
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_core_stays_light() -> None:
    names = {re.split(r"[<>=]", requirement)[0] for requirement in project(ROOT / "packages" / "core")["dependencies"]}
    assert names == {"numpy", "pluggy", "rich"}


def test_entry_points_name_files_that_exist() -> None:
    for package in PACKAGES:
        entry_points = project(package).get("entry-points", {})
        for target in (target for group in entry_points.values() for target in group.values()):
            assert (package / "src" / (target.replace(".", "/") + ".py")).is_file(), f"{package.name}: {target}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT / "packages").as_posix())
def test_files_and_functions_stay_short(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, f"{module.name}: split it by what a reader would look for"
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def test_no_file_names_a_place_on_one_machine() -> None:
    # Written in pieces, so that this file does not find itself.
    places = re.compile(
        "(?<![\\w.])/(?:" + "|".join(["wo" + "rk", "ho" + "me", "ro" + "ot", "tm" + "p", "Us" + "ers"]) + ")/"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if places.search(line)
    ]
    assert found == []
