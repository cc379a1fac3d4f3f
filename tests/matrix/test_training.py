"""The same training run on every backend: losses, parameters and files agree with NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import optimizers, serializers
from kusari.backend import Device, get_device, use_backend


class Network(kusari.Chain):
    """A small network with everything that has kernels of its own."""

    def __init__(self) -> None:
        super().__init__()
        with self.init_scope():
            self.block = L.MLPConvolution2D(None, (6, 5), 3, pad=1)
            self.conv = L.Convolution2D(5, 6, 3, stride=2, pad=1)
            self.head = L.Linear(None, 4)

    def forward(self, x: Any) -> kusari.Variable:
        h = F.max_pooling_2d(F.relu(self.block(x)), 2)
        h = F.average_pooling_2d(F.tanh(self.conv(h)), 2)
        return self.head(F.sigmoid(h))


def train(device: Device, optimizer: Any, steps: int = 3) -> tuple[Network, list[float]]:
    rng = np.random.default_rng(0)
    kusari.seed(0)
    network = Network()
    images, labels = rng.standard_normal((4, 2, 8, 8)).astype("f"), np.arange(4, dtype="i")
    network(images)  # parameters get their shapes, and the same values on every backend
    network.to_device(device)
    optimizer.setup(network)
    losses = []
    for _ in range(steps):
        x, t = device.send((images, labels))
        loss = F.softmax_cross_entropy(network(x), t)
        network.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(loss)
    return network, [loss.item() for loss in losses]


@pytest.mark.parametrize(
    "make", [optimizers.SGD, optimizers.MomentumSGD, optimizers.Adam], ids=lambda kind: kind.__name__
)
def test_training_equals_numpy_s(device: Device, make: Any, tmp_path: Path) -> None:
    reference, expected = train(get_device("numpy"), make())
    network, losses = train(device, make())
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    host = device.backend.to_host
    for (path, ours), (_, theirs) in zip(network.namedparams(), reference.namedparams(), strict=True):
        np.testing.assert_allclose(host(ours.array), theirs.array, rtol=1e-3, atol=1e-5, err_msg=path)

    serializers.save_npz(tmp_path / "model.npz", network)
    loaded = Network()
    serializers.load_npz(tmp_path / "model.npz", loaded)
    for (path, saved), (_, read) in zip(network.namedparams(), loaded.namedparams(), strict=True):
        np.testing.assert_array_equal(host(saved.array), read.array, err_msg=path)


def test_backward_runs_under_the_kernels_that_forward_ran_under(device: Device) -> None:
    if not device.backend.on_host:
        pytest.skip(f"{device} shares no memory with numpy: its kernels cannot run on host arrays")
    x = kusari.Variable(np.linspace(-1, 1, 2 * 3 * 6 * 6, dtype="f").reshape(2, 3, 6, 6))
    W = kusari.Variable(np.linspace(-1, 1, 4 * 3 * 3 * 3, dtype="f").reshape(4, 3, 3, 3))
    expected = F.convolution_2d(x, W, activation=F.relu)
    with use_backend(device.name):
        y = F.convolution_2d(x, W, activation=F.relu)
    assert y.device is device
    np.testing.assert_allclose(y.array, expected.array, rtol=1e-5, atol=1e-5)
    gradients = []
    for output in (expected, y):
        x.cleargrad()
        F.sum(output * output).backward()
        gradients.append(x.grad)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
