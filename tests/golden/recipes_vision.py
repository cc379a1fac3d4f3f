"""The networks for images as the original and Kusari build them alike, with weights and inputs from formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from recipes_links import number

PERIOD = 4093
NOISE = np.sin(np.arange(PERIOD) ** 2 * 0.37)
SAMPLES = 24


class Recipe(NamedTuple):
    make: Callable[[Any], Any]
    """Takes the module of links."""
    shape: tuple[int, ...]
    """Of the input."""
    layers: str = ""
    """What is asked for; empty: all."""


RECIPES = {
    "VGG16Layers": Recipe(lambda L: L.VGG16Layers(None), (1, 3, 32, 32)),
    "VGG19Layers": Recipe(lambda L: L.VGG19Layers(None), (1, 3, 32, 32)),
    "GoogLeNet": Recipe(lambda L: L.GoogLeNet(None), (1, 3, 224, 224)),
    "ResNet50Layers": Recipe(lambda L: L.ResNet50Layers(None), (1, 3, 64, 48)),
    "ResNet50Layers downsample_fb": Recipe(lambda L: L.ResNet50Layers(None, True), (1, 3, 64, 48)),
    "ResNet101Layers": Recipe(lambda L: L.ResNet101Layers(None), (1, 3, 32, 32), "res4 pool5"),
    "ResNet152Layers": Recipe(lambda L: L.ResNet152Layers(None), (1, 3, 32, 32), "res4 pool5"),
}


def noise(shape: Any, start: int) -> Any:
    """Return float32 numbers in [−1, 1] that repeat after a prime number of them."""
    size = int(np.prod(shape))
    return np.resize(np.roll(NOISE, -7 * start), size).astype("f").reshape(shape)


def shapes(lib: Any, model: Any) -> dict[str, str]:
    """Return the shapes of all that a file of the model holds."""
    serializer = lib.serializers.DictionarySerializer()
    serializer.save(model)
    return {key: "x".join(map(str, np.shape(value))) for key, value in sorted(serializer.target.items())}


def fill(lib: Any, model: Any) -> Any:
    """Give a model small classifiers in place of VGG's huge ones, and weights that keep numbers in their size."""
    if hasattr(model, "fc7"):
        L = lib.links
        model.fc6, model.fc7, model.fc8 = L.Linear(512, 64), L.Linear(64, 32), L.Linear(32, 10)
    for path, param in model.namedparams():
        values = noise(param.shape, number(path))
        fans = int(np.prod(param.shape[1:])) if param.ndim > 1 else 0
        param.array = values * np.float32(2 / fans**0.5) if fans else 0.1 * values + (path[-5:] == "gamma")
    for path, part in model.namedlinks():
        if hasattr(part, "avg_mean"):
            part.avg_mean[...] = 0.1 * noise(part.avg_mean.shape, number(path))
            part.avg_var[...] = 1 + 0.5 * noise(part.avg_var.shape, number(path) + 1)
    return model


def outcome(lib: Any, recipe: Recipe, model: Any) -> dict[str, Any]:
    """Return some numbers, and the largest, of each layer that is asked for, in test mode; the model is filled."""
    fill(lib, model)
    x = noise(recipe.shape, 3)
    layers = recipe.layers.split() or model.available_layers
    with lib.using_config("train", False), lib.no_backprop_mode():
        found = {layer: h.array for layer, h in model(x, layers=layers).items()}
    result = {}
    for layer, h in found.items():
        places = np.linspace(0, h.size - 1, SAMPLES).astype(int)
        result[layer] = {
            "shape": list(h.shape),
            "samples": [float(f"{value:.7g}") for value in h.ravel()[places]],
            "largest": float(f"{abs(h).max():.7g}"),
        }
    return result
