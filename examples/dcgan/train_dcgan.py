"""Train a generative adversarial network of convolutions on CIFAR-10.

    python examples/dcgan/train_dcgan.py [--device numpy] [--epoch 1000] [--resume] [--smoke]

``--smoke`` trains for seconds on a few generated pictures, without a network: to see that everything is installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
from net import Discriminator, Generator
from updater import DCGANUpdater

import kusari
from kusari import training
from kusari.training import extensions


def draw_pictures(gen: Generator, rows: int, columns: int, out: Path) -> Any:
    """Return an extension that writes what the generator makes of the same codes each time."""
    codes = np.random.default_rng(0).uniform(-1, 1, (rows * columns, gen.n_hidden)).astype(np.float32)

    @training.make_extension(trigger=(1, "epoch"), default_name="draw_pictures")
    def draw(trainer: training.Trainer) -> None:
        with kusari.using_config("train", False), kusari.no_backprop_mode():
            x = gen(gen.device.send(codes))
        pictures = x.device.backend.to_host(x.array).reshape(rows, columns, *x.shape[1:])
        picture = np.block([list(row) for row in pictures]).transpose(1, 2, 0)  # (3, H, W) → (H, W, 3)
        matplotlib.image.imsave(out / f"image{trainer.updater.iteration:08}.png", np.ascontiguousarray(picture))

    return draw


def generated(size: int) -> Any:
    """Return pictures (3, 32, 32): a bright disc on a dark ground."""
    rng = np.random.default_rng(1)
    y, x = rng.uniform(10, 22, (2, size, 1, 1, 1))
    colours = rng.uniform(0.5, 1.0, (size, 3, 1, 1))
    rows, columns = np.mgrid[:32, :32]
    return (colours / (1 + np.exp(((rows - y) ** 2 + (columns - x) ** 2) / 8 - 4))).astype("f")


def make_optimizer(model: kusari.Chain, alpha: float = 0.0002, beta1: float = 0.5) -> kusari.GradientMethod:
    """Return an optimizer for one of the two networks."""
    optimizer = kusari.optimizers.Adam(alpha=alpha, beta1=beta1)
    optimizer.setup(model)
    optimizer.add_hook(kusari.optimizer_hooks.WeightDecay(0.0001))
    return optimizer


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batchsize", "-b", type=int, default=50)
    parser.add_argument("--epoch", "-e", type=int, default=1000)
    parser.add_argument("--n-hidden", "-n", type=int, default=100, help="length of a code")
    parser.add_argument("--device", "--backend", "-d", default="numpy", help="numpy, cupy:0, triton:0")
    parser.add_argument("--out", "-o", type=Path, default=Path("dcgan-result"), help="output folder")
    parser.add_argument("--resume", "-r", action="store_true", help="go on from the newest snapshot in it")
    parser.add_argument("--smoke", action="store_true", help="a few generated pictures, narrow networks, three epochs")
    args = parser.parse_args()

    if args.smoke:
        kusari.seed(0)
        args.epoch, args.batchsize, args.n_hidden, ch = 3, 10, 8, 32
        train = generated(60)
    else:
        ch = 512
        train, _ = kusari.datasets.get_cifar10(withlabel=False)

    gen, dis = Generator(args.n_hidden, ch=ch), Discriminator(ch=ch)
    iterator = kusari.iterators.SerialIterator(train, args.batchsize)
    optimizers = {"gen": make_optimizer(gen), "dis": make_optimizer(dis)}
    updater = DCGANUpdater((gen, dis), iterator, optimizers, args.device)
    trainer = training.Trainer(updater, (args.epoch, "epoch"), out=args.out)
    trainer.extend(extensions.snapshot(n_retains=1, autoload=args.resume))
    trainer.extend(extensions.snapshot_object(gen, "gen.npz"))
    trainer.extend(extensions.snapshot_object(dis, "dis.npz"))
    trainer.extend(extensions.LogReport())
    trainer.extend(extensions.PrintReport(["epoch", "iteration", "gen/loss", "dis/loss", "elapsed_time"]))
    trainer.extend(draw_pictures(gen, 5, 5, args.out))
    if sys.stdout.isatty():
        trainer.extend(extensions.ProgressBar(update_interval=10))
    trainer.run()


if __name__ == "__main__":
    main()
