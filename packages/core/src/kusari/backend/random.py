"""Random sources: seeded once for the process, one stream per backend."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from kusari.dtypes import host_dtype

if TYPE_CHECKING:
    from kusari.backend.backend import Backend

_lock: Final = threading.Lock()
_streams: Final[dict[str, Any]] = {}
_awaited: Final[dict[str, Any]] = {}
"""States that `restore_streams` has for streams not opened yet."""
_root: list[np.random.SeedSequence] = []


class RandomSource(Protocol):
    """A stream of random arrays on one backend's devices."""

    def uniform(self, shape: tuple[int, ...], dtype: Any, low: float = 0.0, high: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from [low, high), on device ``index``."""

    def normal(self, shape: tuple[int, ...], dtype: Any, mean: float = 0.0, std: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn from N(mean, std²), on device ``index``."""

    def integers(self, shape: tuple[int, ...], low: int, high: int, dtype: Any, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from low … high - 1, on device ``index``."""

    def get_state(self) -> Any:
        """Return what `set_state` takes, to be saved with a snapshot."""

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""


class HostRandom:
    """Draw on the host with NumPy's generator, then transfer.

    >>> HostRandom(get_backend("numpy"), seed=0).integers((3,), 0, 10, "int64")
    array([8, 6, 5])
    """

    def __init__(self, backend: Backend, seed: int | np.random.SeedSequence | None = None) -> None:
        self._backend = backend
        self.generator = np.random.default_rng(seed)

    def _send(self, drawn: np.ndarray[Any, Any], dtype: Any, index: int) -> Any:
        return self._backend.from_host(np.asarray(drawn, dtype=host_dtype(dtype)), index, copy=False)

    def uniform(self, shape: tuple[int, ...], dtype: Any, low: float = 0.0, high: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from [low, high)."""
        host = host_dtype(dtype)
        if low == 0 and high == 1 and host in (np.float32, np.float64):  # float32: 0.5 ms for 128,000, else 1.4
            return self._send(self.generator.random(shape, dtype=host), dtype, index)
        drawn = np.asarray(self.generator.uniform(low, high, shape), dtype=host)
        # Rounding to the dtype can reach high: in float16 for one draw in 4096 from [0, 1).
        below = np.nextafter(host.type(high), host.type(low))
        return self._send(np.where(drawn < high, drawn, below), dtype, index)

    def normal(self, shape: tuple[int, ...], dtype: Any, mean: float = 0.0, std: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn from N(mean, std²)."""
        return self._send(self.generator.normal(mean, std, shape), dtype, index)

    def integers(self, shape: tuple[int, ...], low: int, high: int, dtype: Any, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from low … high - 1."""
        return self._send(self.generator.integers(low, high, shape), dtype, index)

    def get_state(self) -> Any:
        """Return the generator's state as plain values."""
        return self.generator.bit_generator.state

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` returned."""
        self.generator.bit_generator.state = state


def seed(value: int) -> None:
    """Seed every random stream of the process, those of backends opened later included.

    Args:
        value: Non-negative.

    >>> seed(0)
    >>> first = host_generator().random()
    >>> seed(0)
    >>> host_generator().random() == first
    True
    """
    with _lock:
        _root[:] = [np.random.SeedSequence(value)]
        _streams.clear()
        _awaited.clear()


def _seed_of(name: str) -> np.random.SeedSequence:
    """Derive a stream's seed from the root and its name, so that it does not depend on who asks first."""
    if not _root:
        _root.append(np.random.SeedSequence(_first_seed()))
    root = _root[0]
    return np.random.SeedSequence(entropy=root.entropy, spawn_key=tuple(name.encode()))


def _first_seed() -> int:
    """Return what KUSARI_SEED says; without it, a number drawn from NumPy's global stream.

    numpy.random.seed(0) before a model is built so makes it repeatable.
    """
    text = os.environ.get("KUSARI_SEED", "")
    if not text:
        return int(np.random.randint(0, 2**31 - 1))  # noqa: NPY002
    if not text.isdecimal():
        raise ValueError(f"KUSARI_SEED={text!r}: expected a number from 0 on")
    return int(text)


def _open(name: str, stream: Any) -> None:
    _streams[name] = stream
    if name in _awaited:
        _set_state(stream, _awaited.pop(name))


def host_generator() -> np.random.Generator:
    """Return the host's generator: initializers and other host-side draws share it."""
    with _lock:
        if "host" not in _streams:
            _open("host", np.random.default_rng(_seed_of("host")))
        generator: np.random.Generator = _streams["host"]
        return generator


def random_source(backend: Backend) -> RandomSource:
    """Return the stream of ``backend``, seeded by `seed` or else once from NumPy's global stream."""
    with _lock:
        if backend.name not in _streams:
            words = _seed_of(backend.name).generate_state(2, np.uint32)
            _open(backend.name, backend.random(int(words[0]) << 32 | int(words[1])))
        source: RandomSource = _streams[backend.name]
        return source


class StreamStates:
    """Where every random stream of the process was at one moment, for `replay`."""

    def __init__(self) -> None:
        with _lock:
            self.streams = dict(_streams)
            self.states = {name: _state_of(stream) for name, stream in _streams.items()}


@contextlib.contextmanager
def replay(then: StreamStates) -> Iterator[None]:
    """Draw again, within the block, what was drawn since ``then``; afterwards go on as if nothing had been drawn.

    >>> then = StreamStates()
    >>> first = host_generator().random()
    >>> with replay(then):
    ...     host_generator().random() == first
    True
    """
    now = StreamStates()
    _go_to(then)
    try:
        yield
    finally:
        _go_to(now)


def _go_to(moment: StreamStates) -> None:
    with _lock:
        _streams.clear()  # streams opened later start anew from their seeds
        _streams.update(moment.streams)
        for name, stream in moment.streams.items():
            _set_state(stream, moment.states[name])


def _state_of(stream: Any) -> Any:
    return stream.bit_generator.state if isinstance(stream, np.random.Generator) else stream.get_state()


def _set_state(stream: Any, state: Any) -> None:
    if isinstance(stream, np.random.Generator):
        stream.bit_generator.state = state
    else:
        stream.set_state(state)


def save_streams() -> str:
    """Return, as JSON text, where every random stream of the process is.

    That is the root seed and the streams opened so far, NumPy's global stream, and that of Python's ``random``: a
    dataset may draw from those.

    >>> text = save_streams()
    >>> first = host_generator().random()
    >>> restore_streams(text)
    >>> host_generator().random() == first
    True
    """
    streams = StreamStates().states
    state = {
        "root": None if not _root else _root[0].entropy,
        "streams": streams | {name: value for name, value in _awaited.items() if name not in streams},
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "python": random.getstate(),
    }
    return json.dumps(state, default=_as_json)


def restore_streams(text: str) -> None:
    """Go to where `save_streams` was called; streams that are opened later in this process go there, too."""
    state = json.loads(text, object_hook=_from_json)
    with _lock:
        _root[:] = [] if state["root"] is None else [np.random.SeedSequence(state["root"])]
        _awaited.clear()
        for name in _streams.keys() - state["streams"].keys():
            del _streams[name]  # it was not open then, and starts anew from its seed
        for name, value in state["streams"].items():
            if name in _streams:
                _set_state(_streams[name], value)
            else:
                _awaited[name] = value
    np.random.set_state(state["numpy"])  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a random stream's state has a {type(value).__name__}; expected numbers, texts and host arrays")


def _from_json(value: dict[str, Any]) -> Any:
    return np.asarray(value["array"], dtype=value["dtype"]) if value.keys() == {"array", "dtype"} else value
