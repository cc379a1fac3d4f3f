"""N-D convolution layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.initializers import get_initializer
from kusari.model import Link


class ConvolutionND(Link):
    """Convolve over any number of spatial axes with filters of its own.

    Args:
        ndim: How many spatial axes.
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size; one number or one per axis. With it omitted, the arguments before it are taken as
            (out_channels, ksize) and C is read off the first input.
        stride: Steps between windows.
        pad: Zeros around the input.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, C / groups, *window); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.
        cover_all: Let the last window reach over the end.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups.

    Raises:
        TypeError: No output channels or no window.
        ValueError: Channels that ``groups`` does not divide, or a window argument out of range.

    >>> layer = ConvolutionND(1, 3, 8, ksize=3, pad=1)
    >>> layer(np.ones((2, 3, 5), "f")).shape
    (2, 8, 5)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        ndim: int,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
        cover_all: bool = False,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self._read_window(ndim, in_channels, out_channels, ksize, stride, pad, dilate, groups)
        self.cover_all = cover_all
        self._make_parameters(nobias, initialW, initial_bias)

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
        return (self.out_channels, in_channels // self.groups, *self.ksize)

    def _ready(self, x: VariableLike) -> Variable:
        """Return x; make W first where the channels were unknown."""
        given: Variable = as_variable(x)
        if self.W.array is None and given.ndim > 1:
            self._initialize(given.shape[1])
        return given

    @classmethod
    def from_params(
        cls,
        W: Any,
        b: Any = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        **keywords: Any,
    ) -> ConvolutionND:
        """Return a layer with copies of the given arrays as its parameters.

        Args:
            W: (O, C / groups, *window).
            b: (O,), or None.
            stride: Steps between windows.
            pad: Zeros around the input.
            nobias: Leave b out.
            **keywords: ``cover_all``, ``dilate`` and ``groups``.

        >>> ConvolutionND.from_params(np.ones((4, 3, 5), "f"), pad=2).out_channels
        4
        """
        out_channels, in_channels, *ksize = W.shape
        sizes: dict[str, Any] = {"in_channels": in_channels * keywords.get("groups", 1), "out_channels": out_channels}
        if cls is ConvolutionND:
            sizes["ndim"] = len(ksize)
        return cls(
            **sizes,
            ksize=tuple(ksize),
            stride=stride,
            pad=pad,
            nobias=nobias or b is None,
            initialW=W,
            initial_bias=b,
            **keywords,
        )

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        for name in ("ndim", "in_channels", "out_channels", "ksize", "stride", "pad"):
            yield name, getattr(self, name)
        yield "nobias", self.b is None
        yield from (("dilate", self.dilate), ("groups", self.groups))

    def forward(self, x: VariableLike) -> Variable:
        """Return x ⋆ W + b of x (N, C, *spatial), as `kusari.functions.convolution_nd` does."""
        x = self._ready(x)
        return F.convolution_nd(x, self.W, self.b, self.stride, self.pad, self.cover_all, self.dilate, self.groups)


class Convolution1D(ConvolutionND):
    """Convolve over one spatial axis: `ConvolutionND` with ``ndim=1``, and its other arguments.

    >>> Convolution1D(3, 8, ksize=3)(np.ones((2, 3, 5), "f")).shape
    (2, 8, 3)
    """

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
        cover_all: bool = False,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        sizes = (1, in_channels, out_channels, ksize, stride, pad)
        super().__init__(*sizes, nobias, initialW, initial_bias, cover_all, dilate, groups)


class Convolution3D(ConvolutionND):
    """Convolve over three spatial axes: `ConvolutionND` with ``ndim=3``, and its other arguments.

    >>> Convolution3D(3, 8, ksize=3)(np.ones((2, 3, 5, 5, 3), "f")).shape
    (2, 8, 3, 3, 1)
    """

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
        cover_all: bool = False,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        sizes = (3, in_channels, out_channels, ksize, stride, pad)
        super().__init__(*sizes, nobias, initialW, initial_bias, cover_all, dilate, groups)
