"""Backend: where arrays live. A device, an array module and a table of kernels."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar, overload

import numpy as np

from kusari.backend import choice
from kusari.backend.derived import Derived
from kusari.backend.family import Family
from kusari.backend.kernel import CONTRACT, Kernel, check_signature, is_kernel
from kusari.backend.random import HostRandom, RandomSource
from kusari.backend.stream import Event, HostEvent, HostStream, Stream, Timer, WallTimer
from kusari.dtypes import STANDARD_NAMES, DTypeLike, host_dtype

if TYPE_CHECKING:
    from kusari.backend.expression import Expression

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Family[Any]")


class Backend:
    """Where arrays live: devices, an array module and a table of kernels.

    ``Backend(name, xp, array_types)`` is a complete and correct backend; overriding kernels makes it fast, and
    overriding the methods below (each has a default that is right, if not the fastest) tells core more about the
    hardware.

    Args:
        name: What users call it: ``to_device("name")``, ``name:1``.
        xp: An array module that follows the Python array API standard 2024.12, with mutable arrays.
        array_types: The classes of its arrays. Empty: those of ``base``.
        base: Another backend whose arrays and kernels this one inherits.
        contract: The contract version that the backend was written for.

    Raises:
        ValueError: A name that is not a word, or no array types and no base.

    >>> backend = Backend("example", np, (np.ndarray,))
    >>> backend.to_host(backend.from_host(np.arange(3)))
    array([0, 1, 2])
    """

    # Required: nothing beyond the constructor's arguments. ---------------------------------------------------

    def __init__(
        self,
        name: str,
        xp: Any,
        array_types: tuple[type, ...] = (),
        *,
        base: Backend | None = None,
        contract: int = CONTRACT,
    ) -> None:
        if not name.replace("-", "_").isidentifier():
            raise ValueError(f"backend name {name!r}: expected a word of letters, digits, '-' and '_'")
        if not array_types and base is None:
            raise ValueError(f"backend {name!r}: give the classes of its arrays, or a base that has some")
        self.name = name
        self.xp = xp
        self.base = base
        self.contract = contract
        self.array_types: tuple[type, ...] = array_types or (base.array_types if base else ())
        self.on_host = np.ndarray in self.array_types
        self.chain: tuple[Backend, ...] = (self, *(base.chain if base else ()))
        self.root = self.chain[-1]
        self.overrides: dict[Any, list[choice.Override]] = {}
        self.table: dict[Any, Callable[..., Any]] = _Table(self)
        self.derived = Derived()
        self._above: list[Backend] = []
        self._availability: dict[choice.Override, str | None] = {}
        self._updates: dict[Kernel[..., Any], Callable[..., Any] | None] = {}
        self._host_dtypes: dict[Any, np.dtype[Any]] = {}
        self._native_dtypes: dict[Any, Any] = {}
        for below in self.chain[1:]:
            below._above.append(self)

    def __repr__(self) -> str:
        return f"<backend {self.name}>"

    # Devices. ------------------------------------------------------------------------------------------------

    def devices(self) -> tuple[Any, ...]:
        """Return the native device objects, in the order of their indices.

        Default: the base's; else those that ``xp.__array_namespace_info__()`` lists with every dtype of its default
        device, asked once: a device without float64, say, is not one that a Variable can be moved to and back.
        """
        return self._listed_devices if self.base is None else self.base.devices()

    @functools.cached_property
    def _listed_devices(self) -> tuple[Any, ...]:
        info = self.xp.__array_namespace_info__()
        complete = set(info.dtypes())
        return tuple(device for device in info.devices() if complete <= set(info.dtypes(device=device)))

    def device(self, index: int) -> Any:
        """Return the native device object of ``index``, as ``xp.zeros(device=...)`` takes it.

        Raises:
            ValueError: There are not so many devices.
        """
        found = self.devices()
        if not 0 <= index < len(found):
            raise ValueError(f"backend {self.name!r} has {len(found)} device(s), numbered from 0; asked for {index}")
        return found[index]

    def index_of(self, array: Any) -> int:
        """Return the index of the device that ``array`` lives on."""
        found = self.devices()
        return 0 if len(found) == 1 else found.index(array.device)

    def use(self, index: int) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the device is the library's current one. Default: nothing to do."""
        return contextlib.nullcontext()

    def is_current(self, index: int) -> bool:
        """Tell whether the device needs no `use` around a call. Default: always."""
        return True

    # Transfers. They copy: an aliased in-place update would corrupt the other side. ---------------------------

    def to_host(self, array: Any) -> np.ndarray[Any, Any]:
        """Return a copy on the host."""
        if isinstance(array, np.ndarray):
            return array.copy(order="K")
        if self.index_of(array) != 0:
            array = array.to_device(self.device(0))
        return np.array(np.from_dlpack(array), copy=True)

    def from_host(
        self, array: np.ndarray[Any, Any], index: int = 0, copy: bool = True, non_blocking: bool = False
    ) -> Any:
        """Return a copy of a host array on device ``index``.

        Args:
            array: On the host; any strides.
            index: Which device.
            copy: False allows, but does not ask for, shared memory.
            non_blocking: Allow the copy to run on after the call returned; the source must stay unchanged.
        """
        native = self.native_dtype(array.dtype)
        source = np.array(array, copy=True, order="K") if copy else array
        return self.xp.asarray(source, dtype=native, device=self.device(index))

    def transfer(self, array: Any, index: int) -> Any:
        """Return a copy of one of this backend's own arrays on another of its devices."""
        return self.from_host(self.to_host(array), index)

    def as_array(self, value: Any, like: Any) -> Any:
        """Return a kernel's result as an array: some libraries give scalars where the standard says 0-d arrays."""
        return value if isinstance(value, self.array_types) else self.xp.asarray(value)

    # Time. ---------------------------------------------------------------------------------------------------

    def synchronize(self, index: int = 0) -> None:
        """Wait until all work on the device is done. Default: there is none pending."""

    def current_stream(self, index: int = 0) -> Stream:
        """Return the stream that kernels are put on."""
        return HostStream()

    def event(self) -> Event:
        """Return a marker that can be recorded in a stream and waited for."""
        return HostEvent()

    def timer(self) -> Timer:
        """Return a stopwatch that measures the device's time. Default: the wall clock."""
        return WallTimer(self)

    # Data types and layout. ----------------------------------------------------------------------------------

    @property
    def dtypes(self) -> frozenset[str]:
        """The names of the data types that arrays can have."""
        if self.base is not None:
            return self.base.dtypes
        return frozenset(name for name in STANDARD_NAMES if hasattr(self.xp, name))

    def native_dtype(self, dtype: DTypeLike) -> Any:
        """Return the library's dtype object for one of the host's.

        Raises:
            TypeError: The library has no such type.
        """
        if self.base is not None:
            return self.base.native_dtype(dtype)
        try:
            return self._native_dtypes[dtype]
        except KeyError:
            found = self._native_dtypes[dtype] = self._native(host_dtype(dtype))
            return found

    def _native(self, host: np.dtype[Any]) -> Any:
        native = getattr(self.xp, host.name, None)
        if native is None:
            raise TypeError(
                f"backend {self.name!r} has no dtype {host.name!r}; it has {', '.join(sorted(self.dtypes))}"
            )
        return native

    def host_dtype(self, native: Any) -> np.dtype[Any]:
        """Return the host's dtype object for one of the library's."""
        try:
            return self._host_dtypes[native]
        except KeyError:
            found = native if isinstance(native, np.dtype) else self._named(native)
            self._host_dtypes[native] = found
            return found

    def _named(self, native: Any) -> np.dtype[Any]:
        for name in STANDARD_NAMES:
            if getattr(self.xp, name, None) == native:
                return host_dtype(name)
        return np.dtype(native)

    def strides(self, array: Any) -> tuple[int, ...] | None:
        """Return the strides in bytes, or None where the library does not tell."""
        found: tuple[int, ...] | None = getattr(array, "strides", None)
        return found

    # Great functions you get, and may do better. ---------------------------------------------------------------

    def random(self, seed: int | None = None) -> RandomSource:
        """Return a source of random arrays. Default: the host's generator, transferred."""
        return HostRandom(self, seed)

    compile_elementwise: ClassVar[Callable[[Any, Expression], Callable[..., Any]] | None] = None
    """Turn an `Expression` into a function of (backend, arrays, scalars); None: the Python definition runs."""

    def foreach(
        self,
        kernel: Kernel[..., Any],
        columns: Sequence[Sequence[Any]],
        scalar_rows: Sequence[Sequence[float]],
    ) -> list[tuple[Any, ...]]:
        """Run one elementwise kernel over many rows of arrays.

        Args:
            kernel: It returns a tuple of arrays; the donated columns' memory may be taken for them.
            columns: One sequence per array parameter, with one array per row.
            scalar_rows: One sequence of numbers per row, so that differing learning rates do not split a group.

        Returns:
            One tuple of results per row. Default: a loop; a GPU backend launches once.
        """
        return [
            kernel(self, *arrays, *scalars)
            for arrays, scalars in zip(zip(*columns, strict=True), scalar_rows, strict=True)
        ]

    def compiled_update(self, kernel: Kernel[..., Any]) -> Any:
        """Return what `compile_elementwise` makes of a kernel, for `foreach` to run, or None.

        None: the kernel has static arguments, is not elementwise, or something else is in force for it.
        """
        if kernel not in self._updates:
            from kusari.backend.elementwise import compiled_update

            self._updates[kernel] = compiled_update(self, kernel)
        return self._updates[kernel]

    # Overriding kernels. ---------------------------------------------------------------------------------------

    @overload
    def implements(
        self, target: Kernel[P, R], *, available: choice.Available | None = ...
    ) -> Callable[[Callable[Concatenate[Backend, P], R]], Callable[Concatenate[Backend, P], R]]: ...
    @overload
    def implements(
        self, target: type[F], *, available: choice.Available | None = ...
    ) -> Callable[[type[F]], type[F]]: ...
    def implements(self, target: Any, *, available: choice.Available | None = None) -> Any:
        """Override a kernel, or a family, on this backend and those built on it.

        Args:
            target: The kernel or family, imported from ``kusari.kernels``.
            available: Called once with the backend: True, or the reason why the override cannot be used here.

        Raises:
            SignatureMismatch: The override does not take what the definition takes.

        >>> from kusari.kernels.activation import relu
        >>> backend = Backend("example", np, (np.ndarray,))
        >>> @backend.implements(relu)
        ... def fast_relu(backend, x):
        ...     return np.maximum(x, 0)
        >>> relu(backend, np.asarray([-1.0, 2.0]))
        array([0., 2.])
        """

        def register(implementation: Any) -> Any:
            if is_kernel(target):
                check_signature(target, implementation)
            elif isinstance(target, type) and issubclass(target, Family):
                choice.check_family_override(target, implementation)
            else:
                raise TypeError(f"{target!r} is not a kernel; import one from kusari.kernels")
            # The latest registration is asked first, so that a library can improve on a backend.
            self.overrides.setdefault(target, []).insert(0, choice.Override(implementation, self.name, available))
            self.forget_choices()
            return implementation

        return register

    def explain(self, target: Any, problem: Any = None) -> choice.Explanation:
        """Say which implementation of ``target`` runs here, for ``problem``, and why not the others."""
        return choice.explain(self, target, problem)

    def availability(self, override: choice.Override) -> str | None:
        """Return None when ``override`` can be used here, else why not. Asked once, then remembered."""
        if override not in self._availability:
            assert override.available is not None
            verdict = override.available(self)
            self._availability[override] = choice.reason(verdict, "available() said no and gave no reason")
        return self._availability[override]

    def forget_choices(self) -> None:
        """Choose anew from here on, here and on every backend built on this one. Plans in use stay valid."""
        for backend in (self, *self._above):
            backend.table.clear()
            backend._availability.clear()
            backend._updates.clear()


class _Table(dict[Any, Callable[..., Any]]):
    """Kernel -> function, family -> chooser of plans; filled on first use, a plain dict hit afterwards."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    def __missing__(self, target: Any) -> Callable[..., Any]:
        entry = self[target] = choice.table_entry(self._backend, target)
        return entry
