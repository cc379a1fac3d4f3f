"""Discovery: plugins are loaded one by one, a broken one disturbs nobody, and the environment has a say."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.backend import CONTRACT, Backend, BackendSpec, hookimpl
from kusari.backend.discovery import GROUP, Registry
from kusari.errors import BackendUnavailable, PluginConflict, UnknownBackend
from kusari.kernels.activation import relu


class Distribution(importlib.metadata.Distribution):
    """An installed distribution that is nowhere on the disk."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def metadata(self) -> Any:
        return {"Name": self._name, "Version": "1.0"}

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Path:
        return Path(path)


class Plugins:
    """Installed plugins, in a world where there are no others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.entry_points: list[importlib.metadata.EntryPoint] = []
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: list(self.entry_points))
        for name in ("KUSARI_PLUGINS", "KUSARI_BACKEND_AUTOLOAD", "KUSARI_BACKEND"):
            monkeypatch.delenv(name, raising=False)

    def module(self, name: str, **contents: Any) -> types.ModuleType:
        """Make a module importable."""
        module = types.ModuleType(name)
        vars(module).update(contents)
        self._monkeypatch.setitem(sys.modules, name, module)
        return module

    def backend(self, name: str, contract: int = CONTRACT, base: str | None = None) -> types.ModuleType:
        """Make a plugin module ``example_NAME`` that provides one backend over NumPy."""

        @hookimpl
        def kusari_register_backend() -> BackendSpec:
            return BackendSpec(name, f"example_{name}:open_backend", contract=contract, base=base)

        return self.module(
            f"example_{name}",
            kusari_register_backend=kusari_register_backend,
            open_backend=lambda: Backend(name, np, (np.ndarray,)),
        )

    def install(self, name: str, value: str, distribution: str | None = None) -> None:
        """Install an entry point, as a distribution's metadata would."""
        entry_point = importlib.metadata.EntryPoint(name, value, GROUP)
        if distribution is not None:
            vars(entry_point)["dist"] = Distribution(distribution)
        self.entry_points.append(entry_point)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    return Plugins(monkeypatch)


def test_backends_are_opened_on_first_use(plugins: Plugins) -> None:
    opened: list[str] = []
    contents = vars(plugins.backend("first"))
    original = contents["open_backend"]

    def open_backend() -> Backend:
        opened.append("first")
        backend: Backend = original()
        return backend

    contents["open_backend"] = open_backend
    plugins.install("first", "example_first")
    registry = Registry()
    assert list(registry.specs()) == ["first"]
    assert registry.opened() == []
    assert opened == []
    assert registry.get("first") is registry.get("first")
    assert opened == ["first"]
    assert [backend.name for backend in registry.opened()] == ["first"]


def test_a_plugin_may_provide_several(plugins: Plugins) -> None:
    @hookimpl
    def kusari_register_backend() -> list[BackendSpec]:
        return [BackendSpec(name, f"example_{name}:open_backend", contract=1) for name in ("one", "two")]

    plugins.backend("one")
    plugins.backend("two")
    plugins.module("several", kusari_register_backend=kusari_register_backend)
    plugins.install("several", "several")
    registry = Registry()
    assert set(registry.specs()) == {"one", "two"}
    assert registry.get("two").name == "two"


def test_broken_plugins_disturb_nobody_and_are_listed(plugins: Plugins) -> None:
    def raising() -> BackendSpec:
        raise OSError("no such library")

    def lying() -> Any:
        return "a name"

    plugins.module("raises_when_asked", kusari_register_backend=hookimpl(specname="kusari_register_backend")(raising))
    plugins.module("answers_nonsense", kusari_register_backend=hookimpl(specname="kusari_register_backend")(lying))
    plugins.module("says_nothing")
    plugins.backend("good")
    for name in ("absent", "raises_when_asked", "answers_nonsense", "says_nothing"):
        plugins.install(f"a_{name}", name)
    plugins.install("z_good", "example_good")
    registry = Registry()
    assert registry.get("good").name == "good"
    reasons = dict(registry.broken)
    assert set(reasons) == {"a_absent", "a_raises_when_asked", "a_answers_nonsense", "a_says_nothing"}
    assert reasons["a_absent"] == "ModuleNotFoundError: No module named 'absent'"
    assert reasons["a_raises_when_asked"] == "OSError: no such library"
    assert "expected a BackendSpec" in reasons["a_answers_nonsense"]
    assert "neither kusari_register_backend nor kusari_register_kernels" in reasons["a_says_nothing"]
    with pytest.raises(UnknownBackend, match=r"installed: good; plugin a_absent is broken: ModuleNotFoundError"):
        registry.get("absent")


def test_a_plugin_that_raises_on_import(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raises_on_import.py").write_text("raise RuntimeError('half installed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.install("bad", "raises_on_import")
    plugins.backend("good")
    plugins.install("good", "example_good")
    registry = Registry()
    assert registry.get("good").name == "good"
    assert registry.broken == [("bad", "RuntimeError: half installed")]


@pytest.mark.parametrize("entry_point_names", [("strict", "strict"), ("mine", "yours")])
def test_two_providers_of_one_name(plugins: Plugins, entry_point_names: tuple[str, str], monkeypatch: Any) -> None:
    plugins.backend("strict")
    other = plugins.backend("strict")
    plugins.module("other_strict", **{**vars(other), "__name__": "other_strict"})

    @hookimpl
    def kusari_register_backend() -> BackendSpec:
        return BackendSpec("strict", "other_strict:open_backend", contract=1)

    sys.modules["other_strict"].kusari_register_backend = kusari_register_backend  # type: ignore[attr-defined]
    plugins.install(entry_point_names[0], "example_strict", "kusari-backend-strict")
    plugins.install(entry_point_names[1], "other_strict", "better-strict")
    with pytest.raises(PluginConflict) as caught:
        Registry().get("strict")
    text = str(caught.value)
    assert "kusari-backend-strict" in text
    assert "better-strict" in text
    assert "uninstall one, or block one with KUSARI_PLUGINS=-" in text

    blocked = text.rpartition("KUSARI_PLUGINS=")[2]  # do as it says
    monkeypatch.setenv("KUSARI_PLUGINS", blocked)
    registry = Registry()
    assert registry.get("strict").name == "strict"
    assert registry.broken == []


def test_plugins_added_and_blocked_by_the_environment(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.backend("installed")
    plugins.install("installed", "example_installed")
    module = plugins.backend("added")
    plugins.module("namespace", plugin=module)
    plugins.backend("third")
    monkeypatch.setenv("KUSARI_PLUGINS", "-installed, namespace:plugin,example_third , nosuch.module")
    registry = Registry()
    assert set(registry.specs()) == {"added", "third"}
    assert registry.get("added").name == "added"
    assert [name for name, _ in registry.broken] == ["nosuch.module"]


def test_an_added_plugin_that_is_installed_too_counts_once(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.backend("twice")
    plugins.install("twice", "example_twice")
    monkeypatch.setenv("KUSARI_PLUGINS", "example_twice")
    registry = Registry()
    assert registry.get("twice").name == "twice"
    assert registry.broken == []


def test_discovery_can_be_turned_off(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.backend("installed")
    plugins.backend("added")
    plugins.install("installed", "example_installed")
    monkeypatch.setenv("KUSARI_BACKEND_AUTOLOAD", "0")
    assert Registry().specs() == {}
    monkeypatch.setenv("KUSARI_PLUGINS", "example_added")
    assert list(Registry().specs()) == ["added"]
    with pytest.raises(UnknownBackend, match=r"no backend is called 'installed'; installed: added"):
        Registry().get("installed")


def test_a_third_party_adds_kernels_to_others_backends(plugins: Plugins) -> None:
    asked = []

    @hookimpl
    def kusari_register_kernels(backend: Backend) -> None:
        asked.append(backend.name)
        if backend.name == "first":

            @backend.implements(relu)
            def other(backend: Backend, x: Any) -> Any:
                return x + 100

    @hookimpl(specname="kusari_register_kernels")
    def failing(backend: Backend) -> None:
        raise RuntimeError("cannot extend this")

    plugins.backend("first")
    plugins.backend("second")
    for name, value in (("first", "example_first"), ("second", "example_second"), ("a_bad", "bad"), ("more", "more")):
        plugins.install(name, value)
    plugins.module("more", kusari_register_kernels=kusari_register_kernels)
    plugins.module("bad", failing=failing)
    registry = Registry()
    first, second = registry.get("first"), registry.get("second")
    assert asked == ["first", "second"]
    assert relu(first, np.ones(1)) == 101
    assert relu(second, np.ones(1)) == 1
    assert registry.broken == [
        ("a_bad", f"kernels for {name}: RuntimeError: cannot extend this") for name in ("first", "second")
    ]
    added = registry.add(Backend("third", np, (np.ndarray,)))  # in code: asked about, too
    assert asked[-1] == added.name == "third"


def test_a_plugin_of_a_newer_contract_is_unavailable_with_advice(plugins: Plugins) -> None:
    plugins.backend("future", contract=CONTRACT + 1)
    plugins.install("future", "example_future")
    registry = Registry()
    advice = f"this kusari has {CONTRACT}; install a newer kusari or an older plugin"
    for _ in range(2):  # the reason is remembered
        with pytest.raises(BackendUnavailable, match=advice):
            registry.get("future")
    assert registry.broken == []


@pytest.mark.parametrize(
    ("opener", "text"),
    [
        ("nosuch_module:open_backend", "backend 'lost': No module named 'nosuch_module'; pip install lost"),
        ("example_other:open_backend", "returned a backend called 'other'; the names must agree"),
        ("example_other:nosuch", "example_other has no function 'nosuch'"),
        ("example_other:wrong", "returned a str; expected a Backend"),
    ],
)
def test_openers_that_do_not_open(plugins: Plugins, opener: str, text: str) -> None:
    module = plugins.backend("other")
    module.wrong = lambda: "a backend"  # type: ignore[attr-defined]
    registry = Registry()
    registry.register(BackendSpec("lost", opener, contract=1, install="pip install lost"))
    with pytest.raises(BackendUnavailable, match=text):
        registry.get("lost")


def test_a_backend_added_in_code(plugins: Plugins) -> None:
    plugins.backend("installed")
    plugins.install("installed", "example_installed")
    registry = Registry()
    backend = registry.add(Backend("mine", np, (np.ndarray,)))
    assert registry.get("mine") is backend
    for taken in ("mine", "installed"):
        with pytest.raises(PluginConflict, match=f"a backend called '{taken}' exists already; choose another name"):
            registry.add(Backend(taken, np, (np.ndarray,)))
    registry.remove("mine")
    with pytest.raises(UnknownBackend):
        registry.get("mine")


def test_the_same_spec_twice_is_no_conflict(plugins: Plugins) -> None:
    plugins.backend("one")
    registry = Registry()
    spec = BackendSpec("one", "example_one:open_backend", contract=1)
    registry.register(spec)
    registry.register(spec)
    assert registry.get("one").name == "one"


def test_the_message_says_how_to_install(plugins: Plugins) -> None:
    expected = (
        r"no backend is called 'cupy'; installed: none.*pip install kusari-backend-cupy .*\./packages/backend-cupy"
    )
    with pytest.raises(UnknownBackend, match=expected):
        Registry().get("cupy")


def test_importing_and_listing_opens_nothing(run_python: Callable[..., str]) -> None:
    code = (
        "import sys; from kusari.backend import registry; names = sorted(registry.specs()); "
        "heavy = {'cupy', 'triton', 'numba', 'torch', 'scipy'} & set(sys.modules); "
        "print(len(registry.opened()), sorted(heavy), 'numpy' in names)"
    )
    assert run_python(code) == "0 [] True"


def test_the_environment_reaches_a_fresh_process(run_python: Callable[..., str]) -> None:
    code = "from kusari.backend import registry; print(sorted(registry.specs()), registry.broken)"
    assert run_python(code, KUSARI_BACKEND_AUTOLOAD="0") == "[] []"
    assert run_python(code, KUSARI_BACKEND_AUTOLOAD="0", KUSARI_PLUGINS="kusari_numpy.spec") == "['numpy'] []"
    assert "numpy" not in run_python(code, KUSARI_PLUGINS="-numpy").partition("]")[0].split("'")
