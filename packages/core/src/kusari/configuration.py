"""Configuration: values of the process (`global_config`), overlaid per thread or task (`config`)."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TextIO, TypeVar

from kusari.mixed import dtype_or_mixed

T = TypeVar("T")

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text not in ("0", "1"):
        raise ValueError(f"{name}={text!r}: expected 0 or 1")
    return text == "1"


def _choice(name: str, default: str, choices: tuple[str, ...] = ("always", "auto", "never")) -> str:
    text = os.environ.get(name, default)
    if text not in choices:
        raise ValueError(f"{name}={text!r}: expected {', '.join(choices)}")
    return text


def _dtype(name: str, default: str) -> Any:
    text = os.environ.get(name, default)
    try:
        return dtype_or_mixed(text)
    except TypeError as error:
        raise ValueError(f"{name}={text!r}: expected float32, mixed16 or another dtype: {error}") from None


def _defaults() -> dict[str, Any]:
    """Return every documented key with its default, read from the environment where it has a variable."""
    return {
        "autotune": False,
        "compute_mode": None,
        "cudnn_deterministic": False,
        "cudnn_fast_batch_normalization": _flag("KUSARI_CUDNN_FAST_BATCH_NORMALIZATION", False),
        "debug": _flag("KUSARI_DEBUG", False),
        "dtype": _dtype("KUSARI_DTYPE", "float32"),
        "enable_backprop": True,
        "forbid_synchronization": False,
        "in_recomputing": False,
        "keep_graph_on_report": _flag("KUSARI_KEEP_GRAPH_ON_REPORT", False),
        "lazy_grad_sum": _flag("KUSARI_LAZY_GRAD_SUM", False),
        "legacy_behavior": False,
        "precision": os.environ.get("KUSARI_PRECISION", "ieee"),
        "schedule_func": None,
        "sequential_numbering": "native",
        "train": True,
        "type_check": _flag("KUSARI_TYPE_CHECK", True),
        "use_cudnn": _choice("KUSARI_USE_CUDNN", "auto") if _flag("KUSARI_CUDNN", True) else "never",
        "use_cudnn_tensor_core": "auto",
        "use_ideep": _choice("KUSARI_USE_IDEEP", "never"),
        "use_static_graph": True,
        "warn_nondeterministic": False,
        "_gradients_asked_for_only": False,
        "_kept": None,
        "_replayed": None,
        "_will_recompute": False,
    }


class State:
    """Hold everything that is in force in one thread or task, resolved.

    One object behind one context variable: a function call reads it once (35 ns) instead of asking for five
    values. Never changed in place but by a change of the global configuration, which re-resolves it.
    """

    __slots__ = (
        "__weakref__",
        "_backward",
        "backend",
        "configuration",
        "debug",
        "enable_backprop",
        "function_hooks",
        "link_hooks",
        "overrides",
        "type_check",
    )

    def __init__(
        self,
        configuration: GlobalConfig,
        overrides: Mapping[str, Any] = _NOTHING,
        backend: Any = None,
        function_hooks: tuple[Any, ...] = (),
        link_hooks: tuple[Any, ...] = (),
    ) -> None:
        self.configuration = configuration
        self.overrides = overrides
        self.backend = backend
        self.function_hooks = function_hooks
        self.link_hooks = link_hooks
        self._backward: dict[bool, State] = {}
        configuration._adopt(self)

    def resolve(self, values: Mapping[str, Any]) -> None:
        """Copy the values that the hot path reads into slots."""
        self.enable_backprop: bool = self.overrides.get("enable_backprop", values.get("enable_backprop", True))
        self.type_check: bool = self.overrides.get("type_check", values.get("type_check", True))
        self.debug: bool = self.overrides.get("debug", values.get("debug", False))

    def for_backward(self, recording: bool) -> State:
        """Return the state of a backpropagation: the graph's labels decide whose kernels run, not `use_backend`.

        Made once per state: a backward() would otherwise spend half the time of a short graph here.
        """
        found = self._backward.get(recording)
        if found is None:
            overrides = {**self.overrides, "enable_backprop": recording}
            found = self._backward[recording] = self.replace(overrides=overrides, backend=None)
        return found

    def replace(self, **changes: Any) -> State:
        """Return a copy in which the named parts are others."""
        parts = {
            "overrides": self.overrides,
            "backend": self.backend,
            "function_hooks": self.function_hooks,
            "link_hooks": self.link_hooks,
            **changes,
        }
        return State(self.configuration, **parts)


class GlobalConfig:
    """Hold the values that every thread sees unless it has its own.

    >>> settings = GlobalConfig()
    >>> settings.train = True
    >>> settings.train
    True
    """

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_states", weakref.WeakSet())
        # Reentrant: the collector may run a finalizer that changes the configuration while the lock is held.
        object.__setattr__(self, "_lock", threading.RLock())

    _values: dict[str, Any]
    _states: weakref.WeakSet[State]
    _lock: threading.RLock

    def _adopt(self, state: State) -> None:
        with self._lock:
            self._states.add(state)
            state.resolve(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"no configuration key {name!r}; known: {', '.join(sorted(self._values))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        with self._lock:
            self._values[name] = value
            for state in self._states:
                state.resolve(self._values)

    def __delattr__(self, name: str) -> None:
        with self._lock:
            if name not in self._values:
                raise AttributeError(f"no configuration key {name!r}")
            del self._values[name]
            for state in self._states:
                state.resolve(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def show(self, file: TextIO | None = None) -> None:
        """Print every key with its value, sorted by key."""
        _print_table(self._values, file)


class LocalConfig:
    """Overlay a `GlobalConfig` for one thread or task.

    A value set here is seen by this thread (or task) alone; a key that was not set falls through. A new thread
    starts with the global values.

    >>> config.train
    True
    >>> with using_config("train", False):
    ...     config.train
    False
    """

    __slots__ = ("_configuration", "_root", "_variable")

    def __init__(self, global_config: GlobalConfig) -> None:
        root = State(global_config)
        object.__setattr__(self, "_configuration", global_config)
        object.__setattr__(self, "_root", root)
        object.__setattr__(self, "_variable", contextvars.ContextVar("kusari_state", default=root))

    _configuration: GlobalConfig
    _root: State
    _variable: contextvars.ContextVar[State]

    def __getattr__(self, name: str) -> Any:
        overrides = self._variable.get().overrides
        return overrides[name] if name in overrides else getattr(self._configuration, name)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self._variable.get()
        self._variable.set(state.replace(overrides={**state.overrides, name: value}))

    def __delattr__(self, name: str) -> None:
        state = self._variable.get()
        if name not in state.overrides:
            raise AttributeError(f"configuration key {name!r} has no value of this thread's own to delete")
        self._variable.set(
            state.replace(overrides={key: value for key, value in state.overrides.items() if key != name})
        )

    def __contains__(self, name: object) -> bool:
        return name in self._variable.get().overrides or name in self._configuration

    def show(self, file: TextIO | None = None) -> None:
        """Print every key with the value in force here, sorted by key."""
        _print_table({**self._configuration._values, **self._variable.get().overrides}, file)


def _print_table(values: Mapping[str, Any], file: TextIO | None) -> None:
    out = sys.stdout if file is None else file
    width = max(map(len, values), default=0)
    for key in sorted(values):
        print(f"{key:{width}} {values[key]}", file=out)


global_config: Final = GlobalConfig()
for _key, _value in _defaults().items():
    setattr(global_config, _key, _value)
config: Final = LocalConfig(global_config)

current_state: Final = config._variable.get
"""The `State` in force: the one read that a function call makes."""

_set_state: Final = config._variable.set


@contextlib.contextmanager
def using_config(name: str, value: Any, config: LocalConfig = config) -> Iterator[None]:
    """Set one configuration key within a ``with`` block.

    Only this key is restored on leaving, so blocks may end in any order (generators suspend inside them).

    >>> with using_config("enable_backprop", False):
    ...     config.enable_backprop
    False
    """
    overrides = config._variable.get().overrides
    had, old = name in overrides, overrides.get(name)
    setattr(config, name, value)
    try:
        yield
    finally:
        if had:
            setattr(config, name, old)
        elif name in config._variable.get().overrides:  # not so in a thread that only ends a generator
            delattr(config, name)


@contextlib.contextmanager
def using_state(**changes: Any) -> Iterator[State]:
    """Change parts of the `State` other than configuration keys (backend, hooks) within a ``with`` block."""
    before = current_state()
    state = before.replace(**changes)
    _set_state(state)
    try:
        yield state
    finally:
        _set_state(current_state().replace(**{part: getattr(before, part) for part in changes}))


def call_in_state(state: State, function: Callable[..., T], *args: Any) -> T:
    """Call a function with ``state`` in force."""
    before = current_state()
    _set_state(state)
    try:
        return function(*args)
    finally:
        _set_state(before)


def change_state(**changes: Any) -> None:
    """Change parts of the `State` of this thread or task until they are changed again."""
    _set_state(current_state().replace(**changes))


# Debug mode. --------------------------------------------------------------------------------------------------------


def is_debug() -> bool:
    """Tell whether debug mode is on here: functions look for NaN, and links for parameters that were changed unseen.

    >>> is_debug()
    False
    """
    return bool(config.debug)


def set_debug(debug: bool) -> None:
    """Turn debug mode on or off, for this thread or task."""
    config.debug = debug


class DebugMode:
    """Turn debug mode on or off within a ``with`` block.

    Deprecated: use ``using_config("debug", debug)``.

    >>> with DebugMode(True):
    ...     is_debug()
    True
    """

    def __init__(self, debug: bool) -> None:
        self._context = using_config("debug", debug)

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._context.__exit__(*raised)
