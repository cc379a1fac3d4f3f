"""Random numbers for functions, of the shape and on the device of what they are for."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode
from kusari.backend import random_source
from kusari.dtypes import host_dtype
from kusari.errors import InvalidType
from kusari.types import Array, Shape


def draw_uniform(node: FunctionNode, shape: Shape) -> Array:
    """Return float32 numbers from [0, 1): 2⁻²⁴ apart, also for float16 arrays, whose own steps would show in a mask."""
    return random_source(node.backend).uniform(shape, host_dtype("float32"), index=node.device.index)


def draw_normal(node: FunctionNode, like: Array) -> Array:
    """Return numbers from N(0, 1) of ``like``'s shape and dtype."""
    source, dtype = random_source(node.backend), node.backend.host_dtype(like.dtype)
    return source.normal(like.shape, dtype, index=node.device.index)


def given_noise(node: FunctionNode, noise: Any, x: Array, name: str) -> Array:
    """Return noise that a user passed in ``x``'s dtype; its shape is ``x``'s or broadcasts to it.

    Raises:
        InvalidType: Another shape.
    """
    shapes = zip(reversed(noise.shape), reversed(x.shape), strict=False)
    if len(noise.shape) > x.ndim or any(n not in (1, length) for n, length in shapes):
        raise InvalidType(f"{name} of shape {x.shape}, as x, or one that broadcasts to it", f"{noise.shape}")
    return node.backend.xp.astype(noise, x.dtype, copy=False)
