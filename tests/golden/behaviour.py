"""Questions about behaviour that are put to the original and to Kusari alike; the answers are plain JSON.

Every function in `PROBES` takes the framework's module as ``lib`` and a folder to write to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from error_questions import file_errors, hook, layer_errors, leaf, link_errors, sequential_errors, variable_errors
from recipes import wave


def callable_leaf(lib: Any, value: float) -> Any:
    """Return a link that can be called."""

    class Add(lib.Link):
        def forward(self, x: Any) -> Any:
            return x + self.W

    link = Add()
    with link.init_scope():
        link.W = lib.Parameter(np.full((1,), value, "f"))
    return link


# Names, copies, hooks. -----------------------------------------------------------------------------------------------
def name_orders(lib: Any, folder: Path) -> Any:
    """In which order names come."""
    inner = lib.Chain(z=leaf(lib), a=leaf(lib))
    shared = leaf(lib)
    tree = lib.Chain(l2=leaf(lib), l10=leaf(lib), inner=inner, list=lib.ChainList(leaf(lib), leaf(lib), leaf(lib)))
    with tree.init_scope():
        tree.zeta = lib.Parameter(np.zeros(1, "f"))
        tree.alpha = lib.Parameter(np.zeros(1, "f"))
        tree.s1 = shared
        tree.s2 = shared
    tree.add_persistent("count", 1)
    tree.list.insert(1, leaf(lib))
    del tree.list[0]
    flat = lib.serializers.DictionarySerializer()
    tree.serialize(flat)
    optimizer = lib.optimizers.Adam().setup(tree)
    for param in tree.params():
        param.grad = np.ones_like(param.array)
    optimizer.update()
    state = lib.serializers.DictionarySerializer()
    optimizer.serialize(state)
    reversed_list = lib.ChainList(leaf(lib, 0), leaf(lib, 1), leaf(lib, 2))
    reversed_list.reverse()
    return {
        "namedparams": [path for path, _ in tree.namedparams()],
        "namedlinks": [path for path, _ in tree.namedlinks()],
        "namedlinks without itself": [path for path, _ in tree.namedlinks(skipself=True)],
        "children": [child.name for child in tree.children()],
        "keys of a file": sorted(flat.target),
        "keys of an optimizer's file": sorted(state.target),
        "reversed": [[link.name, float(link.W.array[0])] for link in reversed_list],
        "count_params": tree.count_params(),
    }


def _same(one: Any, other: Any) -> str:
    if one is None or other is None:
        return "none" if one is None else "new"
    if one is other:
        return "same"
    if bool(np.isnan(one).all()):
        return "nan"
    return "equal" if np.array_equal(one, other) else "other"


def copy_modes(lib: Any, folder: Path) -> Any:
    """What copies share: own and child's data, gradients and persistent values, in each mode."""

    def part(kind: Any, *args: Any) -> Any:
        link = kind(*args)
        with link.init_scope():
            link.W = lib.Parameter(lib.initializers.Normal(), (50,))
        link.W.grad = wave((50,), 1.0)
        link.add_persistent("mean", wave((3,), 2.0))
        return link

    table: dict[str, Any] = {}
    for mode in ("share", "copy", "init"):
        for name, kind in (("Chain", lib.Chain), ("ChainList", lib.ChainList)):
            whole = part(kind)
            child = part(lib.Link)
            if name == "Chain":
                whole.add_link("child", child)
            else:
                whole.append(child)
            twin = whole.copy(mode)
            pairs = {"own": (whole, twin), "child": (child, next(twin.children()))}
            for place, (old, new) in pairs.items():
                table[f"{mode} {name} {place}"] = [
                    _same(new.W.array, old.W.array),
                    _same(new.W.grad, old.W.grad),
                    _same(new.mean, old.mean),
                    new.W is old.W,
                ]
    return table


def hook_order(lib: Any, folder: Path) -> Any:
    """In which order link hooks are called, and what a failing forward leaves."""
    log: list[str] = []
    model = lib.Sequential(callable_leaf(lib, 1), callable_leaf(lib, 2))
    model[0].add_hook(hook(lib, "local1", log))
    model[0].add_hook(hook(lib, "local2", log))
    model[0].add_hook(hook(lib, "both", log))
    outer, inner = hook(lib, "outer", log), hook(lib, "both", log)
    with outer, inner:
        model(np.ones(1, "f"))
    model[0].delete_hook("local1")
    log.append("again")
    model(np.ones(1, "f"))
    return log


def function_names(lib: Any, folder: Path) -> Any:
    """Which names of functions a hook sees, forward and backward."""
    seen: list[str] = []

    class Names(lib.FunctionHook):
        name = "names"

        def forward_preprocess(self, function: Any, in_data: Any) -> None:
            seen.append(f"forward {type(function).__name__}")

        def backward_preprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
            seen.append(f"backward {type(function).__name__}")

    F, L = lib.functions, lib.links
    x = lib.Variable(wave((2, 2, 4, 4), 0.0))
    with Names():
        h = F.relu(L.Convolution2D(2, 3, 3)(x))
        y = F.sum(F.sigmoid(L.Linear(12, 2)(h)))
        y.backward()
    return [name for name in seen if name.startswith("forward")][:6], [
        name for name in seen if name.startswith("backward")
    ]


def gradients_of_late_parameters(lib: Any, folder: Path) -> Any:
    """What the gradient is along the life of a parameter that has no data at first."""

    def grad(param: Any) -> str:
        try:
            value = param.grad
        except Exception as error:  # noqa: BLE001 - which one is the question
            return type(error).__name__
        if value is None:
            return "none"
        return "nan" if np.isnan(value).all() else "zeros" if not value.any() else "numbers"

    def late() -> Any:
        return lib.Parameter(lib.initializers.One())

    def told(*calls: str) -> list[str]:
        param, seen = late(), []
        for name in calls:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                getattr(param, name)(*([(2,)] if name == "initialize" else []))
            seen.append(grad(param))
        return [grad(late()), *seen]

    layer = lib.links.Linear(None, 2)
    layer(np.ones((1, 3), "f"))
    cleared = lib.links.Linear(None, 2)
    cleared.cleargrads()
    cleared(np.ones((1, 3), "f"))
    copied = lib.links.Linear(None, 2)
    copied.copyparams(lib.links.Linear(3, 2))
    shared = lib.links.Linear(None, 2)
    twin = shared.copy("share")
    shared(np.ones((1, 3), "f"))
    return {
        "initialize": told("initialize"),
        "initialize, cleargrad": told("initialize", "cleargrad"),
        "cleargrad, initialize": told("cleargrad", "initialize"),
        "zerograd, initialize": told("zerograd", "initialize"),
        "initialize, zerograd": told("initialize", "zerograd"),
        "by a call": [grad(layer.W), grad(layer.b)],
        "by a call, cleared before": [grad(cleared.W), grad(cleared.b)],
        "by copyparams": [grad(copied.W), grad(copied.b)],
        "shared before": [grad(twin.W), twin.W.array is shared.W.array],
        "with a shape": grad(lib.Parameter(lib.initializers.One(), (2,))),
        "with an array": grad(lib.Parameter(np.ones(2, "f"))),
    }


# Numbering, texts, types, initial values. ----------------------------------------------------------------------------
def numbering(lib: Any, folder: Path) -> Any:
    """Which key of a file has which link of a Sequential, after edits."""

    def keys(model: Any) -> dict[str, int]:
        flat = lib.serializers.DictionarySerializer()
        model.serialize(flat)
        return {key: int(array.item()) for key, array in sorted(flat.target.items())}

    F = lib.functions
    answers: dict[str, Any] = {}
    for count in range(7):
        answers[f"{count} links"] = keys(lib.Sequential(*[callable_leaf(lib, i) for i in range(count)]))
    a, b, c, d = (callable_leaf(lib, i) for i in range(4))
    answers["function first"] = keys(lib.Sequential(F.relu, a, b, c, d))
    answers["functions between"] = keys(lib.Sequential(a, F.relu, b, F.relu, F.relu, c, d))
    answers["sum"] = keys(lib.Sequential(a, b) + lib.Sequential(c, d))
    answers["flattened"] = keys(lib.Sequential(a, lib.Sequential(b, F.relu, c), d).flatten())
    answers["nested"] = keys(lib.Sequential(a, lib.Sequential(b, c, d), lib.Sequential(a, b, c)))
    answers["copied"] = keys(lib.Sequential(a, F.relu, b, c, d).copy())
    answers["repeated"] = keys(callable_leaf(lib, 5).repeat(4, "copy"))
    for program in range(40):
        random, model = np.random.RandomState(program), lib.Sequential()  # its numbers never change
        for number in range(10):
            kind, place = random.randint(5), random.randint(max(len(model), 1))
            layer = F.relu if random.randint(3) == 0 else callable_leaf(lib, number)
            if kind == 0 and len(model) > 0:
                del model[place]
            elif kind == 1 and len(model) > 0:
                model[place] = layer
            elif kind == 2:
                model.insert(place if len(model) else 0, layer)
            else:
                model.append(layer)
        answers[f"program {program}"] = keys(model)
    return answers


def texts(lib: Any, folder: Path) -> Any:
    """What links print."""
    L = lib.links
    return {
        name: str(link)
        for name, link in {
            "link": lib.Link(),
            "chain": lib.Chain(),
            "list": lib.ChainList(),
            "sequential": lib.Sequential(),
            "linear": L.Linear(3, 2),
            "late linear": L.Linear(None, 2, nobias=True),
            "convolution": L.Convolution2D(2, 3, 3, stride=2, pad=1),
            "late convolution": L.Convolution2D(None, 3, (3, 1), nobias=True, dilate=2, groups=1),
            "mlp": L.MLPConvolution2D(2, (3, 4), 3),
            "nested": lib.Chain(b=lib.ChainList(L.Linear(3, 2), lib.Chain(x=L.Linear(2, 2))), a=L.Linear(1, 1)),
            "layers": lib.Sequential(L.Linear(3, 2), lib.Sequential(L.Linear(2, 2))),
            "parameter": L.Parameter(np.ones(2, "f")),
        }.items()
    }


def type_messages(lib: Any, folder: Path) -> Any:
    """How the text of a refused type is built: the function it names, and what begins its lines."""
    L, F = lib.links, lib.functions
    ones = np.ones((2, 3), "f")
    calls: dict[str, Callable[[], Any]] = {
        "linear": lambda: L.Linear(4, 2)(ones),
        "convolution": lambda: L.Convolution2D(3, 2, 1)(np.ones((1, 2, 4, 4), "f")),
        "convolution of rank 2": lambda: L.Convolution2D(3, 2, 1)(ones),
        "relu": lambda: F.relu(np.ones(2, "i")),
        "add": lambda: lib.Variable(ones) + lib.Variable(ones.astype("d")),
    }
    answers: dict[str, Any] = {}
    for name, call in calls.items():
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is the question
            lines = str(error).splitlines()
            operations = [line.rpartition(": ")[2] for line in lines if "(Forward)" in line]
            answers[name] = {
                "class": type(error).__name__,
                "operation": operations,
                "begin": [line.partition(":")[0] for line in lines if line.startswith(("Expect", "Actual"))],
                "attributes": hasattr(error, "expect") and hasattr(error, "actual"),
            }
    return answers


def initial_values(lib: Any, folder: Path) -> Any:
    """Moments of what layers and initializers start with, after seeding NumPy."""
    L, I = lib.links, lib.initializers  # noqa: E741 - as F and L
    np.random.seed(0)  # noqa: NPY002 - the stream that programs seed
    answers: dict[str, Any] = {}

    def moments(array: Any) -> dict[str, float]:
        array = np.asarray(array, "d")
        return {"size": array.size, "mean": array.mean(), "std": array.std(), "max": np.abs(array).max()}

    for name, link in {"Linear": L.Linear(200, 300), "Convolution2D": L.Convolution2D(40, 50, 3)}.items():
        answers[f"{name} W"], answers[f"{name} b"] = moments(link.W.array), moments(link.b.array)
    for index, link in enumerate(L.MLPConvolution2D(40, (50, 60), 3)):
        answers[f"MLPConvolution2D {index}"] = moments(link.W.array)
    kinds = "Normal LeCunNormal GlorotNormal HeNormal Uniform LeCunUniform GlorotUniform HeUniform Orthogonal"
    for kind in kinds.split():
        array = np.zeros((200, 300), "f")
        getattr(I, kind)()(array)
        answers[kind] = moments(array)
    return answers


PROBES: dict[str, Callable[[Any, Path], Any]] = {
    probe.__name__: probe
    for probe in (
        link_errors,
        sequential_errors,
        layer_errors,
        variable_errors,
        file_errors,
        name_orders,
        copy_modes,
        hook_order,
        function_names,
        gradients_of_late_parameters,
        numbering,
        texts,
        type_messages,
        initial_values,
    )
}
