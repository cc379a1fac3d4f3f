"""Questions about errors and warnings: each is a call, its answer the error's class and those of the warnings."""

from __future__ import annotations

import io
import operator
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def outcome(call: Callable[[], Any]) -> dict[str, Any]:
    """Return the class of the error that a call ends with, if any, and its warnings' classes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
            classes = ["no error"]
        except Exception as error:  # noqa: BLE001 - which one is the question
            classes = [kind.__name__ for kind in type(error).__mro__]
    return {"error": classes, "warnings": sorted(warning.category.__name__ for warning in caught)}


# Small classes. ------------------------------------------------------------------------------------------------------
def leaf(lib: Any, value: float = 1.0, shape: tuple[int, ...] = (2,)) -> Any:
    """Return a link with one parameter W."""
    link = lib.Link()
    with link.init_scope():
        link.W = lib.Parameter(np.full(shape, value, "f"))
    return link


def forgetful(lib: Any) -> Any:
    """Return a link whose __init__ did not call super's."""

    class Forgetful(lib.Link):
        def __init__(self) -> None:
            self.x = 1

        def forward(self) -> None:
            pass

    return Forgetful()


def hook(lib: Any, name: str, log: list[str] | None = None) -> Any:
    """Return a link hook that logs."""
    events: list[str] = [] if log is None else log
    given = name

    class Hook(lib.LinkHook):
        name = given

        def added(self, link: Any) -> None:
            events.append(f"{given} added {type(link).__name__}")

        def deleted(self, link: Any) -> None:
            events.append(f"{given} deleted {type(link).__name__}")

        def forward_preprocess(self, args: Any) -> None:
            events.append(f"{given} before {args.forward_name} of {args.link.name}")

        def forward_postprocess(self, args: Any) -> None:
            events.append(f"{given} after {args.forward_name} of {args.link.name}")

    return Hook()


def in_scope(link: Any, name: str, value: Any) -> None:
    """Assign within init_scope()."""
    with link.init_scope():
        setattr(link, name, value)


def twice(call: Callable[[Any], Any], thing: Any) -> None:
    """Do something twice to one thing."""
    call(thing)
    call(thing)


# Errors and warnings. ------------------------------------------------------------------------------------------------
def link_errors(lib: Any, folder: Path) -> Any:
    """What links, chains and lists refuse."""

    def nested() -> None:
        with hook(lib, "one"), hook(lib, "one"):
            pass

    def overriding(name: str) -> Any:
        return lambda: type("Sub", (lib.Link,), {name: lambda self, *args: self})

    late = lib.links.Linear(None, 2)
    calls: dict[str, Callable[[], Any]] = {
        "init_scope before __init__": lambda: in_scope(forgetful(lib), "y", 1),
        "call before __init__": forgetful(lib),
        "add_param twice": lambda: twice(lambda link: link.add_param("x", (1,)), lib.Link()),
        "add_persistent twice": lambda: twice(lambda link: link.add_persistent("x", 1), lib.Link()),
        "register_persistent missing": lambda: lib.Link().register_persistent("x"),
        "add_link of no link": lambda: lib.Chain().add_link("x", 1),
        "add_link twice": lambda: twice(lambda chain: chain.add_link("x", leaf(lib)), lib.Chain()),
        "child named like a method": lambda: in_scope(lib.Chain(), "copy", leaf(lib)),
        "child assigned twice in scope": lambda: twice(lambda chain: in_scope(chain, "x", leaf(lib)), lib.Chain()),
        "chain item missing": lambda: lib.Chain()["x"],
        "link in the scope of a ChainList": lambda: in_scope(lib.ChainList(), "x", leaf(lib)),
        "append of no link": lambda: lib.ChainList().append(3),
        "ChainList index": lambda: lib.ChainList()[0],
        "ChainList pop": lambda: lib.ChainList().pop(),
        "ChainList remove": lambda: lib.ChainList().remove(leaf(lib)),
        "ChainList index of another type": lambda: lib.ChainList(leaf(lib))["x"],
        "copy mode": lambda: leaf(lib).copy("deep"),
        "repeat mode": lambda: leaf(lib).repeat(2, "deep"),
        "repeat none, mode": lambda: leaf(lib).repeat(0, "deep"),
        "copyparams missing": lambda: leaf(lib).copyparams(lib.Link()),
        "copyparams shape": lambda: leaf(lib).copyparams(leaf(lib, shape=(3,))),
        "copyparams that would broadcast": lambda: leaf(lib).copyparams(leaf(lib, shape=(1,))),
        "addgrads missing": lambda: leaf(lib).addgrads(lib.Link()),
        "count_params": late.count_params,
        "zerograds": lib.links.Linear(2, 2).zerograds,
        "add_hook of no hook": lambda: leaf(lib).add_hook(3),
        "add_hook twice": lambda: twice(lambda link: link.add_hook(hook(lib, "one")), leaf(lib)),
        "delete_hook missing": lambda: leaf(lib).delete_hook("one"),
        "with two hooks of one name": nested,
        "no forward": leaf(lib),
        "from_params": lib.Link.from_params,
        "parameter of no shape": lambda: lib.Link(x="text"),
        "overriding to_device": overriding("to_device"),
        "overriding to_chx": overriding("to_chx"),
        "overriding to_cpu": overriding("to_cpu"),
        "overriding to_gpu": overriding("to_gpu"),
        "to_cpu": leaf(lib).to_cpu,
        "to_gpu": leaf(lib).to_gpu,
        "to_intel64": leaf(lib).to_intel64,
        "to_chx": leaf(lib).to_chx,
        "from_chx": leaf(lib).from_chx,
        "_device_id": lambda: leaf(lib)._device_id,
    }
    return {name: outcome(call) for name, call in calls.items()}


def sequential_errors(lib: Any, folder: Path) -> Any:
    """What Sequential refuses."""
    F = lib.functions

    def sequence(*layers: Any) -> Any:
        return lib.Sequential(*layers)

    def assign(index: int) -> None:
        sequence(F.relu)[index] = F.relu

    def delete_slice() -> None:
        layers = sequence(F.relu, F.relu)
        del layers[0:1]

    calls: dict[str, Callable[[], Any]] = {
        "not callable": lambda: sequence(3),
        "plus a list": lambda: operator.add(sequence(F.relu), [F.relu]),
        "remove missing": lambda: sequence(F.relu).remove(F.sigmoid),
        "index missing": lambda: sequence(F.relu).index(F.sigmoid),
        "empty call": lambda: sequence()(np.ones(1, "f")),
        "pickle of a lambda": lambda: pickle.dumps(sequence(lambda x: x)),
        "insert beyond the end": lambda: sequence().insert(1, F.relu),
        "insert before the beginning": lambda: sequence().insert(-1, F.relu),
        "assign beyond the end": lambda: assign(1),
        "delete a slice": delete_slice,
        "copyparams of no Sequential": lambda: sequence(leaf(lib)).copyparams(leaf(lib)),
        "copy mode": lambda: sequence(leaf(lib)).copy("deep"),
        "pop of none": lambda: sequence().pop(),
    }
    return {name: outcome(call) for name, call in calls.items()}


def layer_errors(lib: Any, folder: Path) -> Any:
    """What layers and functions refuse."""
    L, F = lib.links, lib.functions
    ones = np.ones((2, 3), "f")
    calls: dict[str, Callable[[], Any]] = {
        "mlp: seventh positional": lambda: L.MLPConvolution2D(2, (3, 4), 3, 1, 0, F.relu, None),
        "mlp: wscale": lambda: L.MLPConvolution2D(2, (3, 4), 3, wscale=1),
        "mlp: unknown keyword": lambda: L.MLPConvolution2D(2, (3, 4), 3, colour=1),
        "mlp: channels as a number": lambda: L.MLPConvolution2D(2, 3, 3),
        "mlp: no channels": lambda: L.MLPConvolution2D(2, (), 3),
        "mlp: rank": lambda: L.MLPConvolution2D(2, (3, 4), 3)(ones),
        "mlp: a list": lambda: L.MLPConvolution2D(2, (3, 4), 3)([1.0]),
        "linear: shape": lambda: L.Linear(4, 2)(ones),
        "linear: dtype": lambda: L.Linear(3, 2)(ones.astype("i")),
        "linear: a list": lambda: L.Linear(3, 2)([[1.0, 2.0, 3.0]]),
        "convolution: channels": lambda: L.Convolution2D(3, 2, 1)(np.ones((1, 2, 4, 4), "f")),
        "relu of integers": lambda: F.relu(np.ones(2, "i")),
        "add of two dtypes": lambda: lib.Variable(ones) + lib.Variable(ones.astype("d")),
        "parameter link of a number": lambda: L.Parameter(3),
    }
    return {name: outcome(call) for name, call in calls.items()}


def variable_errors(lib: Any, folder: Path) -> Any:
    """What Variables and Parameters refuse."""
    ones = np.ones((2, 3), "f")

    def variable() -> Any:
        return lib.Variable(ones)

    def parameter() -> Any:
        return lib.Parameter(lib.initializers.One())

    def set_grad(value: Any) -> None:
        variable().grad = value

    calls: dict[str, Callable[[], Any]] = {
        "of a list": lambda: lib.Variable([1]),
        "volatile": lambda: lib.Variable(ones, volatile=True),
        "unknown keyword": lambda: lib.Variable(ones, colour=1),
        "equality": lambda: variable() == variable(),
        "order": lambda: variable() < variable(),
        "truth": lambda: bool(variable()),
        "hash": lambda: hash(variable()),
        "grad of another shape": lambda: set_grad(np.ones(3, "f")),
        "grad of another dtype": lambda: set_grad(np.ones((2, 3), "d")),
        "grad of another type": lambda: set_grad([1.0]),
        "backward of one element with an axis": (lib.Variable(np.ones(1, "f")) * 2).backward,
        "zerograd": lambda: variable().zerograd(),
        "late grad": lambda: parameter().grad,
        "late shape": lambda: parameter().shape,
        "late dtype": lambda: lib.Parameter(lambda array: None).dtype,
        "array that does not broadcast": lambda: lib.Parameter(np.ones(3, "f"), (2,)),
    }
    return {name: outcome(call) for name, call in calls.items()}


def file_errors(lib: Any, folder: Path) -> Any:
    """What loading refuses."""
    S = lib.serializers

    def npz(values: dict[str, Any], target: Any, **options: Any) -> Callable[[], Any]:
        def load() -> None:
            file = io.BytesIO()
            np.savez(file, **values)
            file.seek(0)
            S.load_npz(file, target, **options)

        return load

    def hdf5(source: Any, target: Any) -> Callable[[], Any]:
        def load() -> None:
            S.save_hdf5(str(folder / "probe.h5"), source)
            S.load_hdf5(str(folder / "probe.h5"), target)

        return load

    def chain(**links: Any) -> Any:
        return lib.Chain(**links)

    def with_persistent(value: Any) -> Any:
        link = lib.Link()
        link.add_persistent("x", value)
        return link

    ones = np.ones(2, "f")
    calls: dict[str, Callable[[], Any]] = {
        "npz: fits": npz({"W": ones}, leaf(lib)),
        "npz: missing": npz({"V": ones}, leaf(lib)),
        "npz: missing, not strict": npz({"V": ones}, leaf(lib), strict=False),
        "npz: shape": npz({"W": np.ones(3, "f")}, leaf(lib)),
        "npz: shape that would broadcast": npz({"W": np.ones(1, "f")}, leaf(lib)),
        "npz: more than is asked for": npz({"W": ones, "V": ones}, leaf(lib)),
        "npz: path without a slash": npz({"l/W": ones}, leaf(lib), path="l"),
        "npz: path": npz({"l/W": ones}, leaf(lib), path="l/"),
        "npz: ignored": npz({}, leaf(lib), ignore_names="W"),
        "npz: ignored by function": npz({}, leaf(lib), ignore_names=lambda name: name == "W"),
        "npz: ignored of another type": npz({"W": ones}, leaf(lib), ignore_names=3),
        "npz: number that cannot be cast safely": npz({"x": 1.5}, with_persistent(1)),
        "npz: number that can": npz({"x": 1}, with_persistent(1.5)),
        "hdf5: fits": hdf5(leaf(lib), leaf(lib)),
        "hdf5: missing dataset": hdf5(leaf(lib), with_persistent(1)),
        "hdf5: missing group": hdf5(chain(a=leaf(lib)), chain(b=leaf(lib))),
        "hdf5: shape": hdf5(leaf(lib), leaf(lib, shape=(3,))),
        "hdf5: shape that would broadcast": hdf5(leaf(lib, shape=(1,)), leaf(lib)),
    }
    return {name: outcome(call) for name, call in calls.items()}
