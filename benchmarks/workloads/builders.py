"""The parts that models are built of, on each side: one architecture, written once, for both."""

from __future__ import annotations

import importlib
import itertools
from typing import Any, Protocol


class Builder(Protocol):
    """Makes layers. What they return is a link here, a module there."""

    def convolution(self, i: int, o: int, window: int, stride: int = 1, pad: int = 0, groups: int = 1) -> Any: ...
    def mlp_convolution_relu(self, i: int, widths: tuple[int, ...], window: int, pad: int) -> Any: ...
    def batch_norm(self, channels: int) -> Any: ...
    def batch_norm_relu(self, channels: int) -> Any: ...
    def linear(self, i: int, o: int) -> Any: ...
    def linear_relu(self, i: int, o: int) -> Any: ...
    def relu(self) -> Any: ...
    def dropout(self) -> Any: ...
    def max_pool(self, window: int, stride: int) -> Any: ...
    def average_pool(self, window: int, stride: int) -> Any: ...
    def global_average(self) -> Any: ...
    def residual(self, body: Any, shortcut: Any | None) -> Any: ...
    def sequence(self, *parts: Any) -> Any: ...


class Links:
    """Links of Kusari, or of the original: the names are the same.

    Args:
        package: ``kusari`` or ``chainer``; imported when the first part is made.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    @property
    def core(self) -> Any:
        return importlib.import_module(self.package)

    @property
    def links(self) -> Any:
        return importlib.import_module(f"{self.package}.links")

    @property
    def functions(self) -> Any:
        return importlib.import_module(f"{self.package}.functions")

    def convolution(self, i: int, o: int, window: int, stride: int = 1, pad: int = 0, groups: int = 1) -> Any:
        return self.links.Convolution2D(i, o, window, stride, pad, groups=groups)

    def mlp_convolution_relu(self, i: int, widths: tuple[int, ...], window: int, pad: int) -> Any:
        return self._rectified(self.links.MLPConvolution2D(i, widths, window, pad=pad), "output_activation")

    def batch_norm(self, channels: int) -> Any:
        return self.links.BatchNormalization(channels, eps=1e-5)

    def batch_norm_relu(self, channels: int) -> Any:
        return self._rectified(self.batch_norm(channels), "activation")

    def _rectified(self, link: Any, keyword: str) -> Any:
        """Return a link and a ReLU as one kernel; the original has none."""
        core, F = self.core, self.functions
        if self.package != "kusari":
            return core.Sequential(link, F.relu)

        class Rectified(core.Chain):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                with self.init_scope():
                    self.link = link

            def forward(self, x: Any) -> Any:
                return self.link(x, **{keyword: F.relu})

        return Rectified()

    def linear(self, i: int, o: int) -> Any:
        return self.links.Linear(i, o)

    def linear_relu(self, i: int, o: int) -> Any:
        return self._rectified(self.linear(i, o), "activation")

    def relu(self) -> Any:
        return self.functions.relu

    def dropout(self) -> Any:
        return self.functions.dropout

    def max_pool(self, window: int, stride: int) -> Any:
        F = self.functions
        return lambda x: F.max_pooling_2d(x, window, stride, cover_all=False)

    def average_pool(self, window: int, stride: int) -> Any:
        F = self.functions
        return lambda x: F.average_pooling_2d(x, window, stride)

    def global_average(self) -> Any:
        F = self.functions
        return lambda x: F.average(x, axis=(2, 3))

    def residual(self, body: Any, shortcut: Any | None) -> Any:
        core, F = self.core, self.functions

        class Residual(core.Chain):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                with self.init_scope():
                    self.body = body
                    if shortcut is not None:
                        self.shortcut = shortcut

            def forward(self, x: Any) -> Any:
                return F.relu(self.body(x) + (x if shortcut is None else self.shortcut(x)))

        return Residual()

    def sequence(self, *parts: Any) -> Any:
        return self.core.Sequential(*parts)


class Torch:
    """Modules."""

    def convolution(self, i: int, o: int, window: int, stride: int = 1, pad: int = 0, groups: int = 1) -> Any:
        from torch import nn

        return nn.Conv2d(i, o, window, stride, pad, groups=groups)

    def mlp_convolution_relu(self, i: int, widths: tuple[int, ...], window: int, pad: int) -> Any:
        from torch import nn

        parts: list[Any] = [nn.Conv2d(i, widths[0], window, padding=pad)]
        for before, after in itertools.pairwise(widths):
            parts += [nn.ReLU(inplace=True), nn.Conv2d(before, after, 1)]
        parts.append(nn.ReLU(inplace=True))
        return nn.Sequential(*parts)

    def batch_norm(self, channels: int) -> Any:
        from torch import nn

        return nn.BatchNorm2d(channels)

    def batch_norm_relu(self, channels: int) -> Any:
        from torch import nn

        return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def linear(self, i: int, o: int) -> Any:
        from torch import nn

        return nn.Linear(i, o)

    def linear_relu(self, i: int, o: int) -> Any:
        from torch import nn

        return nn.Sequential(nn.Linear(i, o), nn.ReLU(inplace=True))

    def relu(self) -> Any:
        from torch import nn

        return nn.ReLU()

    def dropout(self) -> Any:
        from torch import nn

        return nn.Dropout()

    def max_pool(self, window: int, stride: int) -> Any:
        from torch import nn

        return nn.MaxPool2d(window, stride)

    def average_pool(self, window: int, stride: int) -> Any:
        from torch import nn

        return nn.AvgPool2d(window, stride)

    def global_average(self) -> Any:
        from torch import nn

        class Average(nn.Module):
            def forward(self, x: Any) -> Any:
                return x.mean((2, 3))

        return Average()

    def residual(self, body: Any, shortcut: Any | None) -> Any:
        import torch
        from torch import nn

        class Residual(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.shortcut = body, shortcut

            def forward(self, x: Any) -> Any:
                return torch.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))

        return Residual()

    def sequence(self, *parts: Any) -> Any:
        from torch import nn

        return nn.Sequential(*parts)
