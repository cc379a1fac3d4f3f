"""The networks for images against the original: what their files hold, and what every layer makes of an image.

tests/golden/generate_vision.py recorded what the original does with the recipes that are used here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
from kusari.links.model.vision import resnet, vgg

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
import recipes_vision as recipes  # noqa: E402 - found once its folder is on the path

RECORDED: dict[str, Any] = json.loads((GOLDEN / "vision.json").read_text())


@pytest.fixture
def classifiers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Leave out what takes seconds and gigabytes and is overwritten: draws, and the data of VGG's classifiers.

    Returns the shapes of these, by name.
    """
    sizes: dict[str, str] = {}

    def linear(in_size: int, out_size: int, **initial: Any) -> Any:
        sizes[f"fc{6 + len(sizes)}/W"] = f"{out_size}x{in_size}"
        return kusari.links.Linear(None, out_size)

    monkeypatch.setattr(vgg, "Normal", lambda scale: 0)
    monkeypatch.setattr(vgg, "Linear", linear)
    monkeypatch.setattr(resnet, "HeNormal", lambda: 0)
    return sizes


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_layers_and_files_and_numbers(name: str, classifiers: dict[str, str]) -> None:
    recorded = RECORDED[name]
    model = recipes.RECIPES[name].make(kusari.links)
    assert model.available_layers == recorded["layers"]
    assert recipes.shapes(kusari, model) | classifiers == recorded["shapes"]
    found = recipes.outcome(kusari, recipes.RECIPES[name], model)
    assert list(found) == list(recorded["outcome"])
    for layer, expected in recorded["outcome"].items():
        assert found[layer]["shape"] == expected["shape"]
        # Up to 152 layers, one behind the other, each with sums in another order than there.
        scale = 2e-5 * expected["largest"]
        np.testing.assert_allclose(found[layer]["samples"], expected["samples"], rtol=1e-4, atol=scale, err_msg=layer)
