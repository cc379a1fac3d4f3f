"""The same networks in plain ``torch.nn``, under the same names, to compare answers and times."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Scores = dict[str, torch.Tensor]


def convolution(inside: int, outside: int, size: int, stride: int = 1, pad: int = 0, bias: bool = True) -> nn.Conv2d:
    """Return a convolution, its arguments in the order of ours."""
    return nn.Conv2d(inside, outside, size, stride, pad, bias=bias)


def normalization(channels: int) -> nn.BatchNorm2d:
    """Return a batch normalization with our ε."""
    return nn.BatchNorm2d(channels, eps=2e-5)


class Bottleneck(nn.Module):
    """Three convolutions, and a fourth on the shortcut where sizes change."""

    def __init__(self, inside: int, middle: int, outside: int, stride: int, projects: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(inside, middle, 1, stride, bias=False), normalization(middle)
        self.conv2, self.bn2 = convolution(middle, middle, 3, 1, 1, bias=False), normalization(middle)
        self.conv3, self.bn3 = convolution(middle, outside, 1, bias=False), normalization(outside)
        self.projects = projects
        if projects:
            self.conv4, self.bn4 = convolution(inside, outside, 1, stride, bias=False), normalization(outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        return F.relu(self.bn3(self.conv3(h)) + (self.bn4(self.conv4(x)) if self.projects else x))


class ResNet50(nn.Module):
    """The network of 50 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(3, 64, 7, 2, 3), normalization(64)
        inside = 64
        for stage, count in enumerate((3, 4, 6, 3), 2):
            middle = 64 << stage - 2
            block = nn.Sequential()
            block.add_module("a", Bottleneck(inside, middle, 4 * middle, 1 if stage == 2 else 2, projects=True))
            inside = 4 * middle
            for index in range(1, count):
                block.add_module(f"b{index}", Bottleneck(inside, middle, inside, 1, projects=False))
            self.add_module(f"res{stage}", block)
        self.fc6 = nn.Linear(inside, 1000)

    def forward(self, x: torch.Tensor) -> Scores:
        h = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, ceil_mode=True)
        for block in (self.res2, self.res3, self.res4, self.res5):
            h = block(h)
        return {"fc6": self.fc6(h.mean((2, 3)))}


class Inception(nn.Module):
    """Four branches side by side."""

    def __init__(self, inside: int, out1: int, proj3: int, out3: int, proj5: int, out5: int, proj_pool: int) -> None:
        super().__init__()
        self.conv1 = convolution(inside, out1, 1)
        self.proj3, self.conv3 = convolution(inside, proj3, 1), convolution(proj3, out3, 3, 1, 1)
        self.proj5, self.conv5 = convolution(inside, proj5, 1), convolution(proj5, out5, 5, 1, 2)
        self.projp = convolution(inside, proj_pool, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three, five = self.conv3(F.relu(self.proj3(x))), self.conv5(F.relu(self.proj5(x)))
        return F.relu(torch.cat((self.conv1(x), three, five, self.projp(F.max_pool2d(x, 3, 1, 1))), dim=1))


class GoogLeNet(nn.Module):
    """The network of nine Inception modules."""

    def __init__(self, inceptions: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.conv1, self.conv2_reduce = convolution(3, 64, 7, 2, 3), convolution(64, 64, 1)
        self.conv2 = convolution(64, 192, 3, 1, 1)
        for name, channels in inceptions.items():
            self.add_module(f"inc{name}", Inception(*channels))
        self.loss3_fc = nn.Linear(1024, 1000)
        for name, inside in (("loss1", 512), ("loss2", 528)):
            self.add_module(f"{name}_conv", convolution(inside, 128, 1))
            self.add_module(f"{name}_fc1", nn.Linear(2048, 1024))
            self.add_module(f"{name}_fc2", nn.Linear(1024, 1000))
        self.names = list(inceptions)
        self.normalize = nn.LocalResponseNorm(5)

    def forward(self, x: torch.Tensor) -> Scores:
        h = self.normalize(F.max_pool2d(F.relu(self.conv1(x)), 3, 2, ceil_mode=True))
        h = self.normalize(F.relu(self.conv2(F.relu(self.conv2_reduce(h)))))
        h = F.max_pool2d(h, 3, 2, ceil_mode=True)
        scores: Scores = {}
        for name in self.names:
            h = self.get_submodule(f"inc{name}")(h)
            if name in ("3b", "4e"):
                h = F.max_pool2d(h, 3, 2, ceil_mode=True)
            if name in ("4a", "4d"):
                branch = "loss1" if name == "4a" else "loss2"
                conv, fc1, fc2 = (self.get_submodule(f"{branch}_{part}") for part in ("conv", "fc1", "fc2"))
                scores[f"{branch}_fc2"] = fc2(F.relu(fc1(F.relu(conv(F.avg_pool2d(h, 5, 3))).flatten(1))))
        scores["loss3_fc"] = self.loss3_fc(F.dropout(F.avg_pool2d(h, 7, 1).flatten(1), 0.4, self.training))
        return scores


def twin(name: str, model: Any) -> nn.Module:
    """Return the network of a name with the weights and statistics of ours."""
    if name == "ResNet50":
        made: nn.Module = ResNet50()
    else:
        from kusari.links.model.vision.googlenet import INCEPTIONS

        made = GoogLeNet(INCEPTIONS)
    to_host = model.device.backend.to_host
    values = {}
    for path, link in model.namedlinks():
        prefix = path[1:].replace("/", ".")
        for ours, theirs in THEIR_NAMES.items():
            value = getattr(link, ours, None)
            if value is not None:
                values[f"{prefix}.{theirs}"] = torch.from_numpy(to_host(getattr(value, "array", value)).copy())
    missing, unexpected = made.load_state_dict(values, strict=False)
    left = [name for name in missing if not name.endswith("num_batches_tracked")]
    if left or unexpected:
        raise RuntimeError(f"the networks differ: without a value {left}, without a place {unexpected}")
    return made


THEIR_NAMES = {
    "W": "weight",
    "b": "bias",
    "gamma": "weight",
    "beta": "bias",
    "avg_mean": "running_mean",
    "avg_var": "running_var",
}


def forward(model: nn.Module, x: torch.Tensor) -> Scores:
    """Return scores, in test mode and without a graph."""
    model.eval()
    with torch.inference_mode():
        scores: Scores = model(x)
    return scores


def step(model: nn.Module, weights: dict[str, float], x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the loss, and leave gradients with the parameters."""
    model.train()
    model.zero_grad(set_to_none=True)
    scores = model(x)
    loss = torch.stack([weight * F.cross_entropy(scores[name], t) for name, weight in weights.items()]).sum()
    loss.backward()
    return loss
