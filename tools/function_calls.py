"""What the kit's cases call: which public function each one is about, with which arguments, through which kernels.

Usage: python -m tools.function_calls > calls.json     # for tools/array_operations.py to replay elsewhere
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import numpy as np
from tools.array_operations import counted, encode, forward_and_backward, namespace

import kusari
import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, get_backend, use_backend
from kusari.backend.kernel import is_kernel
from kusari_testkit.cases import FUNCTIONS, FunctionCase

DOCUMENTED: Final = Path(__file__).with_name("documented_functions.txt")


class Row(NamedTuple):
    """One documented function."""

    group: str
    name: str
    """Below ``kusari``."""
    parameters: str


class Call(NamedTuple):
    """A call of a public function that a case makes."""

    names: tuple[str, ...]
    """The function's, below ``kusari``; some go by two."""
    args: tuple[Any, ...]
    keywords: dict[str, Any]


class Use(NamedTuple):
    """What one case does."""

    case: FunctionCase
    call: Call
    kernels: frozenset[Any]
    forward: list[str]
    """Its array operations."""
    backward: list[str]


def documented() -> list[Row]:
    """Return the table of documented functions."""
    rows, group = [], ""
    for line in DOCUMENTED.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, parameters = line.partition(" ")
            rows.append(Row(group, name, parameters))
    return rows


def find(name: str) -> Any:
    """Return what goes by a name below ``kusari``, or None."""
    found: Any = kusari
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class PortableTable(dict[Any, Callable[..., Any]]):
    """Kernel -> its portable definition; it notes which ones were asked for."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.used: set[Any] = set()

    def __getitem__(self, target: Any) -> Callable[..., Any]:
        self.used.add(target)
        if is_kernel(target):
            return target.portable
        return lambda problem: target(self.backend, problem)


def counting_backend() -> tuple[Backend, PortableTable]:
    """Return a backend over NumPy whose arrays count, and its table, which has the portable kernels alone."""
    backend = Backend("counting", namespace(), base=get_backend("numpy"))
    table = PortableTable(backend)
    backend.table = table
    return backend, table


class CallRecorder:
    """While active, notes the calls of public functions that no other public function makes."""

    def __init__(self) -> None:
        self.functions: dict[CodeType, tuple[tuple[str, ...], Any]] = {}
        for name, one in vars(F).items():
            if inspect.isfunction(one):
                names, _ = self.functions.get(one.__code__, ((), one))
                self.functions[one.__code__] = ((*names, f"functions.{name}"), one)
        self.calls: list[Call] = []
        self._inside: FrameType | None = None

    def __enter__(self) -> CallRecorder:
        self.calls = []
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._inside = None

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and self._inside is None and frame.f_code in self.functions:
            names, function = self.functions[frame.f_code]
            self.calls.append(_call_of(names, function, frame.f_locals))
            self._inside = frame
        elif event == "return" and frame is self._inside:
            self._inside = None


def _call_of(names: tuple[str, ...], function: Any, values: dict[str, Any]) -> Call:
    args: list[Any] = []
    keywords: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        value = values[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += value
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords.update(value)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[parameter.name] = value
        else:
            args.append(value)
    return Call(names, tuple(args), {key: value for key, value in keywords.items() if value is not None})


def variables(case: FunctionCase) -> list[Variable | None]:
    """Return a case's inputs as Variables of counted arrays."""
    dtype = case.dtypes_on(get_backend("numpy"))[0]
    return [
        None if host is None else Variable(counted(np.array(host)), requires_grad=index in case.sources)
        for index, host in enumerate(case.draw(dtype))
    ]


def uses(cases: Iterable[FunctionCase] = FUNCTIONS) -> list[Use]:
    """Return what the cases do that are about a public function: the last one they call; before come its inputs."""
    backend, table = counting_backend()
    recorder, found = CallRecorder(), []
    base = get_backend("numpy")
    own, base.table = base.table, PortableTable(base)  # some of a backward runs where the arrays come from
    try:
        for case in cases:
            with use_backend(backend), recorder:
                case.call(*variables(case))
            if not recorder.calls:
                continue
            table.used.clear()
            inputs = variables(case)
            with use_backend(backend), np.errstate(all="ignore"):
                backward = kusari.backward if case.sources else None
                done = forward_and_backward(lambda c=case, i=inputs: c.call(*i), backward)
            found.append(Use(case, recorder.calls[-1], frozenset(table.used), *done))
    finally:
        base.table = own
        base._above.remove(backend)
    return found


def compared(found: Iterable[Use]) -> dict[str, tuple[Use, Any]]:
    """Return, by name, the first use of each function that can be replayed elsewhere, and how to; no empty inputs."""
    chosen: dict[str, tuple[Use, Any]] = {}
    for use in found:
        shapes = [one.shape for one in use.case.inputs if one is not None]
        if any(0 in shape for shape in shapes) or all(shape == () for shape in shapes):
            continue
        try:
            call = {
                "case": str(use.case),
                "args": [encode(one) for one in use.call.args],
                "keywords": {key: encode(one) for key, one in use.call.keywords.items()},
                "differentiable": bool(use.case.sources),
            }
        except TypeError:
            continue
        for name in use.call.names:
            chosen.setdefault(name, (use, call))
    return chosen


if __name__ == "__main__":
    print(json.dumps({name: call for name, (_, call) in compared(uses()).items()}))
