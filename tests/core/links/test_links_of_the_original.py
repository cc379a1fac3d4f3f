"""Every documented layer against the original: names, shapes, printed forms, initial values, outputs and gradients.

tests/golden/generate_links.py recorded what the original does with the recipes that are used here.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
import recipes_links as recipes  # noqa: E402 - found once its folder is on the path

PRINTED_OTHERWISE = {
    "Convolution2D deferred": "there in_channels stays None",
    "Linear deferred": "there in_size stays None",
    "BatchNormalization over axes": "there size is that of the first axis, and use_beta True whatever was asked for",
}
"""Layers that say of themselves what is so, and why the original's form is another."""
OTHER_FILES = {"SimplifiedDropconnect": {"mask"}}
"""What only the original's files hold: the first mask ever given, which is never used again."""
OTHER_VALUES = {
    "BlackOut": {"W": "there nan: users fill it themselves; here LeCunNormal"},
    "DeformableConvolution2D": {"deform_conv/W": "there zeros, with which every output is 0; here LeCunNormal"},
}

RECORDED: dict[str, Any] = json.loads((GOLDEN / "links.json").read_text())
TABLE = RECORDED["links"]
RECIPES = recipes.RECIPES
every_recipe = pytest.mark.parametrize("name", list(RECIPES))


def used(name: str) -> Any:
    """Return a layer that has seen an input."""
    link = RECIPES[name].make(kusari.links)
    RECIPES[name].call(link, recipes.inputs(kusari, []))
    return link


def test_the_files_are_of_these_recipes() -> None:
    assert sorted(TABLE) == sorted(RECIPES)


@every_recipe
def test_names_shapes_and_dtypes_of_a_file(name: str) -> None:
    contents = {key: np.asarray(value) for key, value in recipes.contents(kusari, used(name)).items()}
    assert {key: [list(value.shape), str(value.dtype)] for key, value in contents.items()} == {
        key: value for key, value in TABLE[name]["file"].items() if key not in OTHER_FILES.get(name, ())
    }


@every_recipe
def test_orders(name: str) -> None:
    link = used(name)
    assert [path for path, _ in link.namedparams()] == TABLE[name]["order"]
    assert [path for path, _ in link.namedlinks()] == TABLE[name]["links"]


@every_recipe
def test_printed_forms(name: str) -> None:
    if name not in PRINTED_OTHERWISE:
        assert printed_alike(TABLE[name]["used"], str(used(name)))
    if TABLE[name]["fresh"] is not None:  # one layer cannot print itself there
        assert printed_alike(TABLE[name]["fresh"], str(RECIPES[name].make(kusari.links)))


def printed_alike(there: str, here: str) -> bool:
    """Return whether the forms are equal, but that a layer that says nothing of itself there may do so here."""
    anything = re.sub(r"(\w+)\\\(\\\)", lambda match: rf"{match[1]}\(.*\)", re.escape(there))
    return re.fullmatch(anything.replace("Link", r"\w+"), here) is not None


@pytest.mark.parametrize("name", list(RECORDED["arguments"]))
def test_arguments_and_their_defaults(name: str) -> None:
    arguments = inspect.signature(getattr(kusari.links, name)).parameters.values()
    here = [one for one in arguments if one.kind is one.POSITIONAL_OR_KEYWORD]
    for one, (expected, default) in zip(here, RECORDED["arguments"][name], strict=True):
        assert one.name == expected
        if default is not None:  # what has to be given there may have a default here
            assert getattr(one.default, "__name__", repr(one.default).strip("'")) == default


def test_trees_of_words() -> None:
    make = kusari.links.BinaryHierarchicalSoftmax.create_huffman_tree
    for counts, there in RECORDED["trees"]:
        assert repr(make(dict(counts))) == there


@every_recipe
def test_initial_values(name: str) -> None:
    kusari.seed(0)
    values = recipes.initial(kusari, RECIPES[name], 100)
    assert sorted(values) == sorted(TABLE[name]["initial"])
    for key, expected in TABLE[name]["initial"].items():
        if key in OTHER_VALUES.get(name, {}):
            assert 0 < values[key].std() < 1
            continue
        if "constant" in expected:
            np.testing.assert_array_equal(values[key], np.broadcast_to(expected["constant"], values[key].shape))
            continue
        found = np.sort(values[key].ravel())
        shares = np.searchsorted(found, expected["quantiles"]) / found.size
        # Dvoretzky–Kiefer–Wolfowitz: by chance a share is off by more once in 2·10⁶ draws of each of the two samples.
        bound = np.sqrt(np.log(4e6) / 2 / found.size) * (1 + np.sqrt(100 / recipes.DRAWS))
        np.testing.assert_allclose(shares, recipes.LEVELS, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("name", "train"),
    [(name, train) for name, recipe in RECIPES.items() for train in [False, True][: 1 + recipe.trains]],
)
def test_outputs_gradients_and_statistics(name: str, train: bool) -> None:
    prefix = f"{name}/{'train' if train else 'test'}/"
    found = recipes.outcome(kusari, RECIPES[name], train)
    with np.load(GOLDEN / "links.npz") as file:
        expected = {key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)}
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert (found[key].shape, found[key].dtype) == (value.shape, value.dtype), key
        # Sums in another order: single precision keeps seven digits of the largest terms.
        np.testing.assert_allclose(found[key], value, rtol=2e-5, atol=2e-6, err_msg=key)
