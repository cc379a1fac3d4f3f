"""Whole training steps, and inference of one image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from benchmarks.workloads.builders import Builder, Links, Torch
from benchmarks.workloads.placement import HOST, Placement
from benchmarks.workloads.workload import Make, Run, Workload

CLASSES = 10
UPDATES = ("foreach", "fused")
"""The ways in which PyTorch's optimizers go about it."""
Architecture = Callable[[Builder], Any]


def mlp(b: Builder) -> Any:
    """784-1000-1000-10."""
    return b.sequence(b.linear_relu(784, 1000), b.linear_relu(1000, 1000), b.linear(1000, CLASSES))


def nin(b: Builder) -> Any:
    """Network in Network for images of 32².

    Source: Lin, Chen & Yan, Network In Network (2014).
    """
    return b.sequence(
        b.mlp_convolution_relu(3, (192, 160, 96), 5, 2), b.max_pool(3, 2), b.dropout(),
        b.mlp_convolution_relu(96, (192, 192, 192), 5, 2), b.average_pool(3, 2), b.dropout(),
        b.mlp_convolution_relu(192, (192, 192, CLASSES), 3, 1), b.global_average(),
    )  # fmt: skip


def vgg(b: Builder) -> Any:
    """Eight 3×3 convolutions with batch normalization, for images of 32²."""
    parts: list[Any] = []
    channels = 3
    for width in (64, 128, 256, 512):
        for _ in range(2):
            parts += [b.convolution(channels, width, 3, pad=1), b.batch_norm_relu(width)]
            channels = width
        parts.append(b.max_pool(2, 2))
    return b.sequence(*parts, b.global_average(), b.linear(512, CLASSES))


def resnet18(b: Builder) -> Any:
    """ResNet-18 for images of 32².

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    parts: list[Any] = [b.convolution(3, 64, 3, pad=1), b.batch_norm_relu(64)]
    channels = 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and width > 64 else 1
            body = b.sequence(
                b.convolution(channels, width, 3, stride, 1), b.batch_norm_relu(width),
                b.convolution(width, width, 3, pad=1), b.batch_norm(width),
            )  # fmt: skip
            shortcut = None
            if stride > 1:
                shortcut = b.sequence(b.convolution(channels, width, 1, stride), b.batch_norm(width))
            parts.append(b.residual(body, shortcut))
            channels = width
    return b.sequence(*parts, b.global_average(), b.linear(512, CLASSES))


def separable(b: Builder) -> Any:
    """Depthwise-separable blocks for images of 64².

    Source: Howard et al., MobileNets (2017).
    """
    parts: list[Any] = [b.convolution(3, 32, 3, 2, 1), b.batch_norm_relu(32)]
    channels = 32
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        parts += [b.convolution(channels, channels, 3, stride, 1, groups=channels), b.batch_norm_relu(channels)]
        parts += [b.convolution(channels, width, 1), b.batch_norm_relu(width)]
        channels = width
    return b.sequence(*parts, b.global_average(), b.linear(512, CLASSES))


class Step(NamedTuple):
    """A row of the table of training steps, with what its ratios must stay under."""

    name: str
    architecture: Architecture
    shape: tuple[int, ...]
    rule: str
    limit: float
    alone: float | None = None
    peak: float | None = None
    original: float | None = None

    @property
    def workload(self) -> Workload:
        """The step in every setting."""
        theirs = {
            f"{form}, {update}": their_step(self.architecture, self.shape, self.rule, form, update)
            for form in (("contiguous", "channels_last") if len(self.shape) == 4 else ("contiguous",))
            for update in UPDATES
        }
        ours = {"": our_step(self.architecture, self.shape, self.rule)}
        return Workload(self.name, "step", ours, theirs, self.limit, self.alone, self.peak, self.original)


STEPS = (
    Step("MLP, batch 100, Adam", mlp, (100, 784), "adam", 0.8, alone=1.2),
    Step("NIN, batch 64", nin, (64, 3, 32, 32), "momentum", 0.8, original=6.0),
    Step("VGG with BN, batch 32", vgg, (32, 3, 32, 32), "momentum", 1.0, alone=1.8, peak=1.0, original=6.0),
    Step("ResNet-18, batch 32", resnet18, (32, 3, 32, 32), "momentum", 1.2, original=6.0),
    Step("depthwise-separable, batch 32", separable, (32, 3, 64, 64), "momentum", 1.2, original=6.0),
)
LSTM = "LSTM language model, batch 20, 35 words"
INFERENCE = {"NIN, one image": nin, "ResNet-18, one image": resnet18}
ONE_IMAGE = (1, 3, 32, 32)


def workloads() -> Iterator[Workload]:
    """Yield training steps, then inference."""
    for step in STEPS:
        yield step.workload
    theirs: dict[str, Make] = {update: functools.partial(their_lstm, update) for update in UPDATES}
    yield Workload(LSTM, "step", {"": our_lstm}, theirs, 1.2, alone_limit=1.2)
    for name, architecture in INFERENCE.items():
        theirs = {form: their_inference(architecture, ONE_IMAGE, form) for form in ("contiguous", "channels_last")}
        yield Workload(name, "inference", {"": our_inference(architecture, ONE_IMAGE)}, theirs)


def batch(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return inputs and labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype("f"), rng.integers(0, CLASSES, shape[0])


def our_step(architecture: Architecture, shape: tuple[int, ...], rule: str, place: Placement = HOST) -> Make:
    """Return what makes a training step."""

    def make() -> Run:
        import kusari
        import kusari.functions as F

        kusari.seed(0)
        model = place.to_device(architecture(Links("kusari")))
        optimizers: dict[str, Any] = {
            "adam": kusari.optimizers.Adam,
            "momentum": lambda: kusari.optimizers.MomentumSGD(0.01),
        }
        optimizer = optimizers[rule]().setup(model)
        x, t = batch(shape)
        x, t = place.ours(x), place.ours(t.astype("i"))

        def step() -> None:
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward(unchain=True)
            optimizer.update()

        return step

    return make


def their_step(
    architecture: Architecture, shape: tuple[int, ...], rule: str, form: str, update: str, place: Placement = HOST
) -> Make:
    """Return what makes a training step, with one of the optimizers' two ways to update."""

    def make() -> Run:
        import torch

        torch.manual_seed(0)
        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        model: Any = architecture(Torch()).to(place.torch, memory_format=memory)
        way: Any = {update: True}
        if rule == "adam":
            optimizer: Any = torch.optim.Adam(model.parameters(), **way)
        else:
            optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, **way)
        x, t = (place._replace(dtype="float32").theirs(array) for array in batch(shape))
        if x.ndim == 4:
            x = x.contiguous(memory_format=memory)
        run = place.compiled(model)

        def step() -> None:
            with place.autocast():
                loss: Any = torch.nn.functional.cross_entropy(run(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    return make


def our_inference(architecture: Architecture, shape: tuple[int, ...], place: Placement = HOST) -> Make:
    """Return what makes an inference."""

    def make() -> Run:
        import kusari

        model = place.to_device(architecture(Links("kusari")))
        x = place.ours(batch(shape)[0])

        def run() -> Any:
            with kusari.using_config("train", False), kusari.no_backprop_mode():
                return model(x)

        return run

    return make


def their_inference(architecture: Architecture, shape: tuple[int, ...], form: str, place: Placement = HOST) -> Make:
    """Return what makes an inference."""

    def make() -> Run:
        import torch

        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        model: Any = place.compiled(architecture(Torch()).to(place.torch, memory_format=memory).eval())
        x = place._replace(dtype="float32").theirs(batch(shape)[0]).contiguous(memory_format=memory)

        def run() -> Any:
            with torch.inference_mode(), place.autocast():
                return model(x)

        return run

    return make


WORDS, UNITS, LENGTH, SENTENCES = 10_000, 650, 35, 20


def our_lstm() -> Run:
    """Two layers of LSTM between an embedding and a softmax over words, by stochastic gradient descent."""
    import kusari
    import kusari.functions as F
    import kusari.links as L

    class Model(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.embed = L.EmbedID(WORDS, UNITS)
                self.recurrent = L.NStepLSTM(2, UNITS, UNITS, 0.5)
                self.output = L.Linear(UNITS, WORDS)

        def forward(self, words: Any) -> Any:
            embedded = F.dropout(self.embed(words))
            _, _, hidden = self.recurrent(None, None, F.separate(embedded, axis=0))
            return self.output(F.dropout(F.concat(hidden, axis=0)))

    kusari.seed(0)
    model = Model()
    optimizer = kusari.optimizers.SGD(1.0).setup(model)
    rng = np.random.default_rng(0)
    words = rng.integers(0, WORDS, (SENTENCES, LENGTH)).astype("i")
    following = np.ascontiguousarray(rng.integers(0, WORDS, SENTENCES * LENGTH).astype("i"))

    def step() -> None:
        loss = F.softmax_cross_entropy(model(words), following)
        model.cleargrads()
        loss.backward()
        optimizer.update()

    return step


def their_lstm(update: str) -> Run:
    """Do the same with the whole batch in one tensor."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    embed, output = nn.Embedding(WORDS, UNITS), nn.Linear(UNITS, WORDS)
    recurrent = nn.LSTM(UNITS, UNITS, 2, dropout=0.5)
    parameters = [*embed.parameters(), *recurrent.parameters(), *output.parameters()]
    way: Any = {update: True}
    optimizer = torch.optim.SGD(parameters, 1.0, **way)
    rng = np.random.default_rng(0)
    words = torch.from_numpy(rng.integers(0, WORDS, (LENGTH, SENTENCES)))
    following = torch.from_numpy(rng.integers(0, WORDS, SENTENCES * LENGTH))

    def step() -> None:
        hidden, _ = recurrent(nn.functional.dropout(embed(words)))
        loss: Any = nn.functional.cross_entropy(output(nn.functional.dropout(hidden)).reshape(-1, WORDS), following)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
