"""The block of Network in Network."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.configuration import current_state
from kusari.functions.fused import activation_of
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.model import ChainList, Link


class MLPConvolution2D(ChainList):
    """Convolve images, then mix each pixel's channels by a small perceptron of 1×1 convolutions.

    hᵢ = activation(convᵢ(hᵢ₋₁)), and nothing after the last convolution. Runs as one node,
    `kusari.functions.mlp_convolution_2d`, unless that would be seen or does not apply: see `why_not_fused`.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: The channels of each convolution, in order.
        ksize: The first convolution's window. With it omitted, the arguments before it are taken as
            (out_channels, ksize) and C is read off the first input.
        stride: Of the first convolution.
        pad: Of the first convolution.
        activation: Between the convolutions; read at every call.
        conv_init: Initializer of every convolution's W; None: LeCunNormal.
        bias_init: Initializer of every convolution's b; None: zeros.

    Raises:
        TypeError: ``out_channels`` is not a sequence of numbers, or an unknown argument.
        ValueError: The old keyword ``wscale``.
        AssertionError: No channels.

    Source: Lin, Chen, Yan, 2014, arXiv:1312.4400.

    >>> block = MLPConvolution2D(3, (16, 8), ksize=5, pad=2)
    >>> block(np.ones((2, 3, 8, 8), "f")).shape
    (2, 8, 8, 8)
    """

    def __init__(
        self,
        in_channels: int | Sequence[int] | None,
        out_channels: Any,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        activation: Callable[..., Any] | None = F.relu,
        *,
        conv_init: Any = None,
        bias_init: Any = None,
        **unknown: Any,
    ) -> None:
        _refuse_unknown(unknown)
        if ksize is None:
            in_channels, out_channels, ksize = None, in_channels, out_channels
        channels = _channels(out_channels)
        if isinstance(activation, Link):
            warnings.warn(
                f"MLPConvolution2D(activation={type(activation).__name__}()): a link given as activation runs, but is "
                "not registered: its parameters are not trained, moved or saved. Register it in the model.",
                UserWarning,
                stacklevel=2,
            )
        super().__init__()
        inits = {"initialW": conv_init, "initial_bias": bias_init}
        first: Any = in_channels
        self.append(Convolution2D(first, channels[0], ksize, stride, pad, **inits))
        for inside, outside in itertools.pairwise(channels):
            self.append(Convolution2D(inside, outside, 1, **inits))
        self.activation = activation

    def why_not_fused(self, x: Variable) -> str | None:
        """Return None when a call runs as one node, else the reason why it runs as the plain chain."""
        state = current_state()
        if state.debug:
            return "debug mode checks every step"
        if any(getattr(hook, "observes_children", True) for _, hook in state.link_hooks):
            return "a link hook watches the convolutions"
        if len(self) > 1 and activation_of(self.activation) is None:
            return f"{getattr(self.activation, '__name__', self.activation)} is not an activation that kernels know"
        for index, child in enumerate(self):
            reason = _why_not(child, x, first=index == 0)
            if reason is not None:
                return f"convolution {index} {reason}"
        return None

    def forward(self, x: VariableLike, *, output_activation: Callable[[Variable], Variable] | None = None) -> Variable:
        """Return the last convolution's output (N, C_last, H', W').

        Args:
            x: (N, C, H, W).
            output_activation: Applied to the result, in the same kernel where the backend can.

        Raises:
            IndexError: The list of convolutions was emptied.
            InvalidType: An input that does not fit.
        """
        first = self[0]
        x = as_variable(x)
        if self.why_not_fused(x) is None:
            weights, biases = [link.W for link in self], [link.b for link in self]
            return F.mlp_convolution_2d(
                x,
                weights,
                biases,
                first.stride,
                first.pad,
                self.activation,
                output_activation=output_activation,
            )
        for link in self[:-1]:
            x = link(x)
            x = self.activation(x)  # type: ignore[misc]  # None fails here, and only where it is needed
        made: Variable = self[-1](x)
        return made if output_activation is None else output_activation(made)


def _why_not(child: Any, x: Variable, first: bool) -> str | None:
    """Return why a convolution cannot be part of the fused node."""
    if type(child) is not Convolution2D:
        return f"is a {type(child).__name__}"
    if "forward" in vars(child) or "__call__" in vars(child):
        return "has a forward of its own"
    if child.local_link_hooks:
        return "has a link hook"
    if child.W.array is None:
        return "is not initialized"
    if child.b is None:
        return "has no bias"
    if child.groups != 1 or child.dilate != (1, 1):
        return "has groups or dilation"
    if not first and (child.window_size, child.stride, child.pad) != ((1, 1), (1, 1), (0, 0)):
        return "is not 1×1 with stride 1"
    for parameter in (child.W, child.b):
        if parameter.device is not x.device and parameter.device.memory != x.device.memory:
            return f"is on {parameter.device.name}, the input on {x.device.name}"
        if parameter.dtype != x.dtype:
            return f"has parameters of {parameter.dtype}, the input is {x.dtype}"
    return None


def _refuse_unknown(unknown: dict[str, Any]) -> None:
    if "wscale" in unknown:
        raise ValueError("MLPConvolution2D(wscale=...) is gone: give an initializer as conv_init instead")
    if unknown:
        raise TypeError(
            f"MLPConvolution2D() got unexpected keyword(s) {', '.join(unknown)}; expected conv_init or bias_init"
        )


def _channels(out_channels: Any) -> tuple[int, ...]:
    try:
        len(out_channels)
    except TypeError:
        raise TypeError(
            f"MLPConvolution2D(out_channels={out_channels!r}): expected a sequence of numbers, one per convolution; "
            "was ksize forgotten?"
        ) from None
    if len(out_channels) == 0:
        raise AssertionError("MLPConvolution2D(out_channels=()): expected at least one convolution")
    return tuple(out_channels)
