"""Count the array operations that a call makes: NumPy arrays that count what is done to them.

An operation is what reads or writes all elements of an array: a ufunc, a reduction, a product, a copy, a gather, an
assignment, an array filled with zeros. Views (reshape, transpose, slices, broadcasts) and empty arrays are none. What
NumPy offers as one call counts as one, however many it takes inside; so does ``y[...] += x``. Single numbers (0-d
arrays) do not count.

Both sides are counted by the same class, so the numbers can be compared: Kusari's portable kernels, and, replayed in
an environment of its own, the framework whose programming model this is.

Usage, there: python array_operations.py chainer calls.json > operation_counts.json
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

QUERIES: Final = frozenset(
    "shape ndim size result_type can_cast may_share_memory shares_memory iscomplexobj isrealobj min_scalar_type "
    "array_equal copyto".split()
)
"""Functions that say something about arrays and touch no elements; and ``copyto``, which is counted by itself."""

METHODS: Final = tuple(
    "all any argmax argmin argpartition argsort choose clip compress conj copy cumprod cumsum dot fill flatten max "
    "mean min nonzero partition prod put repeat round searchsorted sort std sum take trace var".split()
)
"""Methods of arrays that touch their elements."""

FILLED: Final = ("zeros", "ones", "full", "arange", "eye", "identity", "linspace")
VIEWED: Final = ("asarray", "array", "ascontiguousarray", "asfortranarray", "asanyarray", "empty", "require")

_done: Final[list[str]] = []


class CountedArray(np.ndarray):
    """An array that notes every operation on it, and whose results do so too."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        made = getattr(ufunc, method)(*plain(inputs), **plain(keywords))
        if any(np.ndim(one) for one in inputs):
            _done.append(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        out = keywords.get("out")
        return counted(made) if out is None else out[0] if len(out) == 1 else out

    def __array_function__(self, function: Any, kinds: Any, args: Any, keywords: Any) -> Any:
        inputs, options = plain(args), plain(keywords)
        made = function(*inputs, **options)
        filled = keywords.get("out") is not None or function.__name__ == "copyto"
        touches = filled or not (function.__name__ in QUERIES or _is_view(made, (inputs, options)))
        if touches and any(one.ndim for one in _arrays([inputs, made])):
            _done.append(function.__name__)
        return keywords["out"] if keywords.get("out") is not None else counted(made)

    def __getitem__(self, key: Any) -> Any:
        made = self.view(np.ndarray)[plain(key)]
        if isinstance(made, np.ndarray) and not np.may_share_memory(made, self):
            _done.append("getitem")
        return counted(made)

    def __setitem__(self, key: Any, value: Any) -> None:
        array = self.view(np.ndarray)
        if not (isinstance(value, CountedArray) and _is_same(array[plain(key)], value)):  # the end of y[...] += x
            _done.append("setitem")
        array[plain(key)] = plain(value)

    def astype(self, dtype: Any, *args: Any, **keywords: Any) -> Any:
        """Count a conversion, unless there is nothing to convert."""
        made = self.view(np.ndarray).astype(dtype, *args, **keywords)
        if self.ndim and not np.may_share_memory(made, self):
            _done.append("astype")
        return counted(made)

    def reshape(self, *shape: Any, **keywords: Any) -> Any:
        """Count a copy, where the shape needs one."""
        made = self.view(np.ndarray).reshape(*shape, **keywords)
        if not np.may_share_memory(made, self):
            _done.append("reshape")
        return counted(made)

    def ravel(self, *args: Any) -> Any:
        """Count a copy, where one is made."""
        return self.reshape(-1) if not args else counted(self.view(np.ndarray).ravel(*args))


def _counting(name: str) -> Callable[..., Any]:
    def method(self: CountedArray, *args: Any, **keywords: Any) -> Any:
        if self.ndim:
            _done.append(name)
        made = getattr(self.view(np.ndarray), name)(*plain(args), **plain(keywords))
        return keywords["out"] if keywords.get("out") is not None else counted(made)

    method.__name__ = name
    return method


for _name in METHODS:
    setattr(CountedArray, _name, _counting(_name))


def plain(value: Any) -> Any:
    """Return arrays, however nested, as ordinary ones."""
    if isinstance(value, CountedArray):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return {key: plain(one) for key, one in value.items()} if type(value) is dict else value


def counted(value: Any) -> Any:
    """Return arrays, however nested, as counted ones."""
    if type(value) is np.ndarray and value.dtype != object:
        return value.view(CountedArray)
    if type(value) in (list, tuple):
        return type(value)(map(counted, value))
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(map(counted, value))
    return value


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _arrays(one)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _is_view(made: Any, of: Any) -> bool:
    found = list(_arrays(made))
    return bool(found) and all(any(np.may_share_memory(one, other) for other in _arrays(of)) for one in found)


def _is_same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    interfaces = one.__array_interface__, other.__array_interface__
    return all(left["data"] == right["data"] and left["shape"] == right["shape"] for left, right in [interfaces])


def creators() -> dict[str, Callable[..., Any]]:
    """Return NumPy's functions that make arrays out of nothing, making counted ones."""

    def wrapped(name: str) -> Callable[..., Any]:
        original = getattr(np, name)

        def make(*args: Any, **keywords: Any) -> Any:
            made = original(*plain(args), **plain(keywords))
            if name in FILLED:
                if made.ndim:
                    _done.append(name)
            elif isinstance(args[0], np.ndarray) and name != "empty" and not np.may_share_memory(made, args[0]):
                _done.append("copy")
            return counted(made)

        make.__name__ = name
        return make

    return {name: wrapped(name) for name in (*FILLED, *VIEWED)}


def namespace() -> types.ModuleType:
    """Return NumPy as an array module whose arrays count."""
    module = types.ModuleType("counted")
    module.__dict__.update({name: value for name, value in vars(np).items() if not name.startswith("__")})
    module.__dict__.update(creators(), __array_namespace_info__=getattr(np, "__array_namespace_info__", None))
    return module


@contextlib.contextmanager
def operations() -> Iterator[list[str]]:
    """Collect the names of the operations done within the block.

    >>> x = counted(np.ones((2, 3)))
    >>> with operations() as done:
    ...     y = (x.T + 1).sum(axis=0)[1:]
    >>> done
    ['add', 'sum']
    """
    _done.clear()
    done: list[str] = []
    try:
        yield done
    finally:
        done += _done
        _done.clear()


def forward_and_backward(
    call: Callable[[], Any], backward_from: Callable[..., Any] | None
) -> tuple[list[str], list[str]]:
    """Return the operations of a call, and those of backpropagating ones from all its outputs, if told how to."""
    with operations() as forward:
        made = call()
    outputs = [y for y in flattened(made) if getattr(y, "creator", None) is not None]
    with operations() as backward:
        if backward_from is not None:
            for y in outputs:
                y.grad = np.full_like(y.array, 1, subok=False)[...].view(CountedArray)
            _done.clear()
            backward_from(outputs)
    return forward, backward


def flattened(value: Any) -> Iterator[Any]:
    """Yield what lists and tuples hold."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from flattened(one)
    elif value is not None:
        yield value


def encode(value: Any) -> Any:
    """Return an argument as JSON can hold it.

    Raises:
        TypeError: Nothing that another program could make: a function, a sparse matrix.

    >>> encode([np.ones(2, "f"), slice(None), 3])
    ['list', [['array', 'float32', [2], [1.0, 1.0]], ['slice', [None, None, None]], 3]]
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", list(map(encode, value))]
    if isinstance(value, slice):
        return ["slice", [value.start, value.stop, value.step]]
    if value is ...:
        return ["ellipsis"]
    if isinstance(value, np.ndarray | np.generic):
        return ["array", str(value.dtype), list(value.shape), np.asarray(value).ravel().tolist()]
    array = getattr(value, "array", None)
    if isinstance(array, np.ndarray):
        return ["variable", bool(value.requires_grad), encode(array)]
    raise TypeError(f"a {type(value).__name__} cannot be replayed elsewhere")


def decode(value: Any, variable: Callable[..., Any]) -> Any:
    """Return what `encode` was given, with arrays that count; ``variable`` makes a framework's Variables."""
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind in ("list", "tuple"):
        made = [decode(one, variable) for one in rest[0]]
        return made if kind == "list" else tuple(made)
    if kind == "array":
        return counted(np.array(rest[2], rest[0]).reshape(rest[1]))
    if kind == "variable":
        return variable(decode(rest[1], variable), requires_grad=rest[0])
    return slice(*rest[0]) if kind == "slice" else ...


def replay(framework: str, calls: dict[str, Any]) -> dict[str, Any]:
    """Return, for each call by name, how many operations another framework makes of it."""
    module = importlib.import_module(framework)
    functions = importlib.import_module(f"{framework}.functions")
    results: dict[str, Any] = {}
    for name, call in calls.items():
        function = getattr(functions, name.rpartition(".")[2], None)
        if function is None:
            continue  # not theirs
        # Labels and masks may have to be arrays there, and Variables elsewhere.
        for constant in (module.Variable, lambda array, requires_grad: array):
            try:
                done = _replay_one(function, call, module.Variable, constant, module.backward)
            except Exception as error:  # noqa: BLE001
                print(f"{name}, {call['case']}: {type(error).__name__}: {error}", file=sys.stderr)
            else:
                results[name] = {"case": call["case"], "forward": len(done[0]), "backward": len(done[1])}
                break
    return results


def _replay_one(function: Any, call: Any, variable: Any, constant: Any, backward: Any) -> tuple[list[str], list[str]]:
    def make(array: Any, requires_grad: bool) -> Any:
        return (variable if requires_grad else constant)(array, requires_grad=requires_grad)

    args = [decode(one, make) for one in call["args"]]
    keywords = {key: decode(one, make) for key, one in call["keywords"].items()}
    patched = creators()
    saved = {name: getattr(np, name) for name in patched}
    vars(np).update(patched)
    try:
        return forward_and_backward(lambda: function(*args, **keywords), backward if call["differentiable"] else None)
    finally:
        vars(np).update(saved)


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as file:
        counts = replay(sys.argv[1], json.load(file))
    lines = [f" {json.dumps(name)}: {json.dumps(count)}" for name, count in sorted(counts.items())]
    print("{\n" + ",\n".join(lines) + "\n}")
