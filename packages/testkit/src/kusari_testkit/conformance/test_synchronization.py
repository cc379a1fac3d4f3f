"""No hidden synchronisation: a training step reads no value on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Device
from kusari.errors import SynchronizationError
from kusari.kernels.update import momentum_sgd
from kusari_testkit.synchronization import forbidden, why_not


@pytest.fixture
def watched(device: Device) -> Device:
    """The device, where reading can be forbidden."""
    reason = why_not(device.backend)
    if reason is not None:
        pytest.skip(reason)
    return device


def test_the_mode_notices(watched: Device) -> None:
    array = watched.backend.from_host(np.ones((), "f"), watched.index)
    with forbidden(watched.backend):
        for read in (float, int, bool, watched.backend.to_host, lambda a: Variable(a).item()):
            with pytest.raises(SynchronizationError):
                read(array)
    assert float(array) == 1.0


def test_a_training_step_reads_nothing(watched: Device) -> None:
    backend, index = watched.backend, watched.index
    generator = np.random.default_rng(0)

    def send(*shape: int) -> Any:
        return backend.from_host((generator.standard_normal(shape) / 4).astype("f"), index)

    x, t = send(4, 2, 8, 8), backend.from_host(np.asarray([0, 2, -1, 1], "int32"), index)
    shapes = [(3, 2, 3, 3), (3,), (4, 3, 3, 3), (4,), (4, 4, 1, 1), (4,), (3, 16), (3,)]
    parameters = [Variable(send(*shape)) for shape in shapes]
    velocities = [backend.xp.zeros_like(p.array) for p in parameters]
    before = [backend.to_host(p.array) for p in parameters]
    with forbidden(backend):
        W1, b1, W2, b2, W3, b3, W4, b4 = parameters
        h = F.max_pooling_2d(F.convolution_2d(x, W1, b1, pad=1, activation=F.relu), 2)
        h = F.average_pooling_2d(F.mlp_convolution_2d(h, [W2, W3], [b2, b3], pad=1), 2)
        y = F.linear(F.tanh(h), W4, b4)
        loss = F.softmax_cross_entropy(y, t) + (F.sigmoid(y) ** 2).sum() * 0.01
        F.accuracy(y, t, ignore_label=-1)
        loss.backward()
        columns = [[p.array for p in parameters], [p.grad for p in parameters], velocities]
        updated = backend.foreach(momentum_sgd, columns, [(0.1, 0.9)] * len(parameters))
    for (new, _), old in zip(updated, before, strict=True):
        assert not np.array_equal(backend.to_host(new), old)
