"""The same questions put to the original, whose answers are recorded, and to Kusari.

Where the answers are to differ, `DIFFERENCES` says what ours is and why. tests/golden/behaviour.py asks.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import kusari

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import behaviour  # noqa: E402 - found once its folder is on the path

RECORDED = json.loads((GOLDEN / "behaviour.json").read_text())

BROADCAST = "an array that only broadcasts to a parameter is a mistake: it would be repeated without a word"
EVERYTHING_COPIED = "a ChainList's own parameters follow the mode, as a Chain's do"
WARNS_FIRST = "the warning that the method is deprecated comes before the error"

DIFFERENCES: dict[str, dict[str, tuple[Any, str]]] = {
    "link_errors": {
        "append of no link": ({"error": "TypeError", "warnings": []}, "as add_link; and nothing has been stored"),
        "copyparams that would broadcast": ({"error": "ValueError", "warnings": []}, BROADCAST),
        "parameter of no shape": ({"error": "TypeError", "warnings": []}, "was the error of unpacking the text"),
        "to_gpu": ({"error": "RuntimeError", "warnings": ["DeprecationWarning"]}, WARNS_FIRST),
        "to_intel64": ({"error": "RuntimeError", "warnings": ["DeprecationWarning"]}, WARNS_FIRST),
        "zerograds": ({"error": "no error", "warnings": ["DeprecationWarning"]}, "one call, one warning"),
    },
    "layer_errors": {
        "linear: a list": ({"error": "TypeError", "warnings": []}, "as for other layers; was an attribute of list"),
    },
    "file_errors": {
        "hdf5: shape": ({"error": "ValueError", "warnings": []}, "as for npz"),
        "hdf5: shape that would broadcast": ({"error": "ValueError", "warnings": []}, BROADCAST),
        "npz: shape that would broadcast": ({"error": "ValueError", "warnings": []}, BROADCAST),
    },
    "copy_modes": {
        "copy ChainList own": (["equal", "equal", "equal", False], EVERYTHING_COPIED),
        "init ChainList own": (["other", "nan", "equal", False], EVERYTHING_COPIED),
    },
}
NEEDS_H5PY = {"file_errors"}


def ask(name: str, folder: Path) -> Any:
    """Return Kusari's answers to one of the questions, as JSON gives them back."""
    if name in NEEDS_H5PY:
        pytest.importorskip("h5py", reason="needs h5py")
    with warnings.catch_warnings(), kusari.using_config("sequential_numbering", "legacy"):
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(behaviour.PROBES[name](kusari, folder), default=float))


def agrees(expected: Any, answer: Any) -> bool:
    """Tell whether an answer is as expected; of an error, a subclass will do."""
    if isinstance(expected, dict) and "error" in expected:
        return expected["error"] in answer["error"] and expected["warnings"] == answer["warnings"]
    return bool(expected == answer)


@pytest.mark.parametrize("name", sorted(set(RECORDED) - {"initial_values"}))
def test_the_answers_are_the_originals(name: str, tmp_path: Path) -> None:
    answers, recorded = ask(name, tmp_path), RECORDED[name]
    if not isinstance(recorded, dict):
        assert answers == recorded
        return
    assert answers.keys() == recorded.keys()
    decided = DIFFERENCES.get(name, {})
    wrong = {}
    for question, expected in recorded.items():
        if question in decided:
            assert not agrees(expected, answers[question]), f"{question}: the difference is no longer one"
            expected = decided[question][0]
        if not agrees(expected, answers[question]):
            wrong[question] = (expected, answers[question])
    assert not wrong


def test_every_question_was_asked() -> None:
    assert set(RECORDED) == set(behaviour.PROBES)
    for name, decided in DIFFERENCES.items():
        assert decided.keys() <= RECORDED[name].keys()


def test_initial_values_have_the_originals_moments(tmp_path: Path) -> None:
    """Streams differ, distributions do not: 18,000 numbers give a deviation to 2 %, 3,000 to 5."""
    kusari.seed(0)
    answers = ask("initial_values", tmp_path)
    assert answers.keys() == RECORDED["initial_values"].keys()
    for name, ours in answers.items():
        theirs = RECORDED["initial_values"][name]
        assert ours["size"] == theirs["size"]
        if theirs["std"] == 0:
            assert (ours["mean"], ours["std"]) == (theirs["mean"], 0)
            continue
        # Five standard errors of a deviation, for both samples, and of a mean.
        assert abs(ours["std"] / theirs["std"] - 1) < 5 * (2 / (2 * ours["size"])) ** 0.5, name
        assert abs(ours["mean"] - theirs["mean"]) < 5 * theirs["std"] * (2 / ours["size"]) ** 0.5, name
        if "Uniform" in name:  # their ends are sharp
            assert abs(ours["max"] / theirs["max"] - 1) < 1e-3, name
