"""N-D transposed convolution layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.links.connection.window_layer import WindowLayer


class DeconvolutionND(WindowLayer):
    """Apply the transpose of a convolution over any number of spatial axes, with filters of its own.

    Args:
        ndim: How many spatial axes.
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size; one number or one per axis. With it omitted, the arguments before it are taken as
            (out_channels, ksize) and C is read off the first input.
        stride: Steps between windows, in the output.
        pad: What is cut off before and after each axis.
        nobias: Leave b out.
        outsize: The output's spatial shape; None: the smallest that a convolution leads back from.
        initialW: Initializer, array or number for W (C, O / groups, *window); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups.

    Raises:
        TypeError: No output channels or no window.
        ValueError: Channels that ``groups`` does not divide, or a window argument out of range.

    >>> layer = DeconvolutionND(1, 3, 8, ksize=4, stride=2, pad=1)
    >>> layer(np.ones((2, 3, 5), "f")).shape
    (2, 8, 10)
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
        outsize: int | Sequence[int] | None = None,
        initialW: Any = None,
        initial_bias: Any = None,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self._read_window(ndim, in_channels, out_channels, ksize, stride, pad, dilate, groups)
        self.outsize = None if outsize is None else per_axis("outsize", outsize, ndim, at_least=1)
        self._make_parameters(nobias, initialW, initial_bias)

    def _filters_shape(self, in_channels: int) -> tuple[int, ...]:
        return (in_channels, self.out_channels // self.groups, *self.ksize)

    @classmethod
    def from_params(
        cls,
        W: Any,
        b: Any = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        **keywords: Any,
    ) -> DeconvolutionND:
        """Return a layer with copies of the given arrays as its parameters.

        Args:
            W: (C, O / groups, *window).
            b: (O,), or None.
            stride: Steps between windows.
            pad: What is cut off.
            nobias: Leave b out.
            **keywords: ``outsize``, ``dilate`` and ``groups``.

        >>> DeconvolutionND.from_params(np.ones((3, 4, 5), "f"), pad=2).out_channels
        4
        """
        in_channels, out_channels, *ksize = W.shape
        sizes: dict[str, Any] = {"in_channels": in_channels, "out_channels": out_channels * keywords.get("groups", 1)}
        if cls is DeconvolutionND:
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
        yield from super().printable_specs
        yield "outsize", self.outsize

    def forward(self, x: VariableLike) -> Variable:
        """Return y of x (N, C, *spatial), as `kusari.functions.deconvolution_nd` does."""
        x = self._ready(x)
        return F.deconvolution_nd(x, self.W, self.b, self.stride, self.pad, self.outsize, self.dilate, self.groups)


class Deconvolution1D(DeconvolutionND):
    """Transpose a convolution over one spatial axis: `DeconvolutionND` with ``ndim=1``, and its other arguments.

    >>> Deconvolution1D(3, 8, ksize=3)(np.ones((2, 3, 5), "f")).shape
    (2, 8, 7)
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        outsize: int | Sequence[int] | None = None,
        initialW: Any = None,
        initial_bias: Any = None,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        sizes = (1, in_channels, out_channels, ksize, stride, pad)
        super().__init__(*sizes, nobias, outsize, initialW, initial_bias, dilate, groups)


class Deconvolution3D(DeconvolutionND):
    """Transpose a convolution over three spatial axes: `DeconvolutionND` with ``ndim=3``, and its other arguments.

    >>> Deconvolution3D(3, 8, ksize=3)(np.ones((2, 3, 1, 2, 3), "f")).shape
    (2, 8, 3, 4, 5)
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        outsize: int | Sequence[int] | None = None,
        initialW: Any = None,
        initial_bias: Any = None,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        sizes = (3, in_channels, out_channels, ksize, stride, pad)
        super().__init__(*sizes, nobias, outsize, initialW, initial_bias, dilate, groups)
