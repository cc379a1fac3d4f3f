"""N-D convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.window_layer import WindowLayer


class ConvolutionND(WindowLayer):
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

    def _filters_shape(self, in_channels: int) -> tuple[int, ...]:
        return (self.out_channels, in_channels // self.groups, *self.ksize)

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
