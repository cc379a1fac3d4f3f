"""Single convolution layers: forward, and forward with backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from benchmarks.workloads.workload import Make, Run, Workload

FORMATS = ("contiguous", "channels_last")


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

    @property
    def arrays(self) -> tuple[Any, Any, Any, Any]:
        """x, W, b and gy, the same on both sides."""
        rng = np.random.default_rng(0)
        reach = self.channels // self.groups * self.window**2
        out_size = (self.size + 2 * self.pad - self.window) // self.stride + 1
        shapes = (
            (self.batch, self.channels, self.size, self.size),
            (self.out, self.channels // self.groups, self.window, self.window),
            (self.out,),
            (self.batch, self.out, out_size, out_size),
        )
        x, W, b, gy = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
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
            "L8 mlpconv 192-160-96, 32², 5×5",
            group,
            {form: our_block(backward, form) for form in FORMATS},
            {form: their_block(backward, form) for form in FORMATS},
            1.5 if backward else None,
        )


def in_format(array: Any, form: str) -> Any:
    """Return a NumPy array in one memory format or the other."""
    if form == "contiguous":
        return np.ascontiguousarray(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def our_layer(layer: Layer, backward: bool, form: str) -> Make:
    """Return what makes a run of ``convolution_2d``."""

    def make() -> Run:
        import kusari
        import kusari.functions as F

        x, W, b, gy = layer.arrays
        x, gy = in_format(x, form), in_format(gy, form)
        filters, bias = kusari.Parameter(W), kusari.Parameter(b)
        settings = {"stride": layer.stride, "pad": layer.pad, "groups": layer.groups}

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


def their_layer(layer: Layer, backward: bool, form: str) -> Make:
    """Return what makes a run of ``conv2d``."""

    def make() -> Run:
        import torch

        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        x, W, b, gy = (torch.from_numpy(array) for array in layer.arrays)
        x, W, gy = (tensor.contiguous(memory_format=memory) for tensor in (x, W, gy))
        settings = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}

        def forward() -> Any:
            with torch.inference_mode():
                return torch.conv2d(x, W, b, **settings)

        def both() -> None:
            torch.conv2d(x, W, b, **settings).backward(gy)
            x.grad = W.grad = b.grad = None

        if backward:
            x.requires_grad_(not layer.first)
            W.requires_grad_()
            b.requires_grad_()
        return both if backward else forward

    return make


def block_arrays() -> tuple[Any, list[Any], Any]:
    """Return x, W and b of each convolution in turn, and gy."""
    rng = np.random.default_rng(0)
    weights: list[Any] = []
    for out, channels, window in BLOCK:
        scale = np.float32((2 / (channels * window**2)) ** 0.5)
        weights += [rng.standard_normal((out, channels, window, window)).astype("f") * scale]
        weights += [rng.standard_normal(out).astype("f") * np.float32(0.1)]
    x, gy = (rng.standard_normal((64, channels, 32, 32)).astype("f") for channels in (3, 96))
    return x, weights, gy


def our_block(backward: bool, form: str) -> Make:
    """Return what makes a run of `MLPConvolution2D`."""

    def make() -> Run:
        import kusari
        import kusari.links as L

        x, weights, gy = block_arrays()
        x, gy = in_format(x, form), in_format(gy, form)
        block = L.MLPConvolution2D(3, tuple(out for out, _, _ in BLOCK), 5, pad=2)
        for link, W, b in zip(block, weights[::2], weights[1::2], strict=True):
            link.W.array[...], link.b.array[...] = W, b

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


def their_block(backward: bool, form: str) -> Make:
    """Return what makes a run of three convolutions with ReLU between."""

    def make() -> Run:
        import torch

        memory = torch.channels_last if form == "channels_last" else torch.contiguous_format
        x, weights, gy = block_arrays()
        image, gradient = (torch.from_numpy(array).contiguous(memory_format=memory) for array in (x, gy))
        tensors = [torch.from_numpy(array).requires_grad_(backward) for array in weights]

        def run() -> Any:
            h = torch.conv2d(image, tensors[0], tensors[1], padding=2)
            for W, b in zip(tensors[2::2], tensors[3::2], strict=True):
                h = torch.conv2d(torch.relu(h), W, b)
            return h

        def forward() -> Any:
            with torch.inference_mode():
                return run()

        def both() -> None:
            run().backward(gradient)
            for tensor in tensors:
                tensor.grad = None

        return both if backward else forward

    return make
