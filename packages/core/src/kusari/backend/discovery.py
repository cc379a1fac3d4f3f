"""Finding plugins: each one loaded by itself, so that a broken one disturbs nobody."""

from __future__ import annotations

import importlib.metadata
import os
import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pluggy

from kusari.backend import hookspecs
from kusari.backend.backend import Backend
from kusari.backend.spec import BackendSpec
from kusari.errors import BackendUnavailable, PluginConflict, UnknownBackend

GROUP: Final = "kusari.backends"
"""The entry-point group of plugins."""


class BrokenPlugin(NamedTuple):
    """A plugin that could not be loaded, and why."""

    name: str
    reason: str


class Registry:
    """Know the plugins of this process, their specs, and the backends opened so far."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._specs: dict[str, BackendSpec] = {}
        self._providers: dict[str, list[str]] = {}
        self._opened: dict[str, Backend] = {}
        self._failures: dict[str, BackendUnavailable] = {}
        self.of_type: dict[type, Backend] = {}
        """Which root backend arrays of a type belong to, as far as somebody asked."""
        self.broken: list[BrokenPlugin] = []
        self._discovered = False

    def specs(self) -> dict[str, BackendSpec]:
        """Return every known spec by name, discovering plugins on first use."""
        with self._lock:
            self._discover()
            return dict(self._specs)

    def register(self, spec: BackendSpec, provider: str = "registered in code") -> None:
        """Make a backend known without an installed plugin."""
        with self._lock:
            providers = self._providers.setdefault(spec.name, [])
            if self._specs.get(spec.name) != spec:
                providers.append(provider)
            self._specs.setdefault(spec.name, spec)

    def add(self, backend: Backend) -> Backend:
        """Make an already built backend known, and let plugins add their kernels to it.

        Raises:
            PluginConflict: The name is taken.
        """
        with self._lock:
            self._discover()
            if backend.name in self._opened or backend.name in self._specs:
                raise PluginConflict(f"a backend called {backend.name!r} exists already; choose another name")
            self._opened[backend.name] = backend
            self._add_kernels(backend)
            return backend

    def remove(self, name: str) -> None:
        """Forget a backend that was added in code. Devices made of it stay valid."""
        with self._lock:
            for known in (self._opened, self._specs, self._providers, self._failures):
                known.pop(name, None)
            self.of_type.clear()

    def opened(self) -> list[Backend]:
        """Return the backends opened so far."""
        return list(self._opened.values())

    def get(self, name: str) -> Backend:
        """Return the backend called ``name``, opening it on first use.

        Raises:
            UnknownBackend: Nothing installed goes by that name.
            BackendUnavailable: It is installed but cannot run here.
            PluginConflict: Two plugins provide it.
        """
        backend = self._opened.get(name)
        if backend is not None:
            return backend
        with self._lock:
            self._discover()
            if name in self._opened:
                return self._opened[name]
            if name in self._failures:
                raise self._failures[name]
            if name not in self._specs:
                raise UnknownBackend(self._unknown(name))
            self._refuse_conflict(name)
            return self._open(self._specs[name])

    def _open(self, spec: BackendSpec) -> Backend:
        try:
            backend = spec.open()
        except BackendUnavailable as error:
            self._failures[spec.name] = error
            raise
        self._opened[spec.name] = backend
        self._add_kernels(backend)
        return backend

    def _refuse_conflict(self, name: str) -> None:
        providers = self._providers[name]
        if len(providers) > 1:
            raise PluginConflict(
                f"backend {name!r} is provided by {' and '.join(providers)}; uninstall one, "
                f"or block one with KUSARI_PLUGINS=-{providers[-1]}"
            )

    def _unknown(self, name: str) -> str:
        known = ", ".join(sorted({*self._specs, *self._opened})) or "none"
        broken = "".join(f"; plugin {plugin.name} is broken: {plugin.reason}" for plugin in self.broken)
        return (
            f"no backend is called {name!r}; installed: {known}{broken}. If it is kusari's: "
            f"pip install kusari-backend-{name} (from a checkout: pip install ./packages/backend-{name})"
        )

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        added, blocked = _plugins_variable()
        # An added plugin goes by what was written: a module, or "module:attribute", as an entry point's value.
        asked = [importlib.metadata.EntryPoint(word, word, GROUP) for word in added]
        for entry_point in (*_installed(), *asked):
            name = _provider(entry_point)
            if blocked & {name, entry_point.name}:
                continue
            try:
                plugin = entry_point.load()
                if self._manager.is_registered(plugin):  # installed, and named in KUSARI_PLUGINS too
                    continue
                self._manager.register(plugin, name=name)
                if not self._manager.get_hookcallers(plugin):
                    raise TypeError(
                        "it has neither kusari_register_backend nor kusari_register_kernels under @hookimpl"
                    )
                self._ask(name, plugin)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the others go on
                self.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))

    def _ask(self, name: str, plugin: Any) -> None:
        for answer in self._call_only(plugin, "kusari_register_backend"):
            for spec in [answer] if isinstance(answer, BackendSpec) else answer:
                if not isinstance(spec, BackendSpec):
                    raise TypeError(f"kusari_register_backend returned {spec!r}; expected a BackendSpec")
                self.register(spec, provider=name)

    def _add_kernels(self, backend: Backend) -> None:
        self._discover()
        for name, plugin in self._manager.list_name_plugin():
            if plugin is None:
                continue
            try:
                self._call_only(plugin, "kusari_register_kernels", backend=backend)
            except Exception as error:  # noqa: BLE001
                self.broken.append(BrokenPlugin(name, f"kernels for {backend.name}: {type(error).__name__}: {error}"))

    def _call_only(self, plugin: Any, hook: str, **arguments: Any) -> list[Any]:
        """Call one plugin's implementation of a hook: a raising neighbour must not end the call."""
        found = [known for known in getattr(self._manager.hook, hook).get_hookimpls() if known.plugin is plugin]
        answers = [known.function(*(arguments[name] for name in known.argnames)) for known in found]
        return [answer for answer in answers if answer is not None]


def _installed() -> list[importlib.metadata.EntryPoint]:
    if os.environ.get("KUSARI_BACKEND_AUTOLOAD", "1") == "0":
        return []
    return sorted(importlib.metadata.entry_points(group=GROUP), key=lambda found: (found.name, _provider(found)))


def _provider(entry_point: importlib.metadata.EntryPoint) -> str:
    """Return the name of the distribution that an entry point is of: two of them may choose one entry point's name."""
    return entry_point.name if entry_point.dist is None else entry_point.dist.name


def _plugins_variable() -> tuple[Sequence[str], frozenset[str]]:
    """Read ``KUSARI_PLUGINS``: comma-separated plugin modules to add, and ``-name`` to block.

    A blocked name is a distribution's (``kusari-backend-example``) or an entry point's (``example``).
    """
    words = [word.strip() for word in os.environ.get("KUSARI_PLUGINS", "").split(",") if word.strip()]
    return [word for word in words if word[0] != "-"], frozenset(word[1:] for word in words if word[0] == "-")


registry: Final = Registry()


def get_backend(name: str) -> Backend:
    """Return the backend called ``name``, opening it on first use.

    Raises:
        UnknownBackend: Nothing installed goes by that name; the message says what is and how to install it.
        BackendUnavailable: It is installed but cannot run here, with the reason.
        PluginConflict: Two plugins provide it.

    >>> get_backend("numpy")
    <backend numpy>
    """
    return registry.get(name)
