"""Time our networks, beside their twins in PyTorch where these are asked for: in turn, in one process."""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import tasks

import kusari

Run = Callable[[], Any]
CLOSE = 1e-3
"""How far scores may differ, relative to the largest: single precision through 50 layers."""


def measure(name: str, arguments: Namespace) -> None:
    """Run one network, print its times, and raise if something is wrong with its numbers."""
    task = tasks.TASKS[name]
    side = task.small if arguments.smoke else 224
    generator = np.random.default_rng(0)
    images = generator.normal(size=(arguments.batch_size, 3, side, side)).astype("float32")
    labels = generator.integers(0, 1000, arguments.batch_size).astype("int32")
    kusari.seed(0)
    model = task.make().to_device(arguments.backend)
    x, t = model.device.send((images, labels))
    sides: dict[str, dict[str, Run]] = {
        "ours": {
            "forward": lambda: tasks.forward(task, model, x),
            "forward + backward": lambda: tasks.step(task, model, x, t),
        }
    }
    if arguments.compare == "torch":
        sides["torch"] = torch_side(name, task, model, images, labels)
    synchronize = model.device.backend.synchronize
    print(f"{name} on {model.device}, {arguments.batch_size} images of {side}×{side}, {arguments.threads} threads")
    for part in sides["ours"]:
        report(part, interleaved({who: runs[part] for who, runs in sides.items()}, synchronize, arguments.rounds))
    check_gradients(model)


def torch_side(name: str, task: tasks.Task, model: Any, images: Any, labels: Any) -> dict[str, Run]:
    """Return the twin's runs, once its scores were found to be ours."""
    import torch
    import torch_models

    theirs = torch_models.twin(name, model)
    x, t = torch.from_numpy(images), torch.from_numpy(labels).long()
    ours = tasks.forward(task, model, model.device.send(images))
    for layer, scores in torch_models.forward(theirs, x).items():
        found, expected = model.device.backend.to_host(ours[layer].array), scores.numpy()
        difference = abs(found - expected).max() / abs(expected).max()
        if not difference < CLOSE:
            raise RuntimeError(f"{name}, {layer}: scores differ from PyTorch's by {difference:.1e} of the largest")
        print(f"{name}, {layer}: scores are PyTorch's to within {difference:.0e} of the largest")
    return {
        "forward": lambda: torch_models.forward(theirs, x),
        "forward + backward": lambda: torch_models.step(theirs, task.scores, x, t),
    }


def interleaved(runs: dict[str, Run], synchronize: Run, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each side by round; the first round, which compiles and allocates, is left out."""
    seconds: dict[str, list[float]] = {who: [] for who in runs}
    for number in range(rounds + 1):
        for who, run in runs.items():
            start = time.perf_counter()
            run()
            synchronize()
            if number:
                seconds[who].append(time.perf_counter() - start)
    return seconds


def report(part: str, seconds: dict[str, list[float]]) -> None:
    """Print medians, and the median of the ratios of each round."""
    ours = seconds["ours"]
    line = f"  {part}: {1000 * statistics.median(ours):.0f} ms"
    if "torch" in seconds:
        ratio = statistics.median([one / other for one, other in zip(ours, seconds["torch"], strict=True)])
        line += f", PyTorch {1000 * statistics.median(seconds['torch']):.0f} ms, ratio {ratio:.2f}"
    print(line, flush=True)


def check_gradients(model: Any) -> None:
    """Raise unless every parameter has a gradient of finite numbers."""
    to_host = model.device.backend.to_host
    for path, parameter in model.namedparams():
        if parameter.grad is None or not np.isfinite(to_host(parameter.grad)).all():
            raise RuntimeError(f"{path} has no gradient, or one with numbers that are not finite")
