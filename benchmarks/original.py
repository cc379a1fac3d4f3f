"""The original, Chainer, on the same workloads: a worker for an interpreter that has it.

It needs an environment of its own (Python 3.11 and NumPy 1.23 can still run it), which has neither Kusari nor
PyTorch. `benchmarks/cpu.py --original PYTHON` starts it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks.worker import serve
from benchmarks.workloads import layers, models
from benchmarks.workloads.builders import Links
from benchmarks.workloads.drawn import DRAWN

Run = Callable[[], Any]


class LanguageModel(chainer.Chain):
    """Two layers of LSTM between an embedding and a linear layer over words."""

    def __init__(self) -> None:
        super().__init__()
        with self.init_scope():
            self.embed = L.EmbedID(models.WORDS, models.UNITS)
            self.recurrent = L.NStepLSTM(2, models.UNITS, models.UNITS, 0.5)
            self.output = L.Linear(models.UNITS, models.WORDS)

    def forward(self, words: Any) -> Any:
        embedded = F.dropout(self.embed(words))
        _, _, hidden = self.recurrent(None, None, F.separate(embedded, axis=0))
        return self.output(F.dropout(F.concat(hidden, axis=0)))


def layer_run(layer: layers.Layer, backward: bool) -> Run:
    """Return a run of ``convolution_2d``."""
    x, W, b, gy = layer.arrays
    filters, bias = chainer.Parameter(W), chainer.Parameter(b)
    settings = {"stride": layer.stride, "pad": layer.pad, "dilate": layer.dilate, "groups": layer.groups}

    def forward() -> Any:
        with chainer.no_backprop_mode():
            return F.convolution_2d(x, filters, bias, **settings)

    def both() -> None:
        image = chainer.Variable(x, requires_grad=not layer.first)
        y = F.convolution_2d(image, filters, bias, **settings)
        y.grad = gy
        y.backward()
        filters.cleargrad()
        bias.cleargrad()

    return both if backward else forward


def block_run(backward: bool) -> Run:
    """Return a run of `MLPConvolution2D`."""
    x, weights, gy = layers.block_arrays()
    block = L.MLPConvolution2D(3, tuple(out for out, _, _ in layers.BLOCK), 5, pad=2)
    for link, W, b in zip(block, weights[::2], weights[1::2]):  # noqa: B905 - older than `strict`
        link.W.array[...], link.b.array[...] = W, b

    def forward() -> Any:
        with chainer.no_backprop_mode():
            return block(x)

    def both() -> None:
        y = block(x)
        y.grad = gy
        y.backward()
        block.cleargrads()

    return both if backward else forward


def step_run(model: Any, optimizer: Any, x: Any, t: Any) -> Run:
    """Return a training step."""
    optimizer.setup(model)

    def step() -> None:
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()

    return step


def model_run(step: models.Step) -> Run:
    """Return a training step of one of the table."""
    optimizer = chainer.optimizers.Adam() if step.rule == "adam" else chainer.optimizers.MomentumSGD(0.01)
    x, t = models.batch(step.shape)
    return step_run(step.architecture(Links("chainer")), optimizer, x, t.astype("i"))


def lstm_run() -> Run:
    """Return a training step of the language model."""
    rng = np.random.default_rng(0)
    words = rng.integers(0, models.WORDS, (models.SENTENCES, models.LENGTH)).astype("i")
    following = rng.integers(0, models.WORDS, models.SENTENCES * models.LENGTH).astype("i")
    return step_run(LanguageModel(), chainer.optimizers.SGD(1.0), words, following)


def inference_run(architecture: models.Architecture) -> Run:
    """Return an inference of one image."""
    model = architecture(Links("chainer"))
    x, _ = models.batch(models.ONE_IMAGE)

    def run() -> Any:
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            return model(x)

    return run


def find(name: str, group: str) -> Run:
    """Return the original's run of a workload.

    Raises:
        LookupError: It has none of that name.
    """
    backward = group != "layer forward"
    convolutions = (*layers.LAYERS, *(drawn.layer for drawn in DRAWN))
    makers: dict[str, Callable[[], Run]] = {
        **{layer.name: lambda layer=layer: layer_run(layer, backward) for layer in convolutions},  # type: ignore[misc]
        **{step.name: lambda step=step: model_run(step) for step in models.STEPS},  # type: ignore[misc]
        models.LSTM: lstm_run,
        layers.BLOCK_NAME: lambda: block_run(backward),
    }
    if name in models.INFERENCE:
        return inference_run(models.INFERENCE[name])
    if name not in makers:
        raise LookupError(f"no workload is called {name!r}")
    np.random.seed(0)  # noqa: NPY002 - the stream that the original draws from
    return makers[name]()


if __name__ == "__main__":
    serve(find, f"Chainer {chainer.__version__}, NumPy {np.__version__}")
