"""Train a variational autoencoder on MNIST.

    python examples/vae/train_vae.py [--device numpy] [--epoch 100] [--resume] [--smoke]

Writes pictures to the output folder: some of the test set beside their reconstructions, and samples. ``--smoke`` trains
for seconds on generated pictures, without a network: to see that everything is installed.

Source: Kingma, Welling, 2014, arXiv:1312.6114.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.training import extensions


class Encoder(kusari.Chain):
    """Mean and logarithm of the variance of q(z|x), each (N, n_latent), for pictures x (N, n_in)."""

    def __init__(self, n_in: int, n_latent: int, n_h: int) -> None:
        super().__init__()
        with self.init_scope():
            self.linear = L.Linear(n_in, n_h)
            self.mu = L.Linear(n_h, n_latent)
            self.ln_sigma2 = L.Linear(n_h, n_latent)

    def forward(self, x: Any) -> tuple[kusari.Variable, kusari.Variable]:
        """Return both."""
        h = F.tanh(self.linear(x))
        return self.mu(h), self.ln_sigma2(h)


class Decoder(kusari.Chain):
    """Scores of p(x|z), (N, n_in), for z (N, n_latent): each pixel is black with the probability sigmoid(score)."""

    def __init__(self, n_in: int, n_latent: int, n_h: int) -> None:
        super().__init__()
        with self.init_scope():
            self.linear = L.Linear(n_latent, n_h)
            self.output = L.Linear(n_h, n_in)

    def forward(self, z: Any) -> kusari.Variable:
        """Return the scores."""
        return self.output(F.tanh(self.linear(z)))


class VAE(kusari.Chain):
    """An encoder and a decoder; calling it returns the negative evidence lower bound, which is to be minimized.

    −E[ln p(x|z)] + β KL(q(z|x) ‖ N(0, 1)), for each picture, by ``k`` samples of z.
    """

    def __init__(self, n_in: int, n_latent: int, n_h: int, beta: float = 1.0, k: int = 1) -> None:
        super().__init__()
        self.beta, self.k, self.n_latent = beta, k, n_latent
        with self.init_scope():
            self.encoder = Encoder(n_in, n_latent, n_h)
            self.decoder = Decoder(n_in, n_latent, n_h)

    def forward(self, x: Any) -> kusari.Variable:
        """Return the loss of pictures (N, n_in)."""
        mu, ln_sigma2 = self.encoder(x)
        reconstruction: Any = 0
        for _ in range(self.k):
            z = F.gaussian(mu, ln_sigma2)
            reconstruction += F.bernoulli_nll(x, self.decoder(z)) / (self.k * len(x))
        divergence = F.gaussian_kl_divergence(mu, ln_sigma2) / len(x)
        loss = reconstruction + self.beta * divergence
        kusari.report({"loss": loss, "reconstruction": reconstruction, "divergence": divergence}, self)
        return loss

    def reconstruct(self, x: Any) -> kusari.Variable:
        """Return what becomes of pictures that are encoded and decoded."""
        mu, _ = self.encoder(x)
        return F.sigmoid(self.decoder(mu))

    def sample(self, z: Any) -> kusari.Variable:
        """Return the pictures of codes (N, n_latent)."""
        return F.sigmoid(self.decoder(z))


def save_pictures(file: Path, pictures: Any, columns: int) -> None:
    """Write pictures (N, 784) as one, in rows."""
    rows = np.asarray(pictures).reshape(-1, columns, 28, 28)
    matplotlib.image.imsave(file, np.block([list(row) for row in rows]), cmap="gray_r", vmin=0, vmax=1)


def generated(size: int, seed: int) -> Any:
    """Return pictures (784,) of a soft disc at a random place."""
    rng = np.random.default_rng(seed)
    y, x = rng.uniform(8, 20, (2, size, 1, 1))
    rows, columns = np.mgrid[:28, :28]
    squares = (rows - y) ** 2 + (columns - x) ** 2
    return (1 / (1 + np.exp(squares / 4 - 4))).reshape(size, 784).astype("f")


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batchsize", "-b", type=int, default=100)
    parser.add_argument("--epoch", "-e", type=int, default=100)
    parser.add_argument("--dim-z", "-z", type=int, default=20, help="length of a code")
    parser.add_argument("--dim-h", type=int, default=500, help="number of hidden units")
    parser.add_argument("--beta", type=float, default=1.0, help="how much the divergence counts")
    parser.add_argument("--k", "-k", type=int, default=1, help="number of samples of a code")
    parser.add_argument("--device", "--backend", "-d", default="numpy", help="numpy, cupy:0, triton:0")
    parser.add_argument("--out", "-o", type=Path, default=Path("vae-result"), help="output folder")
    parser.add_argument("--resume", "-r", action="store_true", help="go on from the newest snapshot in it")
    parser.add_argument("--smoke", action="store_true", help="generated pictures, few units, four epochs")
    args = parser.parse_args()

    if args.smoke:
        kusari.seed(0)
        args.epoch, args.dim_z, args.dim_h = 4, 4, 64
        train, test = generated(1000, seed=1), generated(100, seed=2)
    else:
        train, test = kusari.datasets.get_mnist(withlabel=False)

    model = VAE(784, args.dim_z, args.dim_h, args.beta, args.k)
    optimizer = kusari.optimizers.Adam()
    optimizer.setup(model)

    train_iter = kusari.iterators.SerialIterator(train, args.batchsize)
    test_iter = kusari.iterators.SerialIterator(test, args.batchsize, repeat=False, shuffle=False)
    updater = training.updaters.StandardUpdater(train_iter, optimizer, device=args.device)
    trainer = training.Trainer(updater, (args.epoch, "epoch"), out=args.out)
    trainer.extend(extensions.Evaluator(test_iter, model, device=args.device))
    trainer.extend(extensions.snapshot(n_retains=1, autoload=args.resume))
    trainer.extend(extensions.LogReport())
    columns = ["epoch", "main/loss", "validation/main/loss", "main/reconstruction", "main/divergence"]
    trainer.extend(extensions.PrintReport([*columns, "elapsed_time"]))
    if sys.stdout.isatty():
        trainer.extend(extensions.ProgressBar())
    trainer.run()

    kusari.serializers.save_npz(args.out / "model.npz", model)
    to_host = model.device.backend.to_host
    with kusari.using_config("train", False), kusari.no_backprop_mode():
        pictures = test[:9]
        again = to_host(model.reconstruct(model.device.send(pictures)).array)
        save_pictures(args.out / "reconstructed.png", np.concatenate([pictures, again]), columns=9)
        codes = np.random.default_rng(0).standard_normal((81, args.dim_z), dtype="f")
        save_pictures(args.out / "sampled.png", to_host(model.sample(model.device.send(codes)).array), columns=9)


if __name__ == "__main__":
    main()
