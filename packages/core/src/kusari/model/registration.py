"""Registration: which attributes of a link are parameters and which are persistent values."""

from __future__ import annotations

import contextlib
import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import Variable
from kusari.dtypes import DTypeLike
from kusari.initializers import NaN, get_initializer
from kusari.model.device_resident import DeviceResident


class Registration(DeviceResident):
    """The part of `Link` that knows its own parameters and persistent values, by name."""

    name: str | None = None
    """What the parent calls it; None for a root."""
    _params: set[str]
    _persistent: set[str]
    _within_init_scope: bool = False

    def _start_registration(self) -> None:
        self.name = None
        self._params = set()
        self._persistent = set()
        self._within_init_scope = False

    def _check_ready(self) -> None:
        """Raise where ``__init__`` was forgotten."""
        if "_params" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__} was used before Link.__init__() ran: call super().__init__() first in its "
                "__init__"
            )

    @property
    def within_init_scope(self) -> bool:
        """Whether assignments register: true inside `init_scope`."""
        return self._within_init_scope

    @contextlib.contextmanager
    def init_scope(self) -> Iterator[None]:
        """Register the parameters (and in a `Chain`, the links) that are assigned in a ``with`` block.

        Raises:
            RuntimeError: ``super().__init__()`` was not called.

        >>> link = kusari.model.Link()
        >>> with link.init_scope():
        ...     link.W = Parameter(0, (2, 3))
        >>> [path for path, _ in link.namedparams()]
        ['/W']
        """
        self._check_ready()
        before = self._within_init_scope
        self._within_init_scope = True
        try:
            yield
        finally:
            self._within_init_scope = before

    # Assigning and deleting attributes. ----------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._take_parameter(name, value)
        elif isinstance(value, Registration):
            self._take_link(name, value)
        elif self._is_registered(name) and not isinstance(value, Variable):
            # A plain Variable may stand in for a parameter: hooks that normalize a weight do that during a call.
            raise TypeError(
                f"{type(self).__name__}.{name} is registered and cannot become a {type(value).__name__}: "
                f"del link.{name} first, or to change a parameter's data assign link.{name}.array"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if self._is_registered(name) or name in self.__dict__.get("_persistent", ()):
            self._unregister(name)

    def _unregister(self, name: str) -> None:
        self._params.discard(name)
        self._persistent.discard(name)

    def _is_registered(self, name: str) -> bool:
        return name in self.__dict__.get("_params", ())

    def _has_child(self, name: str) -> bool:
        return False

    def _take_parameter(self, name: str, param: Parameter) -> None:
        """Register a parameter in an init scope; keep the registration of one that is replaced outside."""
        if not (self._within_init_scope or self._is_registered(name)):
            return
        if self._has_child(name):
            raise TypeError(f"{type(self).__name__}.{name} is a link and cannot become a parameter: del it first")
        param.name = name
        self._params.add(name)
        self._persistent.discard(name)
        self._send_if_uninitialized(param)

    def _send_if_uninitialized(self, param: Parameter) -> None:
        """Let a parameter without data adopt the link's device; one with data stays where it is."""
        if self._device is not None and not param.is_initialized:
            param.to_device(self._device)

    def _take_link(self, name: str, link: Registration) -> None:
        if self._is_registered(name):
            raise TypeError(f"{type(self).__name__}.{name} is a parameter and cannot become a link: del it first")
        if self._within_init_scope:
            warnings.warn(
                f"{type(self).__name__}.{name} = {type(link).__name__}(): only a Chain or a ChainList has links below "
                "it; this one is not trained, moved or saved with it",
                UserWarning,
                stacklevel=3,
            )

    # Registering by name. ------------------------------------------------------------------------------------------

    def add_param(
        self,
        name: str,
        shape: Sequence[int] | int | None = None,
        dtype: DTypeLike = "float32",
        initializer: Any = None,
    ) -> None:
        """Make a parameter, on the link's device, and register it.

        Args:
            name: The attribute.
            shape: None: given later.
            dtype: Where there is no initializer; otherwise that decides.
            initializer: As in `Parameter`; None fills with NaN.

        Raises:
            AttributeError: There is such an attribute.

        >>> link = kusari.model.Link()
        >>> link.add_param("W", (2, 3), initializer=0)
        >>> link.W.shape
        (2, 3)
        """
        self._refuse_existing(name, "parameter")
        if initializer is None:
            initializer = NaN(dtype)
        param = Parameter(initializer if shape is None else get_initializer(initializer))
        with self.init_scope():
            setattr(self, name, param)
        if shape is not None:
            param.initialize(shape)

    def add_persistent(self, name: str, value: Any) -> None:
        """Set an attribute that is saved with the link, and moved if it is an array.

        Raises:
            AttributeError: There is such an attribute.
        """
        self._refuse_existing(name, "persistent value")
        self._persistent.add(name)
        object.__setattr__(self, name, value)

    def register_persistent(self, name: str) -> None:
        """Let an attribute be saved with the link, and moved if it is an array; a parameter is one no longer.

        Raises:
            AttributeError: There is no such attribute.
            TypeError: It is a child link.
        """
        self._check_ready()
        if not hasattr(self, name):
            raise AttributeError(f"register_persistent({name!r}): {type(self).__name__} has no such attribute")
        if self._has_child(name):
            raise TypeError(f"register_persistent({name!r}): it is a child, which is saved anyway")
        self._persistent.add(name)
        self._params.discard(name)

    def _refuse_existing(self, name: str, what: str) -> None:
        """Raise where the instance has an attribute of that name; the class may have one."""
        self._check_ready()
        if name in self.__dict__:
            raise AttributeError(f"cannot register {what} {name!r}: {type(self).__name__} has such an attribute")


def parameter_spec(name: str, spec: Any) -> tuple[Any, DTypeLike]:
    """Return shape and dtype for what ``Link(name=spec)`` was given.

    Args:
        name: The keyword, for messages.
        spec: None, a number or a sequence of numbers, which is a shape, in float32; or (shape, dtype).

    Raises:
        TypeError: None of these.

    >>> parameter_spec("W", (2, 3)), parameter_spec("W", ((2, 3), "float64")), parameter_spec("W", None)
    (((2, 3), 'float32'), ((2, 3), 'float64'), (None, 'float32'))
    """
    if _is_shape(spec):
        return spec, "float32"
    if isinstance(spec, tuple | list) and len(spec) == 2 and _is_shape(spec[0]):
        return spec[0], spec[1]
    raise TypeError(f"Link({name}={spec!r}): expected a shape, or a pair of shape and dtype")


def _is_shape(value: Any) -> bool:
    if value is None:
        return True
    try:
        for length in value if isinstance(value, tuple | list) else (value,):
            operator.index(length)
    except TypeError:
        return False
    return True
