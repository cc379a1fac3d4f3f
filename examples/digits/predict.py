"""Read the test digits with a trained model, and show which ones it misreads.

    python examples/digits/predict.py [digits-result/model.npz] [--device numpy]

Writes ``predictions.png`` beside the model.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from data import load
from matplotlib.figure import Figure
from model import NetworkInNetwork

import kusari
from kusari import serializers
from kusari.dataset import concat_examples


def load_model(file: Path, device: Any) -> NetworkInNetwork:
    """Return the model in a file, on a device."""
    model = NetworkInNetwork()
    serializers.load_npz(file, model)
    model.to_device(device)
    return model


def scores(model: NetworkInNetwork, images: Any, size: int = 180) -> Any:
    """Return the model's scores (N, 10) of host images (N, 1, 8, 8), on the host."""
    parts = []
    with kusari.using_config("train", False), kusari.no_backprop_mode():
        for start in range(0, len(images), size):
            y = model(model.device.send(images[start : start + size]))
            parts.append(y.device.backend.to_host(y.array))
    return np.concatenate(parts)


def save_picture(file: Path, images: Any, labels: Any, answers: Any) -> None:
    """Draw digits with what the model takes them for, mistakes first."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    mistakes_first = np.argsort(answers == labels, kind="stable")
    for axes, index in zip(figure.subplots(3, 6).flat, mistakes_first, strict=False):
        right = answers[index] == labels[index]
        axes.imshow(images[index, 0], cmap="gray_r")
        axes.set_title(
            f"{answers[index]}" if right else f"{answers[index]} (is {labels[index]})",
            color="black" if right else "firebrick",
            fontsize=9,
        )
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Read the arguments, predict, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=Path("digits-result/model.npz"))
    parser.add_argument("--device", "--backend", default="numpy", help="a backend's name: numpy, cupy:0, triton:0")
    arguments = parser.parse_args()

    model = load_model(arguments.model, arguments.device)
    _, test = load()
    images, labels = concat_examples(test[:])
    answers = scores(model, images).argmax(axis=1)
    for label, answer in zip(labels, answers, strict=True):
        if answer != label:
            print(f"read {answer}, is {label}")
    print(f"test accuracy {(answers == labels).mean():.4f}: {(answers == labels).sum()} of {len(labels)} digits")
    picture = arguments.model.with_name("predictions.png")
    save_picture(picture, images, labels, answers)
    print(f"the misread digits, and some others: {picture}")


if __name__ == "__main__":
    main()
