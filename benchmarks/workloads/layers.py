"""Single convolution layers: forward, and forward with backward."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from benchmarks.workloads.placement import HOST, Placement
from benchmarks.workloads.workload import Make, Run, Workload

FORMATS = ("contiguous", "channels_last")
DRAWN = 64
"""How many images of a large batch are drawn; the others repeat them."""


class Layer(NamedTuple):
    """A convolution of square images."""

    name: str
    batch: int
    channels: int
    size: int
    out: int
    window: int
    stride: int = 1
    pad: int = 0
    groups: int = 1
    first: bool = False
    """A net's first layer: nobody wants the gradient of its input."""
    dilate: int = 1

    @property
    def out_size(self) -> int:
        """The height and width of what comes out."""
        return (self.size + 2 * self.pad - self.dilate * (self.window - 1) - 1) // self.stride + 1

    @property
    def multiplications(self) -> int:
        """What a forward pass multiplies, border included."""
        return self.batch * self.out * self.out_size**2 * (self.channels // self.groups) * self.window**2

    @property
    def arrays(self) -> tuple[Any, Any, Any, Any]:
        """x, W, b and gy, the same on both sides."""
        rng = np.random.default_rng(0)
        reach = self.channels // self.groups * self.window**2
        shapes = (
            (self.batch, self.channels, self.size, self.size),
            (self.out, self.channels // self.groups, self.window, self.window),
            (self.out,),
            (self.batch, self.out, self.out_size, self.out_size),
        )
        x, W, b, gy = (draw(rng, shape) for shape in shapes)
        return x, W / np.float32(reach**0.5), b, gy


LAYERS = (
    Layer("L1 3→64, 32², 5×5", 32, 3, 32, 64, 5, pad=2, first=True),
    Layer("L2 64→64, 56², 3×3", 8, 64, 56, 64, 3, pad=1),
    Layer("L3 128→128, 28², 3×3", 16, 128, 28, 128, 3, pad=1),
    Layer("L4 256→256, 14², 3×3", 32, 256, 14, 256, 3, pad=1),
    Layer("L5 64→256, 56², 1×1", 8, 64, 56, 256, 1),
    Layer("L6 512→512, 7², 3×3", 32, 512, 7, 512, 3, pad=1),
    Layer("L7 3→64, 224², 7×7/2", 8, 3, 224, 64, 7, 2, 3, first=True),
    Layer("L9 depthwise 128, 56², 3×3", 8, 128, 56, 128, 3, pad=1, groups=128),
)
BLOCK = ((192, 3, 5), (160, 192, 1), (96, 160, 1))
"""L8, the block of a Network in Network: (out, in, window) of each convolution, on 64 images of 32²."""
BLOCK_NAME = "L8 mlpconv 192-160-96, 32², 5×5"


def workloads() -> Iterator[Workload]:
    """Yield each layer twice: forward alone, and with backward."""
    for layer in LAYERS:
        for backward, group in ((False, "layer forward"), (True, "layer")):
            yield Workload(
                layer.name,
                group,
                {form: our_layer(layer, backward, form) for form in FORMATS},
                {form: their_layer(layer, backward, form) for form in FORMATS},
                1.5 if backward else None,
            )
    for backward, group in ((False, "layer forward"), (True, "layer")):
        yield Workload(
            BLOCK_NAME,
            group,
            {form: our_block(backward, form) for form in FORMATS},
            {form: their_block(backward, form) for form in FORMATS},
            1.5 if backward else None,
        )


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return normal numbers: of a large batch so many images, and those again."""
    if math.prod(shape) < 2**24:
        return rng.standard_normal(shape).astype(np.float32)
    return np.resize(rng.standard_normal((min(shape[0], DRAWN), *shape[1:])).astype(np.float32), shape)


def in_format(array: Any, form: str) -> Any:
    """Return a NumPy array in one memory format or the other."""
    if form == "contiguous":
        return np.ascontiguousarray(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def our_layer(layer: Layer, backward: bool, form: str, place: Placement = HOST) -> Make:
    """Return what makes a run of ``convolution_2d``."""

    def make() -> Run:
        import kusari
        import kusari.functions as F

        x, W, b, gy = layer.arrays
        x, gy = place.ours(in_format(x, form)), place.ours(in_format(gy, form))
        filters, bias = kusari.Parameter(place.ours(W)), kusari.Parameter(place.ours(b))
        settings: Any = {"stride": layer.stride, "pad": layer.pad, "dilate": layer.dilate, "groups": layer.groups}

        def forward() -> Any:
            with kusari.no_backprop_mode():
                return F.convolution_2d(x, filters, bias, **settings)

        def both() -> None:
            image = kusari.Variable(x, requires_grad=not layer.first)
            y = F.convolution_2d(image, filters, bias, **settings)
            y.grad = gy
            filters.touch()  # as after an update: nothing that was derived from them may be kept
            y.backward()
            filters.cleargrad()
            bias.cleargrad()

        return both if backward else forward

    return make


def their_layer(layer: Layer, backward: bool, form: str, place: Placement = HOST) -> Make:
    """Return what makes a run of ``conv2d``."""

    def make() -> Run:
        import torch

        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        x, W, b, gy = (place.theirs(array) for array in layer.arrays)
        x, W, gy = (tensor.contiguous(memory_format=memory) for tensor in (x, W, gy))
        settings: Any = {"stride": layer.stride, "padding": layer.pad, "dilation": layer.dilate, "groups": layer.groups}

        conv2d = place.compiled(lambda x, W, b: torch.conv2d(x, W, b, **settings))

        def forward() -> Any:
            with torch.inference_mode():
                return conv2d(x, W, b)

        def both() -> None:
            conv2d(x, W, b).backward(gy)
            x.grad = W.grad = b.grad = None

        if backward:
            x.requires_grad_(not layer.first)
            W.requires_grad_()
            b.requires_grad_()
        return both if backward else forward

    return make


def block_arrays(batch: int = 64) -> tuple[Any, list[Any], Any]:
    """Return x, W and b of each convolution in turn, and gy."""
    rng = np.random.default_rng(0)
    weights: list[Any] = []
    for out, channels, window in BLOCK:
        scale = np.float32((2 / (channels * window**2)) ** 0.5)
        weights += [rng.standard_normal((out, channels, window, window)).astype("f") * scale]
        weights += [rng.standard_normal(out).astype("f") * np.float32(0.1)]
    x, gy = (draw(rng, (batch, channels, 32, 32)) for channels in (3, 96))
    return x, weights, gy


def our_block(backward: bool, form: str, place: Placement = HOST, batch: int = 64) -> Make:
    """Return what makes a run of `MLPConvolution2D`."""

    def make() -> Run:
        import kusari
        import kusari.links as L

        x, weights, gy = block_arrays(batch)
        x, gy = place.ours(in_format(x, form)), place.ours(in_format(gy, form))
        block = place.to_device(L.MLPConvolution2D(3, tuple(out for out, _, _ in BLOCK), 5, pad=2))
        for link, W, b in zip(block, weights[::2], weights[1::2], strict=True):
            link.W.array, link.b.array = place.ours(W), place.ours(b)

        def forward() -> Any:
            with kusari.no_backprop_mode():
                return block(x)

        def both() -> None:
            for parameter in block.params():
                parameter.touch()
            y = block(x)
            y.grad = gy
            y.backward()
            block.cleargrads()

        return both if backward else forward

    return make


def their_block(backward: bool, form: str, place: Placement = HOST, batch: int = 64) -> Make:
    """Return what makes a run of three convolutions with ReLU between."""

    def make() -> Run:
        import torch

        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        x, weights, gy = block_arrays(batch)
        image, gradient = (place.theirs(array).contiguous(memory_format=memory) for array in (x, gy))
        tensors = [place.theirs(array).requires_grad_(backward) for array in weights]

        @place.compiled
        def run(image: Any, *tensors: Any) -> Any:
            h = torch.conv2d(image, tensors[0], tensors[1], padding=2)
            for W, b in zip(tensors[2::2], tensors[3::2], strict=True):
                h = torch.conv2d(torch.relu(h), W, b)
            return h

        def forward() -> Any:
            with torch.inference_mode():
                return run(image, *tensors)

        def both() -> None:
            run(image, *tensors).backward(gradient)
            for tensor in tensors:
                tensor.grad = None

        return both if backward else forward

    return make
