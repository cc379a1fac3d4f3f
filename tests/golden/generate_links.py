"""Write the golden files of layers: what each of the original, Chainer 7.8.1, holds, prints and computes.

It is run as a black box, in the environment that generate.py describes:

    python tests/golden/generate_links.py

links.json has names, shapes, dtypes, printed forms, initial values (constants, or quantiles of what is drawn),
constructors' arguments, and trees; links.npz has outputs, gradients and statistics.
"""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import chainer
import numpy as np
import recipes_links as recipes

HERE = Path(__file__).parent


def described(name: str, recipe: recipes.Recipe) -> dict[str, Any]:
    """Return what a layer of a name holds and prints, before its first call and after."""
    fresh, used = recipe.make(chainer.links), recipe.make(chainer.links)
    recipe.call(used, recipes.inputs(chainer, []))
    values = recipes.initial(chainer, recipe, recipes.DRAWS)
    return {
        "fresh": printed(fresh),
        "used": str(used),
        "order": [path for path, _ in used.namedparams()],
        "links": [path for path, _ in used.namedlinks()],
        "file": {
            key: [list(value.shape), str(value.dtype)]
            for key, value in sorted((key, np.asarray(value)) for key, value in recipes.contents(chainer, used).items())
        },
        "initial": {key: summary(value) for key, value in sorted(values.items())},
    }


def printed(link: Any) -> str | None:
    """Return the printed form, or None for the one layer that cannot print itself before its first input."""
    try:
        return str(link)
    except AttributeError:
        return None


def summary(values: Any) -> Any:
    """Return one draw, where all are equal; else quantiles of all elements, unless there are none to speak of."""
    if (values == values[0]).all():
        return {"constant": values[0].tolist()}
    if np.isnan(values).all():
        return {"nan": True}
    return {"quantiles": [float(f"{q:.6g}") for q in np.quantile(values, recipes.LEVELS)]}


def arguments(name: str) -> list[list[Any]]:
    """Return a constructor's arguments: names, and defaults as they print, None where there is none."""
    signature = inspect.signature(getattr(chainer.links, name))
    return [
        [one.name, None if one.default is one.empty else getattr(one.default, "__name__", repr(one.default))]
        for one in signature.parameters.values()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    ]


def trees() -> list[Any]:
    """Return counts of words, many of them equal, and the trees made of them."""
    random = np.random.RandomState(0)
    make = chainer.links.BinaryHierarchicalSoftmax.create_huffman_tree
    counts = [
        [[int(word), int(random.randint(1, 5))] for word in random.permutation(20)[:size]]
        for size in (1, 2, 3, 4, 5, 6, 8, 12, 20)
        for _ in range(3)
    ]
    return [[one, repr(make(dict(one)))] for one in counts]


def main() -> None:
    """Write everything."""
    np.random.seed(0)  # noqa: NPY002  # the stream that the original draws from
    table = {
        "links": {name: described(name, recipe) for name, recipe in recipes.RECIPES.items()},
        "arguments": {name: arguments(name) for name in sorted({name.split()[0] for name in recipes.RECIPES})},
        "trees": trees(),
    }
    (HERE / "links.json").write_text(json.dumps(table, sort_keys=True).replace('}, "', '},\n"') + "\n")
    computed = {
        f"{name}/{mode}/{key}": value
        for name, recipe in recipes.RECIPES.items()
        for mode in (["train", "test"] if recipe.trains else ["test"])
        for key, value in recipes.outcome(chainer, recipe, mode == "train").items()
    }
    np.savez_compressed(HERE / "links.npz", **computed)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
