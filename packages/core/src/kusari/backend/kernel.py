"""Kernels: named operations with one portable definition each, dispatched through the calling backend's table."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeGuard, TypeVar, overload

from kusari.errors import SignatureMismatch, UnknownKernel

if TYPE_CHECKING:
    from kusari.backend.backend import Backend

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

CONTRACT: Final = 2
"""The contract version: rises when a Problem gains a field or a method of the seam changes."""

_registry: Final[weakref.WeakValueDictionary[str, Any]] = weakref.WeakValueDictionary()


class Kernel(Protocol[P, R]):
    """A function of arrays whose first argument is the calling backend.

    It is a plain generated function with the attributes below rather than an object with ``__call__``: measured
    0.07 µs a call against 0.35.
    """

    __name__: str
    portable: Callable[..., Any]
    key: str
    elementwise: bool
    host: bool
    extension: str | None
    donates: tuple[str, ...]

    def __call__(self, backend: Backend, /, *args: P.args, **kwargs: P.kwargs) -> R: ...


@overload
def kernel(portable: Callable[Concatenate[Backend, P], R], /) -> Kernel[P, R]: ...
@overload
def kernel(
    *, elementwise: bool = False, host: bool = False, extension: str | None = None, donates: tuple[str, ...] = ()
) -> Callable[[Callable[Concatenate[Backend, P], R]], Kernel[P, R]]: ...
def kernel(
    portable: Any = None,
    /,
    *,
    elementwise: bool = False,
    host: bool = False,
    extension: str | None = None,
    donates: tuple[str, ...] = (),
) -> Any:
    """Turn a portable definition into a kernel that any backend may override.

    Args:
        portable: The definition: array-API code over ``backend.xp``. It runs on every backend.
        elementwise: It may be traced into an expression and compiled by a backend that can.
        host: It is a reference on host arrays; elsewhere it runs with transfers around it.
        extension: The optional part of the standard that it needs (`array_api.EXTENSIONS`); where ``xp`` lacks that,
            it runs like a host kernel.
        donates: Array parameters whose memory the first outputs may take, in this order.

    >>> @kernel
    ... def double(backend: Backend, x: Array) -> Array:
    ...     return x + x
    >>> double(get_backend("numpy"), np.asarray([1.0, 2.0]))
    array([2., 4.])
    """
    if portable is None:
        return lambda definition: _make(definition, elementwise, host, extension, donates)
    return _make(portable, elementwise, host, extension, donates)


def _make(
    portable: Callable[..., Any], elementwise: bool, host: bool, extension: str | None, donates: tuple[str, ...]
) -> Any:
    function = _dispatcher(portable)
    function.portable = portable
    function.elementwise = elementwise
    function.host = host
    function.extension = extension
    function.donates = donates
    function.key = register_name(portable, function)
    function.__doc__ = portable.__doc__
    function.__module__ = portable.__module__
    function.__qualname__ = portable.__qualname__
    function.__annotations__ = portable.__annotations__
    function.__wrapped__ = portable
    return function


def _dispatcher(portable: Callable[..., Any]) -> Any:
    """Generate ``def conv(backend, x, W): return backend.table[conv](backend, x, W)``.

    The generated function has the definition's own parameters, so that a call costs no packing of arguments.
    """
    name = portable.__name__
    parameters = list(inspect.signature(portable).parameters.values())
    defaults: dict[str, Any] = {}
    declared, passed, starred = [], [], False
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SignatureMismatch(
                f"kernel {name}: takes *args or **kwargs; expected named parameters, pass a tuple instead"
            )
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            declared.append("*")
        text = parameter.name
        if parameter.default is not parameter.empty:
            defaults[f"_default_{parameter.name}"] = parameter.default
            text += f"=_default_{parameter.name}"
        declared.append(text)
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        passed.append(f"{parameter.name}={parameter.name}" if keyword else parameter.name)
    if not parameters:
        raise SignatureMismatch(f"kernel {name}: takes no parameter; expected the calling backend as the first one")
    source = f"def {name}({', '.join(declared)}):\n    return {parameters[0].name}.table[{name}]({', '.join(passed)})\n"
    space: dict[str, Any] = dict(defaults)
    exec(compile(source, f"<kernel {name}>", "exec"), space)
    return space[name]


def is_kernel(target: object) -> TypeGuard[Kernel[..., Any]]:
    """Tell whether ``target`` is a kernel (a family of kernels is not)."""
    return hasattr(target, "portable")


def register_name(definition: Any, target: Any) -> str:
    """Make ``target`` findable and return its name: ``relu``, or ``package:name`` for a third party's."""
    package = (definition.__module__ or "__main__").partition(".")[0]  # code from a document has no module
    key: str = definition.__name__ if package == "kusari" else f"{package}:{definition.__name__}"
    known = _registry.get(key)
    if known is not None and known.__module__ != definition.__module__:  # in one module, a cell may be run again
        raise ValueError(
            f"kernel {key!r} is defined in {known.__module__} and again in {definition.__module__}; rename one of them"
        )
    _registry[key] = target
    return key


def kernel_names() -> list[str]:
    """Return the names of all kernels and families that are loaded, sorted."""
    return sorted(_registry)


def find_kernel(name: str) -> Any:
    """Return the kernel or family that goes by ``name``.

    Raises:
        UnknownKernel: Nothing goes by that name; the message lists the nearest ones.
    """
    try:
        return _registry[name]
    except KeyError:
        import difflib

        near = difflib.get_close_matches(name, _registry, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(kernel_names())}"
        raise UnknownKernel(f"no kernel is called {name!r}; {hint}") from None


def check_signature(definition: Kernel[..., Any], override: Callable[..., Any]) -> None:
    """Raise unless ``override`` takes exactly what ``definition`` takes: names, order, kinds and defaults.

    Raises:
        SignatureMismatch: With both signatures.
    """
    expected, given = (
        [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        for function in (definition.portable, override)
    )
    if expected != given:
        name = getattr(override, "__name__", repr(override))
        raise SignatureMismatch(
            f"kernel {definition.key}: the override {name} takes {_parameters(override)}, "
            f"the definition takes {_parameters(definition.portable)}; give it the same parameters"
        )


def _parameters(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))
