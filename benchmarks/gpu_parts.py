"""The timed parts of `gpu.py`: layers, models, latency."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.gpu_rows import TORCH, Case, Work
from benchmarks.gpu_session import Session
from benchmarks.workloads import layers, models
from benchmarks.workloads.layers import BLOCK, FORMATS, LAYERS, Layer
from benchmarks.workloads.placement import Placement
from benchmarks.workloads.workload import Make, Run

BATCH: Final = 256
NUMBERS: Final[Mapping[str, tuple[str, str]]] = {
    "tf32": ("float32", "tf32"),
    "bf16": ("bfloat16", "ieee"),
    "fp32": ("float32", "ieee"),
}
"""Name -> dtype and what float32 products are made of; the most telling first, in case time runs out."""
GRAPHS: Final = "reduce-overhead"
"""torch.compile's mode that replays CUDA graphs."""


def places(session: Session, numbers: str) -> dict[str, Placement]:
    """Return a placement for each of Kusari's devices."""
    dtype, precision = NUMBERS[numbers]
    return {name: Placement(name, session.torch_device or "cpu", dtype, precision) for name in session.devices}


def their_modes(session: Session, place: Placement, *modes: str) -> dict[str, Placement]:
    """Return PyTorch's placements by how it runs: ``eager`` and some of torch.compile's modes."""
    if session.torch_device is None:
        return {}
    return {mode: place._replace(mode=mode) for mode in (("eager",) if session.smoke else ("eager", *modes))}


def layer_cases(session: Session, numbers: str) -> Iterator[Case]:
    """Yield L1 to L9, each forward alone and with backward."""
    for layer in LAYERS:
        layer = smaller(layer) if session.smoke else layer._replace(batch=max(layer.batch, BATCH))
        for backward in (False, True):
            ours = functools.partial(layers.our_layer, layer, backward)
            theirs = functools.partial(layers.their_layer, layer, backward)
            yield _convolution_case(session, layer.name, numbers, backward, ours, theirs, layer_work(layer, numbers))
    batch = 2 if session.smoke else BATCH
    for backward in (False, True):
        yield _convolution_case(
            session,
            "L8 mlpconv 192-160-96, 32², 5×5",
            numbers,
            backward,
            lambda form, place, backward=backward: layers.our_block(backward, form, place, batch),
            lambda form, place, backward=backward: layers.their_block(backward, form, place, batch),
            block_work(batch, numbers),
        )


def _convolution_case(
    session: Session,
    name: str,
    numbers: str,
    backward: bool,
    ours: Callable[..., Make],
    theirs: Callable[..., Make],
    work: Callable[[bool], Work],
) -> Case:
    here = places(session, numbers)
    any_place = next(iter(here.values()))
    sides: dict[str, dict[str, Make]] = {
        device: {form: ours(form, place=place) for form in FORMATS} for device, place in here.items()
    }
    modes = their_modes(session, any_place, "default")
    if modes:
        # Compiled in channels-last memory alone: for one convolution it runs the same cuDNN kernels.
        sides[TORCH] = {
            f"{mode} {form}": theirs(form, place=place)
            for mode, place in modes.items()
            for form in (FORMATS if mode == "eager" else FORMATS[1:])
        }
    group = "forward + backward" if backward else "forward"
    return Case(name, group, numbers, any_place, sides, work(backward))


def smaller(layer: Layer) -> Layer:
    """Return a layer of the same kind that takes no time."""
    channels = min(layer.channels, 4)
    groups = channels if layer.groups > 1 else 1
    return layer._replace(batch=2, channels=channels, out=4, groups=groups, size=9)


def layer_work(layer: Layer, numbers: str) -> Callable[[bool], Work]:
    """Return a layer's unavoidable work, as a function of whether gradients are wanted.

    >>> layer_work(Layer("1×1", 1, 2, 3, 5, 1), "fp32")(False)
    Work(operations=180, bytes=308)
    """
    out_size = (layer.size + 2 * layer.pad - layer.window) // layer.stride + 1
    reach = layer.channels // layer.groups * layer.window**2
    pixels = layer.batch * out_size**2
    image, result = layer.batch * layer.channels * layer.size**2, pixels * layer.out
    each = Work(2 * result * reach, _width(numbers) * (image + layer.out * reach + result))

    def work(backward: bool) -> Work:
        # Each gradient reads two of the three arrays and writes the third, by as many operations as forward takes.
        return functools.reduce(Work.__add__, [each] * ((2 if layer.first else 3) if backward else 1))

    return work


def block_work(batch: int, numbers: str) -> Callable[[bool], Work]:
    """Return the block's unavoidable work: forward writes its last result alone, backward needs those between too."""
    pixels, width = batch * 32**2, _width(numbers)
    filters = [out * channels * window**2 for out, channels, window in BLOCK]
    operations = 2 * pixels * sum(filters)
    first, last = BLOCK[0][1], BLOCK[-1][0]
    forward = Work(operations, width * (pixels * (first + last) + sum(filters)))

    def work(backward: bool) -> Work:
        if not backward:
            return forward
        gradients = 2 * operations - 2 * pixels * filters[0]  # nobody wants the first input's gradient
        between = sum(out for out, _, _ in BLOCK[:-1])
        return forward + Work(gradients, width * (pixels * (first + last + between) + 2 * sum(filters)))

    return work


def _width(numbers: str) -> int:
    return 2 if NUMBERS[numbers][0] != "float32" else 4


def model_cases(session: Session, numbers: str) -> Iterator[Case]:
    """Yield training steps, mixed where the numbers have 16 bits."""
    architectures = {"NIN": models.nin, "VGG with BN": models.vgg, "ResNet-18": models.resnet18}
    batch = 2 if session.smoke else BATCH
    for name, architecture in list(architectures.items())[: 1 if session.smoke else None]:
        shape = (batch, 3, 32, 32)
        here = places(session, numbers)
        sides: dict[str, dict[str, Make]] = {
            device: {"": models.our_step(architecture, shape, "momentum", place)} for device, place in here.items()
        }
        any_place = next(iter(here.values()))
        modes = their_modes(session, any_place, "default")
        if modes:
            sides[TORCH] = {
                f"{mode} {form}": models.their_step(architecture, shape, "momentum", form, "fused", place)
                for mode, place in modes.items()
                for form in FORMATS
            }
        yield Case(f"{name}, batch {batch}", "step", numbers, any_place, sides)


def latency_cases(session: Session, numbers: str) -> Iterator[Case]:
    """Yield small batches, waited for one by one, and what a call costs the host."""
    here = places(session, numbers)
    any_place = next(iter(here.values()))
    modes = their_modes(session, any_place, "default", GRAPHS)
    architectures = {"NIN": models.nin, "ResNet-18": models.resnet18}
    for name, architecture in list(architectures.items())[: 1 if session.smoke else None]:
        for batch in (1,) if session.smoke else (1, 8, 32):
            shape = (batch, 3, 32, 32)
            inference: dict[str, dict[str, Make]] = {
                device: {"": models.our_inference(architecture, shape, place)} for device, place in here.items()
            }
            if modes:
                inference[TORCH] = {
                    f"{mode} {form}": models.their_inference(architecture, shape, form, place)
                    for mode, place in modes.items()
                    for form in FORMATS
                }
            yield Case(f"{name}, batch {batch}", "inference", numbers, any_place, inference, repeat=1)
    yield from launch_cases(session, numbers)


def launch_cases(session: Session, numbers: str) -> Iterator[Case]:
    """Yield single calls on tiny arrays, put on the device one after another without waiting."""
    here = places(session, numbers)
    any_place = next(iter(here.values()))
    for name in ("relu", "add", "convolution 1×1"):
        for graph in (False, True):
            sides: dict[str, dict[str, Make]] = {
                device: {"": _our_call(name, place, graph)} for device, place in here.items()
            }
            if not graph and name != "convolution 1×1":
                bare = session.devices[0]
                sides[f"{bare} array module"] = {"": _bare_call(name, here[bare])}
            if session.torch_device is not None:
                sides[TORCH] = {"eager": _their_call(name, any_place, graph)}
            group = "launch, graph kept" if graph else "launch"
            yield Case(name, group, numbers, any_place, sides, repeat=20 if session.smoke else 1000)


def _operands() -> tuple[Any, Any, Any]:
    import numpy as np

    x, W = np.ones((1, 4, 4, 4), "f"), np.ones((4, 4, 1, 1), "f")
    return x, W, np.zeros(4, "f")


def _our_call(name: str, place: Placement, graph: bool) -> Make:
    def make() -> Run:
        import kusari
        import kusari.functions as F

        x, W, b = (kusari.Variable(place.ours(array), requires_grad=graph) for array in _operands())
        calls: dict[str, Run] = {
            "relu": lambda: F.relu(x),
            "add": lambda: x + x,
            "convolution 1×1": lambda: F.convolution_2d(x, W, b),
        }
        return calls[name]

    return make


def _bare_call(name: str, place: Placement) -> Make:
    def make() -> Run:
        from kusari.backend import get_device

        xp, x = get_device(place.kusari).xp, place.ours(_operands()[0])
        return (lambda: xp.maximum(x, 0)) if name == "relu" else (lambda: x + x)

    return make


def _their_call(name: str, place: Placement, graph: bool) -> Make:
    def make() -> Run:
        import torch

        x, W, b = (place.theirs(array).requires_grad_(graph) for array in _operands())
        calls: dict[str, Run] = {
            "relu": lambda: torch.relu(x),
            "add": lambda: x + x,
            "convolution 1×1": lambda: torch.conv2d(x, W, b),
        }
        return calls[name]

    return make


PARTS: Final[Mapping[str, Callable[[Session, str], Iterator[Case]]]] = {
    "layers": layer_cases,
    "models": model_cases,
    "latency": latency_cases,
}
