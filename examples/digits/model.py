"""Network in Network for 8×8 images: three MLPConvolution2D blocks and an average over what is left."""

from __future__ import annotations

from typing import Any

import kusari
import kusari.functions as F
import kusari.links as L


class NetworkInNetwork(kusari.Chain):
    """Class scores (N, 10) of images (N, 1, 8, 8)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        init = kusari.initializers.HeNormal()
        with self.init_scope():
            self.block1 = L.MLPConvolution2D(1, (width, width), 3, pad=1, conv_init=init)
            self.block2 = L.MLPConvolution2D(width, (2 * width, 2 * width), 3, pad=1, conv_init=init)
            self.block3 = L.MLPConvolution2D(2 * width, (2 * width, 10), 3, pad=1, conv_init=init)

    def forward(self, x: Any) -> kusari.Variable:
        """Return the scores."""
        h = F.max_pooling_2d(F.relu(self.block1(x)), 2)
        h = F.max_pooling_2d(F.relu(self.block2(h)), 2)
        h = self.block3(h)
        return F.average_pooling_2d(h, h.shape[2:]).reshape(-1, 10)
