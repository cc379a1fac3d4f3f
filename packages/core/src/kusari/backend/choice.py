"""Choosing an implementation: who is asked, in which order, and why the others were not taken."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kusari.backend.family import Family
from kusari.backend.kernel import is_kernel
from kusari.errors import SignatureMismatch

if TYPE_CHECKING:
    from kusari.backend.backend import Backend

PLANS = 1024
"""How many plans a backend remembers per family; the least recently used go first."""

Available = Callable[["Backend"], "bool | str"]


class Override(NamedTuple):
    """One implementation of a kernel or family, and where it comes from."""

    implementation: Any
    """A function with the kernel's signature, or a subclass of the family."""
    source: str
    """The backend that gave it, or ``compiled``, ``portable`` or ``host``."""
    available: Available | None = None


class Verdict(NamedTuple):
    """What a candidate said of a Problem."""

    override: Override
    reason: str | None
    """None: it takes the Problem. Else why not."""

    @property
    def location(self) -> str:
        """The file and line of the implementation."""
        code = inspect.unwrap(self.override.implementation)
        try:
            return f"{inspect.getsourcefile(code)}:{inspect.getsourcelines(code)[1]}"
        except (OSError, TypeError):
            return "generated"


class Explanation(NamedTuple):
    """Which implementation a backend takes for a kernel (and Problem), and why not the ones before it."""

    backend: str
    kernel: str
    problem: Any
    verdicts: tuple[Verdict, ...]

    @property
    def chosen(self) -> Verdict:
        """The first candidate that takes the Problem; there always is one."""
        return next(verdict for verdict in self.verdicts if verdict.reason is None)

    def __str__(self) -> str:
        head = f"{self.backend} · {self.kernel}" + ("" if self.problem is None else f" · {self.problem}")
        lines, chosen = [head], False
        for verdict in self.verdicts:
            if verdict.reason is not None:
                word = f"no: {verdict.reason}"
            else:
                word, chosen = ("able, not needed" if chosen else "CHOSEN"), True
            name = getattr(verdict.override.implementation, "__name__", "?")
            lines.append(f"  {verdict.override.source:12} {name:28} {word}\n      {verdict.location}")
        return "\n".join(lines)


def explain(backend: Backend, target: Any, problem: Any = None) -> Explanation:
    """Ask every candidate and keep what each said."""
    verdicts = tuple(Verdict(o, _reason_against(backend, o, target, problem)) for o in _candidates(backend, target))
    return Explanation(backend.name, target.key, problem, verdicts)


def table_entry(backend: Backend, target: Any) -> Callable[..., Any]:
    """Return what `Backend.table` holds: a kernel's function, or a family's cached choice of plans."""
    if is_kernel(target):
        implementation: Callable[..., Any] = _choose(backend, target, None)
        return implementation

    @functools.lru_cache(PLANS)
    def plan(problem: Any) -> Any:
        return _choose(backend, target, problem)(backend, problem)

    return plan


def _choose(backend: Backend, target: Any, problem: Any) -> Any:
    for override in _candidates(backend, target):
        if _reason_against(backend, override, target, problem) is None:
            return override.implementation
    raise AssertionError(f"{target.key}: the portable definition takes everything")


def _candidates(backend: Backend, target: Any) -> Iterator[Override]:
    """Yield own overrides, the bases', the compiled expression, then the portable or host definition."""
    for link in backend.chain:
        yield from link.overrides.get(target, ())
    if not is_kernel(target):
        yield Override(target, "portable")
        return
    if target.elementwise:
        compiler = next((link for link in backend.chain if link.compile_elementwise is not None), None)
        if compiler is not None:
            from kusari.backend.elementwise import compiled

            yield compiled(backend, compiler, target)
    lacks_extension = target.extension is not None and not hasattr(backend.xp, target.extension)
    if lacks_extension or (target.host and not backend.on_host):
        from kusari.backend.host import through_host

        yield Override(through_host(target), "host")
    else:
        yield Override(target.portable, "portable")


def _reason_against(backend: Backend, override: Override, target: Any, problem: Any) -> str | None:
    if override.available is not None:
        verdict = backend.availability(override)
        if verdict is not None:
            return verdict
    if problem is None or is_kernel(target):
        return None
    implementation: type[Family[Any]] = override.implementation
    for field, version in target.since.items():
        value = getattr(problem, field)
        if version > implementation.contract and value != type(problem)._field_defaults[field]:
            return f"written for contract {implementation.contract}; {field}={value!r} came with contract {version}"
    return reason(implementation.accepts(problem), "accepts() said no and gave no reason")


def reason(verdict: bool | str, default: str) -> str | None:
    """Turn "True, or the reason why not" into "None, or the reason why not"."""
    return None if verdict is True else verdict or default


def check_family_override(target: type[Family[Any]], implementation: Any) -> None:
    """Raise unless ``implementation`` is a subclass of ``target`` that states its contract version.

    Raises:
        SignatureMismatch: Not a subclass, no version, a version of the future, or a method whose parameters differ.
    """
    if not (isinstance(implementation, type) and issubclass(implementation, target)):
        raise SignatureMismatch(
            f"family {target.key}: {getattr(implementation, '__name__', implementation)!r} is not a subclass of "
            f"{target.__name__}; write class ...({target.__name__}) and replace the methods you want to"
        )
    name = implementation.__name__
    own = implementation.__mro__[: implementation.__mro__.index(target)]
    if not any("contract" in vars(cls) for cls in own):
        raise SignatureMismatch(
            f"family {target.key}: {name} does not say which contract version it was written for; "
            f"write contract = {target.contract} in it"
        )
    if implementation.contract > target.contract:
        raise SignatureMismatch(
            f"family {target.key}: {name} was written for contract {implementation.contract}, "
            f"this kusari has {target.contract}; install a newer kusari or an older plugin"
        )
    for method, definition in vars(target).items():
        replaced = getattr(implementation, method, None)
        if method.startswith("__") or not inspect.isfunction(definition) or replaced is definition:
            continue
        expected, given = (list(inspect.signature(f).parameters) for f in (definition, replaced) if f is not None)
        if expected != given:
            raise SignatureMismatch(
                f"family {target.key}: {name}.{method} takes ({', '.join(given)}), the definition takes "
                f"({', '.join(expected)}); give it the same parameters"
            )
