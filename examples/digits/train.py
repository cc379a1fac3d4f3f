"""Train a Network in Network on real handwritten digits, on any backend.

    python examples/digits/train.py [--device numpy] [--epochs 20] [--seed 0] [--resume]

Writes the log, plots, a snapshot of each epoch and ``model.npz`` to the output folder; reloads the model and checks
that it answers the same. ``--resume`` goes on from the newest snapshot there: an interrupted run ends exactly as one
that was left alone.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import numpy as np
from data import load, shift
from model import NetworkInNetwork
from predict import load_model, scores

import kusari
import kusari.links as L
from kusari import iterators, optimizers, serializers, training
from kusari.dataset import concat_examples
from kusari.datasets import TransformDataset, TupleDataset
from kusari.training import extensions


def make_trainer(arguments: argparse.Namespace, train: TupleDataset, test: TupleDataset) -> training.Trainer:
    """Put together what trains: iterators, model, optimizer, updater, and extensions around it."""
    shifted = TransformDataset(train, shift)
    if arguments.processes:
        train_iter = iterators.MultiprocessIterator(
            shifted, arguments.batch_size, n_processes=arguments.processes, n_prefetch=4
        )
    else:
        train_iter = iterators.SerialIterator(shifted, arguments.batch_size)
    test_iter = iterators.SerialIterator(test, 180, repeat=False, shuffle=False)

    model = L.Classifier(NetworkInNetwork())  # adds loss and accuracy to the scores, and reports both
    optimizer = optimizers.Adam(alpha=3e-3).setup(model)
    updater = training.StandardUpdater(train_iter, optimizer, device=arguments.device)

    trainer = training.Trainer(updater, (arguments.epochs, "epoch"), out=arguments.out)
    trainer.extend(extensions.Evaluator(test_iter, model, device=arguments.device))
    # The step size falls along half a cosine, from 3e-3 to 0.
    trainer.extend(extensions.CosineShift("alpha", arguments.epochs * len(train) // arguments.batch_size))
    trainer.extend(extensions.LogReport())
    trainer.extend(
        extensions.PrintReport(["epoch", "main/loss", "main/accuracy", "validation/main/accuracy", "elapsed_time"])
    )
    trainer.extend(extensions.PlotReport(["main/loss", "validation/main/loss"], "epoch", filename="loss.png"))
    trainer.extend(
        extensions.PlotReport(["main/accuracy", "validation/main/accuracy"], "epoch", filename="accuracy.png")
    )
    if sys.stdout.isatty():  # elsewhere it would print lines between those of the table
        trainer.extend(extensions.ProgressBar(update_interval=5))
    trainer.extend(extensions.snapshot(n_retains=2, autoload=arguments.resume))
    return trainer


def main() -> None:
    """Read the arguments, train, save, reload."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", "--backend", default="numpy", help="a backend's name: numpy, cupy:0, triton:0")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0, help="worker processes that prepare batches ahead")
    parser.add_argument("--samples", type=int, help="train and test on so many images only (slow backends)")
    parser.add_argument("--resume", action="store_true", help="go on from the newest snapshot in the output folder")
    parser.add_argument("--out", type=Path, default=Path("digits-result"), help="output folder")
    arguments = parser.parse_args()

    kusari.seed(arguments.seed)  # initial weights, order of the examples
    random.seed(arguments.seed)  # shifts
    train, test = load(arguments.samples)
    trainer = make_trainer(arguments, train, test)
    model = trainer.updater.get_optimizer("main").target.predictor
    print(f"{len(train)} digits on {model.device}")
    trainer.run()

    file = arguments.out / "model.npz"
    serializers.save_npz(file, model)
    images, labels = concat_examples(test[:])
    answers = scores(model, images)
    if not np.array_equal(answers, scores(load_model(file, arguments.device), images)):
        sys.exit(f"the model reloaded from {file} gives other scores than the one that was saved")
    accuracy = (answers.argmax(axis=1) == labels).mean()
    print(f"test accuracy {accuracy:.4f} on {len(test)} digits, device {model.device}")
    print(f"saved and reloaded {file}: same scores; plots in {arguments.out}")


if __name__ == "__main__":
    main()
