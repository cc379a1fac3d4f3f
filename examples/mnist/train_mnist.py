"""Train a multilayer perceptron on MNIST.

    python examples/mnist/train_mnist.py [--device numpy] [--epoch 20] [--resume] [--smoke]

``--smoke`` trains for seconds on a few generated pictures, without a network: to see that everything is installed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.training import extensions


class MLP(kusari.Chain):
    """Class scores (N, n_out) of pictures (N, pixels): two hidden layers."""

    def __init__(self, n_units: int, n_out: int) -> None:
        super().__init__()
        with self.init_scope():
            # None: the size of the input is found out at the first call.
            self.l1 = L.Linear(None, n_units)
            self.l2 = L.Linear(None, n_units)
            self.l3 = L.Linear(None, n_out)

    def forward(self, x: Any) -> kusari.Variable:
        """Return the scores."""
        h1 = F.relu(self.l1(x))
        h2 = F.relu(self.l2(h1))
        return self.l3(h2)


def generated(size: int, seed: int) -> kusari.datasets.TupleDataset:
    """Return pictures (784,) of ten kinds, each a random pattern under noise, with their labels."""
    patterns = np.random.default_rng(0).random((10, 784), dtype="f")
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, size).astype("i")
    return kusari.datasets.TupleDataset(patterns[labels] + 0.5 * rng.standard_normal((size, 784), dtype="f"), labels)


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batchsize", "-b", type=int, default=100, help="number of pictures in a batch")
    parser.add_argument("--epoch", "-e", type=int, default=20, help="how often to go through the training set")
    parser.add_argument("--unit", "-u", type=int, default=1000, help="number of units in a hidden layer")
    parser.add_argument("--device", "--backend", "-d", default="numpy", help="numpy, cupy:0, triton:0")
    parser.add_argument("--out", "-o", default="mnist-result", help="output folder")
    parser.add_argument("--resume", "-r", action="store_true", help="go on from the newest snapshot in it")
    parser.add_argument("--smoke", action="store_true", help="a few generated pictures, two epochs")
    args = parser.parse_args()

    if args.smoke:
        kusari.seed(0)
        args.epoch, args.unit = 2, 50
        train, test = generated(1000, seed=1), generated(200, seed=2)
    else:
        train, test = kusari.datasets.get_mnist()

    # The model. Classifier reports loss and accuracy at every iteration.
    model = L.Classifier(MLP(args.unit, 10))
    optimizer = kusari.optimizers.Adam()
    optimizer.setup(model)

    train_iter = kusari.iterators.SerialIterator(train, args.batchsize)
    test_iter = kusari.iterators.SerialIterator(test, args.batchsize, repeat=False, shuffle=False)

    updater = training.updaters.StandardUpdater(train_iter, optimizer, device=args.device)
    trainer = training.Trainer(updater, (args.epoch, "epoch"), out=args.out)

    # The test set once an epoch; the graph of the first iteration; a snapshot of the training every epoch.
    trainer.extend(extensions.Evaluator(test_iter, model, device=args.device))
    trainer.extend(extensions.DumpGraph("main/loss"))
    trainer.extend(extensions.snapshot(n_retains=1, autoload=args.resume))

    # The log, as a file, as pictures and on the screen.
    trainer.extend(extensions.LogReport())
    trainer.extend(extensions.PlotReport(["main/loss", "validation/main/loss"], "epoch", filename="loss.png"))
    trainer.extend(
        extensions.PlotReport(["main/accuracy", "validation/main/accuracy"], "epoch", filename="accuracy.png")
    )
    columns = ["epoch", "main/loss", "validation/main/loss", "main/accuracy", "validation/main/accuracy"]
    trainer.extend(extensions.PrintReport([*columns, "elapsed_time"]))
    if sys.stdout.isatty():
        trainer.extend(extensions.ProgressBar())

    trainer.run()
    kusari.serializers.save_npz(f"{args.out}/model.npz", model.predictor)


if __name__ == "__main__":
    main()
