"""2-D convolution layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.initializers import get_initializer
from kusari.kernels.activation import Activation
from kusari.model import Link
from kusari.types import Shape


class Convolution2D(Link):
    """Convolve images with filters of its own.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size; one number or (vertical, horizontal). With it omitted, the arguments before it are
            taken as (out_channels, ksize) and C is read off the first input.
        stride: Steps between windows.
        pad: Zeros around the image.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, C / groups, kh, kw); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups.

    Raises:
        TypeError: No output channels or no window.
        ValueError: Channels that ``groups`` does not divide, or a window argument out of range.

    >>> layer = Convolution2D(3, 8, ksize=3, pad=1)
    >>> layer(np.ones((2, 3, 5, 5), "f")).shape
    (2, 8, 5, 5)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
        *,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        if ksize is None:
            in_channels, out_channels, ksize = None, in_channels, out_channels  # type: ignore[assignment]
        if out_channels is None:
            raise TypeError("Convolution2D(): expected out_channels and ksize, or in_channels before them")
        self.out_channels = out_channels
        self.ksize = ksize
        self.window_size = per_axis("ksize", ksize, 2, at_least=1)
        self.stride = per_axis("stride", stride, 2, at_least=1)
        self.pad = per_axis("pad", pad, 2, at_least=0)
        self.dilate = per_axis("dilate", dilate, 2, at_least=1)
        self.groups = groups
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            bias = get_initializer(0 if initial_bias is None else initial_bias)
            self.b = None if nobias else Parameter(bias, out_channels)
        if in_channels is not None:
            self._initialize(in_channels)

    def _initialize(self, in_channels: int) -> None:
        for name, channels in (("in_channels", in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"Convolution2D({name}={channels}, groups={self.groups}): not divisible")
        self.W.initialize((self.out_channels, in_channels // self.groups, *self.window_size))

    @classmethod
    def from_params(
        cls,
        W: Any,
        b: Any = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        *,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Convolution2D:
        """Return a layer with copies of the given arrays as its parameters.

        >>> Convolution2D.from_params(np.ones((4, 3, 5, 5), "f"), pad=2).out_channels
        4
        """
        out_channels, in_channels, *ksize = W.shape
        return cls(
            in_channels * groups,
            out_channels,
            tuple(ksize),
            stride,
            pad,
            nobias or b is None,
            initialW=W,
            initial_bias=b,
            dilate=dilate,
            groups=groups,
        )

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield "in_channels", self.in_channels
        for name in ("out_channels", "ksize", "stride", "pad"):
            yield name, getattr(self, name)
        yield "nobias", self.b is None
        yield from (("dilate", self.dilate), ("groups", self.groups))

    @property
    def in_channels(self) -> int | None:
        """C, or None before the first input."""
        shape: Shape | None = None if self.W.array is None else self.W.shape
        return None if shape is None else shape[1] * self.groups

    def forward(self, x: VariableLike, *, activation: Callable[..., Any] | Activation | None = None) -> Variable:
        """Return activation(x ⋆ W + b), as `kusari.functions.convolution_2d` does."""
        x = as_variable(x)
        if self.W.array is None:
            self._initialize(x.shape[1])
        return F.convolution_2d(
            x,
            self.W,
            self.b,
            self.stride,
            self.pad,
            dilate=self.dilate,
            groups=self.groups,
            activation=activation,
        )
