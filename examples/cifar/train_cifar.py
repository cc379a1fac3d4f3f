"""Train a Network in Network, or VGG with batch normalization, on CIFAR-10 or CIFAR-100.

    python examples/cifar/train_cifar.py [--model nin] [--dataset cifar10] [--device numpy] [--resume] [--smoke]

``--smoke`` trains for seconds on a few generated pictures, without a network: to see that everything is installed.
"""

from __future__ import annotations

import argparse
import random
import sys
from typing import Any

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.datasets import TransformDataset, TupleDataset
from kusari.training import extensions


class NetworkInNetwork(kusari.Chain):
    """Four blocks, each a convolution and a small perceptron at every pixel; then the mean over the pixels.

    Source: Lin, Chen, Yan, 2014, arXiv:1312.4400.
    """

    def __init__(self, n_classes: int, width: int = 192) -> None:
        super().__init__()
        init = kusari.initializers.HeNormal()
        with self.init_scope():
            self.block1 = L.MLPConvolution2D(3, (width, width, width), 5, pad=2, conv_init=init)
            self.block2 = L.MLPConvolution2D(width, (width, width, width), 5, pad=2, conv_init=init)
            self.block3 = L.MLPConvolution2D(width, (width, width, width), 3, pad=1, conv_init=init)
            self.block4 = L.MLPConvolution2D(width, (width, width, n_classes), 3, pad=1, conv_init=init)

    def forward(self, x: Any) -> kusari.Variable:
        """Return class scores (N, n_classes) of pictures (N, 3, 32, 32)."""
        h = F.dropout(F.max_pooling_2d(F.relu(self.block1(x)), 3, stride=2), 0.5)
        h = F.dropout(F.max_pooling_2d(F.relu(self.block2(h)), 3, stride=2), 0.5)
        h = F.dropout(F.max_pooling_2d(F.relu(self.block3(h)), 3, stride=2), 0.5)
        h = self.block4(h)
        return F.mean(h, axis=(2, 3))


class Block(kusari.Chain):
    """Convolution 3×3, batch normalization, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        with self.init_scope():
            # Batch normalization adds a bias of its own.
            self.conv = L.Convolution2D(
                in_channels, out_channels, 3, pad=1, nobias=True, initialW=kusari.initializers.HeNormal()
            )
            self.bn = L.BatchNormalization(out_channels)

    def forward(self, x: Any) -> kusari.Variable:
        """Return (N, out_channels, H, W)."""
        return F.relu(self.bn(self.conv(x)))


class VGG(kusari.Chain):
    """Thirteen convolutions 3×3, between which the picture is halved five times.

    Source: Simonyan, Zisserman, 2015, arXiv:1409.1556.
    """

    def __init__(self, n_classes: int, width: int = 64) -> None:
        super().__init__()
        stages = [(width, 2), (2 * width, 2), (4 * width, 3), (8 * width, 3), (8 * width, 3)]
        in_channels = 3
        with self.init_scope():
            self.stages = kusari.ChainList()
            for channels, depth in stages:
                blocks = [Block(in_channels if i == 0 else channels, channels) for i in range(depth)]
                self.stages.add_link(kusari.Sequential(*blocks))
                in_channels = channels
            self.fc1 = L.Linear(in_channels, 8 * width, nobias=True)
            self.bn1 = L.BatchNormalization(8 * width)
            self.fc2 = L.Linear(8 * width, n_classes)

    def forward(self, x: Any) -> kusari.Variable:
        """Return class scores (N, n_classes) of pictures (N, 3, 32, 32)."""
        h = x
        for stage in self.stages:
            h = F.dropout(F.max_pooling_2d(stage(h), 2), 0.25)
        h = F.dropout(F.relu(self.bn1(self.fc1(h))), 0.5)
        return self.fc2(h)


MODELS = {"nin": NetworkInNetwork, "vgg": VGG}


def change(example: Any) -> Any:
    """Shift a picture by up to four pixels and mirror it, at random."""
    image, label = example
    padded = np.zeros((3, 40, 40), image.dtype)
    padded[:, 4:36, 4:36] = image
    y, x = random.randrange(9), random.randrange(9)
    image = padded[:, y : y + 32, x : x + 32]
    return (image[:, :, ::-1] if random.random() < 0.5 else image), label


def generated(size: int, n_classes: int, seed: int) -> TupleDataset:
    """Return pictures (3, 32, 32) whose class is their colour, under noise."""
    colours = np.random.default_rng(0).random((n_classes, 3, 1, 1), dtype="f")
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, size).astype("i")
    return TupleDataset(colours[labels] + 0.2 * rng.standard_normal((size, 3, 32, 32), dtype="f"), labels)


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="nin")
    parser.add_argument("--dataset", choices=["cifar10", "cifar100"], default="cifar10")
    parser.add_argument("--batchsize", "-b", type=int, default=64)
    parser.add_argument("--epoch", "-e", type=int, default=200)
    parser.add_argument("--learnrate", "-l", type=float, default=0.05)
    parser.add_argument("--device", "--backend", "-d", default="numpy", help="numpy, cupy:0, triton:0")
    parser.add_argument("--processes", type=int, default=2, help="worker processes that prepare batches; 0: none")
    parser.add_argument("--out", "-o", default="cifar-result", help="output folder")
    parser.add_argument("--resume", "-r", action="store_true", help="go on from the newest snapshot in it")
    parser.add_argument("--smoke", action="store_true", help="a few generated pictures, a narrow model, three epochs")
    args = parser.parse_args()

    n_classes = 100 if args.dataset == "cifar100" else 10
    make = MODELS[args.model]
    if args.smoke:
        kusari.seed(0)  # weights, dropout, order
        random.seed(0)  # shifts
        args.epoch, args.batchsize, args.processes = 3, 20, 0
        n_classes = 4
        train, test = generated(200, n_classes, seed=1), generated(40, n_classes, seed=2)
        network = make(n_classes, width=8)
    else:
        load = kusari.datasets.get_cifar100 if args.dataset == "cifar100" else kusari.datasets.get_cifar10
        train, test = load()
        network = make(n_classes)
    train = TransformDataset(train, change)

    model = L.Classifier(network)
    optimizer = kusari.optimizers.MomentumSGD(args.learnrate)
    optimizer.setup(model)
    optimizer.add_hook(kusari.optimizer_hooks.WeightDecay(5e-4))

    if args.processes:
        train_iter = kusari.iterators.MultiprocessIterator(train, args.batchsize, n_processes=args.processes)
    else:
        train_iter = kusari.iterators.SerialIterator(train, args.batchsize)
    test_iter = kusari.iterators.SerialIterator(test, args.batchsize, repeat=False, shuffle=False)

    updater = training.updaters.StandardUpdater(train_iter, optimizer, device=args.device)
    trainer = training.Trainer(updater, (args.epoch, "epoch"), out=args.out)
    trainer.extend(extensions.Evaluator(test_iter, model, device=args.device))
    trainer.extend(extensions.ExponentialShift("lr", 0.5), trigger=(25, "epoch"))
    trainer.extend(extensions.observe_lr())
    trainer.extend(extensions.snapshot(n_retains=1, autoload=args.resume))
    # The best model so far, by the test set.
    best = training.triggers.MaxValueTrigger("validation/main/accuracy")
    trainer.extend(extensions.snapshot_object(network, "best.npz"), trigger=best)
    trainer.extend(extensions.LogReport())
    columns = ["epoch", "lr", "main/loss", "validation/main/loss", "main/accuracy", "validation/main/accuracy"]
    trainer.extend(extensions.PrintReport([*columns, "elapsed_time"]))
    if sys.stdout.isatty():
        trainer.extend(extensions.ProgressBar(update_interval=10))
    trainer.run()


if __name__ == "__main__":
    main()
