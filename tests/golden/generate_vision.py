"""Write vision.json: what the original's networks for images hold and compute.

It is run as a black box, in the environment that generate.py describes:

    python tests/golden/generate_vision.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import chainer
import recipes_vision as recipes


def main() -> None:
    """Write everything."""
    table = {}
    for name, recipe in recipes.RECIPES.items():
        model = recipe.make(chainer.links)
        table[name] = {
            "layers": model.available_layers,
            "shapes": recipes.shapes(chainer, model),
            "outcome": recipes.outcome(chainer, recipe, model),
        }
    text = json.dumps(table, separators=(",", ":")).replace('},"', '},\n"')
    Path(__file__).with_name("vision.json").write_text(text + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
