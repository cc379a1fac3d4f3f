"""Every documented name of training and data is there, is called as in the original, and has the same methods.

``tests/golden/signatures.json`` says how the original is called; `generate_signatures.py` beside it wrote that.
"""

from __future__ import annotations

import inspect
import json
import operator
from pathlib import Path
from typing import Any

import pytest

import kusari

SIGNATURES = json.loads((Path(__file__).parents[2] / "golden" / "signatures.json").read_text())
POSITIONAL = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")

FOUND_LATER = "the original has None there, and finds the same default later"
DEVIATIONS = {
    "dataset.concat_examples": "a wrapper in the original, which takes anything and hands it on",
    "datasets.get_cross_validation_datasets_random n_folds": "optional, for the old name n_fold",
    "training.extensions.DumpGraph filename": FOUND_LATER,
    "training.extensions.Evaluator kwargs": "its keywords are written out",
    "training.extensions.LogReport filename": FOUND_LATER,
    "training.extensions.MultistepShift init": "optional: what the optimizer has",
    "training.extensions.PlotReport filename": FOUND_LATER,
    "training.extensions.PrintReport out": "None: the standard output at the time of printing",
    "training.extensions.ProgressBar out": "None: the standard output at the time of printing",
    "training.extensions.VariableStatisticsPlot filename": FOUND_LATER,
    "training.extensions.WarmupShift init": "optional: what the optimizer has",
    "training.extensions.snapshot kwargs": "its keywords are written out",
    "training.triggers.EarlyStoppingTrigger patience": FOUND_LATER,
}
ABSENT = {
    "UpdateRule.is_elementwise": "not documented",
    "UpdateRule.update_core_chainerx": "another array library's, which the compatibility package answers for",
    "initializers.Constant.fill_value": "an attribute of instances",
    "training.extensions.ParameterStatistics.report_key_template": "not documented",
    "training.extensions.PolynomialShift.invoke_before_training": "gone from the documentation since version 3",
    "training.updaters.MultiprocessParallelUpdater.setup_workers": "the class says that it is not available",
    **dict.fromkeys(
        (
            f"iterators.DaliIterator.{name}"
            for name in ("batch_size", "epoch_detail", "previous_epoch_detail", "repeat", "reset")
        ),
        "the class says that it is not available",
    ),
}


def find(path: str) -> Any:
    return operator.attrgetter(path)(kusari)


def shown(default: Any) -> str | None:
    """Return a default as the file has it: None where there is none; of objects it has only that they are some."""
    if default is inspect.Parameter.empty:
        return None
    plain = default is None or isinstance(default, bool | int | float | str | tuple)
    return repr(default) if plain else "<object>"


def differences(ours: Any, theirs: list[list[Any]]) -> dict[str, str]:
    """Return, by parameter, why a call that the original takes is not taken here, or means something else."""
    parameters = list(inspect.signature(ours).parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind.name in POSITIONAL]
    found = {}
    for place, (name, kind, *default) in enumerate(theirs):
        expected = default[0] if default else None
        if expected is not None and expected.startswith("<"):
            expected = "<object>"
        if kind in POSITIONAL:
            if place >= len(positional) or positional[place].name != name:
                found[name] = f"not the positional argument {place}"
            elif shown(positional[place].default) != expected:
                found[name] = f"its default is {shown(positional[place].default)}, there {expected}"
        elif kind == "KEYWORD_ONLY":
            if name not in [parameter.name for parameter in parameters]:
                found[name] = "no such keyword"
        elif kind not in [parameter.kind.name for parameter in parameters]:
            found[name] = f"no {kind}"
    count = sum(kind in POSITIONAL for _, kind, *_ in theirs)
    for parameter in positional[count:]:
        if parameter.default is inspect.Parameter.empty:
            found[parameter.name] = "required here only"
    return found


@pytest.mark.parametrize("path", SIGNATURES)
def test_is_called_as_in_the_original(path: str) -> None:
    found, theirs = find(path), SIGNATURES[path]["parameters"]
    assert found.__doc__, "a docstring"
    if theirs is None or path in DEVIATIONS:
        return
    wrong = {name: why for name, why in differences(found, theirs).items() if f"{path} {name}" not in DEVIATIONS}
    assert not wrong


@pytest.mark.parametrize("path", [path for path in SIGNATURES if SIGNATURES[path]["members"] is not None])
def test_has_the_methods_of_the_original(path: str) -> None:
    found = find(path)
    annotated = {name for cls in found.__mro__ for name in getattr(cls, "__annotations__", ())}
    for name, theirs in SIGNATURES[path]["members"].items():
        if f"{path}.{name}" in ABSENT:
            continue
        assert hasattr(found, name) or name in annotated, name
        # What is handed over by position may have another name.
        if theirs and callable(getattr(found, name, None)) and len(theirs) > 2:
            assert not differences(getattr(found, name), theirs), name


def test_no_exception_is_made_that_is_not_needed() -> None:
    for key in DEVIATIONS:
        path, _, name = key.partition(" ")
        wrong = differences(find(path), SIGNATURES[path]["parameters"])
        assert name in wrong if name else wrong, key
    for key in ABSENT:
        path, _, name = key.rpartition(".")
        assert name in SIGNATURES[path]["members"], key
        assert not hasattr(find(path), name), key
