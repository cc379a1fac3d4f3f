"""Case: one use of a kernel, a family or a function, with what must come out."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from kusari.autograd import Variable
from kusari.autograd.variable import constant
from kusari.backend import Backend, Device
from kusari.dtypes import host_dtype, is_floating
from kusari.types import Shape
from kusari_testkit.draw import Draw, HostArray, normal

FLOATING: Final = ("float32", "float64", "float16", "bfloat16")
"""The dtypes that a case runs in, as far as the backend has them; the first one it has is used for all else."""

TOLERANCE: Final[Mapping[str, float]] = {"float64": 1e-11, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2}
"""How far a result may be off, per dtype, as a share of the largest value expected (or of 1)."""

Arrays: TypeAlias = "Sequence[Any]"
Oracle: TypeAlias = Callable[..., Any]
"""oracle(*inputs, **arguments) on the host; floating inputs are float64. Returns an array or a tuple of arrays."""


@dataclass(frozen=True)
class Input:
    """One array that goes in.

    Args:
        shape: Its shape.
        draw: Where its numbers come from.
        dtype: A dtype's name; None: the one that the case runs in.
    """

    shape: Shape
    draw: Draw = normal
    dtype: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One use of a kernel.

    Args:
        target: What is called: ``target(backend, *arrays, **arguments)``.
        label: What is special about this use.
        inputs: The arrays that go in; None where the target takes one and gets none.
        oracle: What must come out, computed another way than the target does it.
        arguments: Everything that is not an array.
        dtypes: The dtypes to run in, in order of preference.
        tolerance: Per dtype; see `TOLERANCE`.
        parameters: Which inputs are parameters, whose packed forms a backend may remember per version.
        quick: Part of ``--kit-size small``.
    """

    target: Any
    label: str
    inputs: tuple[Input | None, ...]
    oracle: Oracle
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATING
    tolerance: Mapping[str, float] = field(default_factory=lambda: TOLERANCE)
    parameters: tuple[int, ...] = ()
    quick: bool = True

    @property
    def name(self) -> str:
        """The target's name: ``relu``, ``Convolution``."""
        name: str = getattr(self.target, "key", None) or self.target.__name__
        return name

    def __str__(self) -> str:
        return f"{self.name}:{self.label}"

    @property
    def donated(self) -> tuple[int, ...]:
        """Which inputs' memory the results may take."""
        names = list(getattr(self.target, "__annotations__", {}))[1:]
        return tuple(names.index(name) for name in getattr(self.target, "donates", ()))

    def dtypes_on(self, backend: Backend) -> list[str]:
        """Return the dtypes to run in that ``backend`` has; a test that runs in one only takes the first."""
        return [dtype for dtype in self.dtypes if dtype in backend.dtypes]

    def draw(self, dtype: str, salt: int = 0) -> list[HostArray | None]:
        """Return the inputs on the host: the same for the same dtype and salt. Not to be written to."""
        return list(_example(self, dtype, salt)[0])

    def expected(self, dtype: str, salt: int = 0) -> tuple[HostArray | None, ...]:
        """Return what the oracle says of what `draw` returns."""
        return _example(self, dtype, salt)[1]

    def ask_oracle(self, hosts: Sequence[HostArray | None]) -> tuple[HostArray | None, ...]:
        """Return what must come out for the given inputs."""
        widened = [h.astype(np.float64) if h is not None and is_floating(h.dtype) else h for h in hosts]
        with np.errstate(all="ignore"):  # cases may be made of NaN, infinities and extremes
            made = self.oracle(*widened, **self.arguments)
        return tuple(None if y is None else np.asarray(y) for y in _as_tuple(made))

    def run(self, backend: Backend, arrays: Arrays) -> tuple[Any, ...]:
        """Call the target on arrays of ``backend`` and return its results as they are."""
        with np.errstate(all="ignore"):
            return _as_tuple(self.target(backend, *arrays, **self.arguments))


@dataclass(frozen=True, eq=False, kw_only=True)
class FamilyCase(Case):
    """One use of a family's plan.

    Args:
        problem: ``problem(dtype)`` for a host's dtype; strides are filled in where the first input is the Problem's x.
        use: ``use(plan, *arrays)``; returns what is to be compared, with None for what the plan leaves out.
        step: Which part of the family that is, for the name.
    """

    problem: Callable[[Any], Any]
    use: Callable[..., Any]
    step: str

    def __str__(self) -> str:
        return f"{self.name}:{self.label}:{self.step}"

    def problem_for(self, backend: Backend, dtype: str, first: Any = None) -> Any:
        """Return the Problem in a dtype; ``first`` is the first input, if there is one yet."""
        problem = self.problem(host_dtype(dtype))
        if first is not None and "strides" in problem._fields and first.shape == problem.x:
            return problem._replace(strides=backend.strides(first))
        return problem

    def run(self, backend: Backend, arrays: Arrays) -> tuple[Any, ...]:
        """Make the plan for these arrays and use it."""
        floating = next(a for a in arrays if a is not None and is_floating(backend.host_dtype(a.dtype)))
        problem = self.problem_for(backend, backend.host_dtype(floating.dtype).name, arrays[0])
        with np.errstate(all="ignore"):
            return _as_tuple(self.use(self.target.plan(backend, problem), *arrays))


@dataclass(frozen=True, eq=False, kw_only=True)
class FunctionCase(Case):
    """One use of a function of Variables.

    Args:
        target: Called as ``target(*variables, **arguments)``; inputs that are not floating go in as constants.
        avoid: Moves drawn numbers away from kinks, for finite differences; see `kusari_testkit.draw.near`.
        constants: Which floating inputs have no gradient.
        differentiable: Whether there are gradients at all.
    """

    avoid: Callable[[HostArray], HostArray] | None = None
    constants: tuple[int, ...] = ()
    differentiable: bool = True

    def variables(self, device: Device, arrays: Arrays) -> list[Variable | None]:
        """Return the inputs as Variables labelled with ``device``; only what has a gradient asks for one."""
        made: list[Variable | None] = []
        for index, array in enumerate(arrays):
            variable = None if array is None else constant(array, device)
            if variable is not None and index in self.sources:
                variable.requires_grad = True
            made.append(variable)
        return made

    @property
    def sources(self) -> tuple[int, ...]:
        """Which inputs have a gradient."""
        if not self.differentiable:
            return ()
        return tuple(
            index
            for index, one in enumerate(self.inputs)
            if one is not None and one.dtype is None and index not in self.constants
        )

    def call(self, *variables: Variable | None) -> tuple[Variable, ...]:
        """Call the function."""
        with np.errstate(all="ignore"):
            return _as_tuple(self.target(*variables, **self.arguments))

    def away_from_kinks(self, hosts: Sequence[HostArray | None]) -> list[HostArray | None]:
        """Return the inputs, moved where finite differences can be taken."""
        if self.avoid is None:
            return list(hosts)
        return [
            self.avoid(h).astype(h.dtype) if h is not None and index in self.sources else h
            for index, h in enumerate(hosts)
        ]


@functools.lru_cache(4096)
def _example(case: Case, dtype: str, salt: int) -> tuple[tuple[HostArray | None, ...], tuple[HostArray | None, ...]]:
    """Draw a case's inputs and ask its oracle; a dozen tests want the same."""
    generator = np.random.default_rng(zlib.crc32(f"{case} {salt}".encode()))
    hosts = []
    for one in case.inputs:
        host = None if one is None else one.draw(generator, one.shape).astype(host_dtype(one.dtype or dtype))
        if host is not None:
            host.flags.writeable = False
        hosts.append(host)
    return tuple(hosts), case.ask_oracle(hosts)


def _as_tuple(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)
