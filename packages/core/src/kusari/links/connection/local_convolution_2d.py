"""2-D convolution layer with filters for each place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis, refuse_keywords
from kusari.initializers import get_initializer
from kusari.model import Link


class LocalConvolution2D(Link):
    """Convolve images with filters of its own that differ from place to place.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: O.
        in_size: The images' size; one number or (H, W). None: read off the first input.
        ksize: The window's size; one number or (vertical, horizontal).
        stride: Steps between windows.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, H', W', C, kh, kw); None: LeCunNormal.
        initial_bias: The same for b (O, H', W'); None: zeros.
        **kwargs: None; named in the error.

    Raises:
        TypeError: No window.
        ValueError: A window argument out of range, or a window larger than the image.

    Source: LeCun, 1989, "Generalization and network design strategies".

    >>> LocalConvolution2D(3, 8, 5, ksize=3)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 8, 3, 3)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        in_size: int | Sequence[int] | None = None,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
        **kwargs: Any,
    ) -> None:
        refuse_keywords("LocalConvolution2D", kwargs, {})
        if ksize is None:
            raise TypeError("LocalConvolution2D(): expected ksize, the window's size")
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.ksize = per_axis("ksize", ksize, 2, at_least=1)
        self.stride = per_axis("stride", stride, 2, at_least=1)
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            self.b = None if nobias else Parameter(get_initializer(0 if initial_bias is None else initial_bias))
        if in_channels is not None and in_size is not None:
            self._initialize(in_channels, per_axis("in_size", in_size, 2, at_least=1))

    def _initialize(self, in_channels: int, in_size: tuple[int, ...]) -> None:
        if any(size < window for size, window in zip(in_size, self.ksize, strict=True)):
            raise ValueError(f"LocalConvolution2D(ksize={self.ksize}): larger than the image, {in_size}")
        places = tuple([(n - k) // s + 1 for n, k, s in zip(in_size, self.ksize, self.stride, strict=True)])
        self.in_channels = in_channels
        if self.W.array is None:
            self.W.initialize((self.out_channels, *places, in_channels, *self.ksize))
        if self.b is not None and self.b.array is None:
            self.b.initialize((self.out_channels, *places))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        for name in ("in_channels", "out_channels", "ksize", "stride"):
            yield name, getattr(self, name)
        yield "nobias", self.b is None

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, O, H', W') of x (N, C, H, W), as `kusari.functions.local_convolution_2d` does."""
        x = as_variable(x)
        if x.ndim == 4 and any(parameter.array is None for parameter in self.params()):
            self._initialize(x.shape[1], x.shape[2:])
        return F.local_convolution_2d(x, self.W, self.b, self.stride)
