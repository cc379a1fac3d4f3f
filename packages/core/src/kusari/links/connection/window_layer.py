"""What convolution layers over any number of axes share with transposed ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.initializers import get_initializer
from kusari.model import Link


class WindowLayer(Link):
    """Have filters W and biases b, and know the window that they are applied to."""

    W: Parameter
    b: Parameter | None

    def _read_window(
        self,
        ndim: int,
        in_channels: Any,
        out_channels: Any,
        ksize: Any,
        stride: int | Sequence[int],
        pad: int | Sequence[int],
        dilate: int | Sequence[int],
        groups: int,
    ) -> None:
        """Take the arguments that convolution layers and transposed ones share."""
        if ksize is None:
            in_channels, out_channels, ksize = None, in_channels, out_channels
        name = type(self).__name__
        if out_channels is None or ksize is None:
            raise TypeError(f"{name}(): expected out_channels and ksize, or in_channels before them")
        if groups < 1:
            raise ValueError(f"{name}(groups={groups}): expected at least 1")
        self.ndim = ndim
        self.in_channels: int | None = in_channels
        self.out_channels: int = out_channels
        self.ksize = per_axis("ksize", ksize, ndim, at_least=1)
        self.stride = per_axis("stride", stride, ndim, at_least=1)
        self.pad = per_axis("pad", pad, ndim, at_least=0)
        self.dilate = per_axis("dilate", dilate, ndim, at_least=1)
        self.groups = groups

    def _make_parameters(self, nobias: bool, initialW: Any, initial_bias: Any) -> None:
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            bias = get_initializer(0 if initial_bias is None else initial_bias)
            self.b = None if nobias else Parameter(bias, self.out_channels)
        if self.in_channels is not None:
            self._initialize(self.in_channels)

    def _initialize(self, in_channels: int) -> None:
        for name, channels in (("in_channels", in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{type(self).__name__}({name}={channels}, groups={self.groups}): not divisible")
        self.in_channels = in_channels
        self.W.initialize(self._filters_shape(in_channels))

    def _filters_shape(self, in_channels: int) -> tuple[int, ...]:
        """Return W's shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define _filters_shape()")

    def _ready(self, x: VariableLike) -> Variable:
        """Return x; make W first where the channels were unknown."""
        given: Variable = as_variable(x)
        if self.W.array is None and given.ndim > 1:
            self._initialize(given.shape[1])
        return given

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        for name in ("ndim", "in_channels", "out_channels", "ksize", "stride", "pad"):
            yield name, getattr(self, name)
        yield "nobias", self.b is None
        yield from (("dilate", self.dilate), ("groups", self.groups))
