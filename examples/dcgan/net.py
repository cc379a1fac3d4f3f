"""The two networks: one draws pictures, the other tells them from real ones.

Source: Radford, Metz, Chintala, 2016, arXiv:1511.06434.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L


class Generator(kusari.Chain):
    """Pictures (N, 3, 8b, 8b) in (0, 1) from codes (N, n_hidden), by convolutions that enlarge."""

    def __init__(self, n_hidden: int, bottom_width: int = 4, ch: int = 512, wscale: float = 0.02) -> None:
        super().__init__()
        self.n_hidden, self.ch, self.bottom_width = n_hidden, ch, bottom_width
        w = kusari.initializers.Normal(wscale)
        with self.init_scope():
            self.l0 = L.Linear(n_hidden, bottom_width * bottom_width * ch, initialW=w)
            self.dc1 = L.Deconvolution2D(ch, ch // 2, 4, 2, 1, initialW=w)
            self.dc2 = L.Deconvolution2D(ch // 2, ch // 4, 4, 2, 1, initialW=w)
            self.dc3 = L.Deconvolution2D(ch // 4, ch // 8, 4, 2, 1, initialW=w)
            self.dc4 = L.Deconvolution2D(ch // 8, 3, 3, 1, 1, initialW=w)
            self.bn0 = L.BatchNormalization(bottom_width * bottom_width * ch)
            self.bn1 = L.BatchNormalization(ch // 2)
            self.bn2 = L.BatchNormalization(ch // 4)
            self.bn3 = L.BatchNormalization(ch // 8)

    def make_hidden(self, batchsize: int) -> Any:
        """Return random codes, on the model's device."""
        codes = kusari.backend.host_generator().uniform(-1, 1, (batchsize, self.n_hidden)).astype(np.float32)
        return self.device.send(codes)

    def forward(self, z: Any) -> kusari.Variable:
        """Draw."""
        h = F.relu(self.bn0(self.l0(z)))
        h = F.reshape(h, (len(z), self.ch, self.bottom_width, self.bottom_width))
        h = F.relu(self.bn1(self.dc1(h)))
        h = F.relu(self.bn2(self.dc2(h)))
        h = F.relu(self.bn3(self.dc3(h)))
        return F.sigmoid(self.dc4(h))


class Discriminator(kusari.Chain):
    """Scores (N, 1) of pictures (N, 3, 8b, 8b): high where they look real. Noise keeps it from being too sure."""

    def __init__(self, bottom_width: int = 4, ch: int = 512, wscale: float = 0.02) -> None:
        super().__init__()
        w = kusari.initializers.Normal(wscale)
        with self.init_scope():
            self.c0 = L.Convolution2D(3, ch // 8, 3, 1, 1, initialW=w)
            self.c1 = L.Convolution2D(ch // 8, ch // 4, 4, 2, 1, initialW=w)
            self.c2 = L.Convolution2D(ch // 4, ch // 2, 4, 2, 1, initialW=w)
            self.c3 = L.Convolution2D(ch // 2, ch, 4, 2, 1, initialW=w)
            self.l4 = L.Linear(bottom_width * bottom_width * ch, 1, initialW=w)
            self.bn1 = L.BatchNormalization(ch // 4, use_gamma=False)
            self.bn2 = L.BatchNormalization(ch // 2, use_gamma=False)
            self.bn3 = L.BatchNormalization(ch, use_gamma=False)

    def forward(self, x: Any) -> kusari.Variable:
        """Judge."""
        h = F.leaky_relu(self.c0(noisy(x)))
        h = F.leaky_relu(noisy(self.bn1(self.c1(h))))
        h = F.leaky_relu(noisy(self.bn2(self.c2(h))))
        h = F.leaky_relu(noisy(self.bn3(self.c3(h))))
        return self.l4(h)


def noisy(h: Any, sigma: float = 0.2) -> Any:
    """Add Gaussian noise in training."""
    if not kusari.config.train:
        return h
    h = kusari.as_variable(h)
    ln_var = h.xp.full_like(h.array, 2 * np.log(sigma).item())
    return F.gaussian(h, ln_var)
