"""Train a Network in Network on real handwritten digits, on any backend.

    python examples/digits/train.py [--device numpy] [--epochs 20] [--seed 0]

Writes ``model.npz`` and ``training.png`` to the output folder; reloads the model and checks that it answers the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from data import Digits, batches, load
from model import NetworkInNetwork
from plot import save_plot
from progress import Progress

import kusari
import kusari.functions as F
from kusari import optimizers, serializers


class Epoch(NamedTuple):
    """What an epoch came to."""

    number: int
    loss: float
    test_accuracy: float
    seconds: float


def scores(model: NetworkInNetwork, images: Any, size: int = 180) -> Any:
    """Return the model's scores of host images, on the host."""
    parts = []
    with kusari.using_config("train", False), kusari.no_backprop_mode():
        for start in range(0, len(images), size):
            y = model(model.device.send(images[start : start + size]))
            parts.append(y.device.backend.to_host(y.array))
    return np.concatenate(parts)


def accuracy(model: NetworkInNetwork, digits: Digits) -> float:
    """Return the share of digits that the model reads right."""
    return float((scores(model, digits.images).argmax(axis=1) == digits.labels).mean())


def train(
    model: NetworkInNetwork, train_set: Digits, test_set: Digits, epochs: int, seed: int, batch_size: int
) -> Iterator[Epoch]:
    """Train with Adam, the step size falling along a half cosine; yield after every epoch."""
    optimizer = optimizers.Adam(alpha=3e-3).setup(model)
    generator = np.random.default_rng(seed)
    steps = epochs * -(-len(train_set.images) // batch_size)
    step = 0
    for number in range(1, epochs + 1):
        start, losses = time.perf_counter(), []
        for images, labels in batches(train_set, batch_size, generator):
            optimizer.alpha = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            x, t = model.device.send((images, labels))
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            losses.append(loss)
            step += 1
        seconds = time.perf_counter() - start
        # The losses are read once an epoch: reading each would wait for the device at every step.
        mean = float(np.mean([value.item() for value in losses]))
        yield Epoch(number, mean, accuracy(model, test_set), seconds)


def reload_and_compare(model: NetworkInNetwork, file: Path, images: Any) -> None:
    """Load the saved model into a new one and raise unless both give the same scores."""
    twin = NetworkInNetwork()
    serializers.load_npz(file, twin)
    twin.to_device(model.device)
    if not np.array_equal(scores(model, images), scores(twin, images)):
        raise RuntimeError(f"the model reloaded from {file} gives other scores than the one that was saved")


def main() -> None:
    """Read the arguments, train, save, reload, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="numpy", help="a backend's name, and an index where it has several devices")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--samples", type=int, help="train and test on so many images only (slow backends)")
    parser.add_argument("--out", type=Path, default=Path("digits-result"), help="output folder")
    arguments = parser.parse_args()

    train_set, test_set = (Digits(d.images[: arguments.samples], d.labels[: arguments.samples]) for d in load())
    kusari.seed(arguments.seed)
    model = NetworkInNetwork()
    model.to_device(arguments.device)

    history = []
    with Progress(arguments.epochs, f"{len(train_set.images)} digits on {model.device}") as progress:
        for epoch in train(model, train_set, test_set, arguments.epochs, arguments.seed, arguments.batch_size):
            history.append(epoch)
            progress.report(epoch)

    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "model.npz"
    serializers.save_npz(file, model)
    reload_and_compare(model, file, test_set.images)
    save_plot(arguments.out / "training.png", history, test_set, scores(model, test_set.images).argmax(axis=1))
    print(f"test accuracy {history[-1].test_accuracy:.4f} on {len(test_set.images)} digits, device {model.device}")
    print(f"saved and reloaded {file}: same scores; plot in {arguments.out / 'training.png'}")


if __name__ == "__main__":
    main()
