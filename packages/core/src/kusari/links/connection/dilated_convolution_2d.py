"""2-D convolution layer with holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.links.connection.convolution_2d import Convolution2D


class DilatedConvolution2D(Convolution2D):
    """Convolve images with filters of its own whose pixels lie apart: `Convolution2D` by an older order of arguments.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size. With it omitted, the arguments before it are taken as (out_channels, ksize) and C is
            read off the first input.
        stride: Steps between windows.
        pad: Zeros around the image.
        dilate: Steps between a window's pixels.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, C, kh, kw); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.

    Raises:
        TypeError: No output channels or no window.
        ValueError: A window argument out of range.

    Source: Yu, Koltun, 2016, arXiv:1511.07122.

    >>> DilatedConvolution2D(3, 8, ksize=3, dilate=2)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 8, 1, 1)
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        dilate: int | Sequence[int] = 1,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
    ) -> None:
        super().__init__(in_channels, out_channels, ksize, stride, pad, nobias, initialW, initial_bias, dilate=dilate)

    @classmethod
    def from_params(  # type: ignore[override]  # no groups: the constructor has none
        cls,
        W: Any,
        b: Any = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        *,
        dilate: int | Sequence[int] = 1,
    ) -> DilatedConvolution2D:
        """Return a layer with copies of the given arrays as its parameters.

        >>> DilatedConvolution2D.from_params(np.ones((4, 3, 5, 5), "f"), dilate=2).dilate
        (2, 2)
        """
        out_channels, in_channels, *ksize = W.shape
        return cls(in_channels, out_channels, tuple(ksize), stride, pad, dilate, nobias or b is None, W, b)
