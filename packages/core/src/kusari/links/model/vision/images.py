"""Images as the networks were trained on them: cut to size, blue before green before red, the mean taken off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kusari.serializers.optional import optional_module

HostArray = np.ndarray[Any, Any]

SIDE = 224
"""What a network looks at, in pixels."""


def prepare_image(image: Any, size: tuple[int, int] | None, mean: Sequence[float]) -> HostArray:
    """Return an image as an array (3, H, W) of float32: BGR, the mean of each channel taken off.

    Args:
        image: A Pillow image of any mode, or an array (H, W), (1, H, W), (3, H, W) or (H, W, 3) of numbers from 0 to
            255, red first; fractions are cut off.
        size: (width, height) to scale to, bicubic; None: as it is.
        mean: Of blue, green and red.

    Raises:
        RuntimeError: The package pillow is not installed.
        TypeError: Something that is no image.
        ValueError: An array of another shape, or of numbers beyond 0 … 255.
    """
    library = optional_module("PIL.Image", "datasets", "preparing images")
    if isinstance(image, np.ndarray):
        image = library.fromarray(_as_bytes(image))
    if not isinstance(image, library.Image):
        raise TypeError(f"expected a Pillow image or a NumPy array, got {type(image).__name__}")
    image = image.convert("RGB")
    if size is not None:
        image = image.resize(size)
    pixels = np.asarray(image, dtype=np.float32)[:, :, ::-1] - np.asarray(mean, dtype=np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def prepare_images(images: Sequence[Any], size: tuple[int, int] | None, mean: Sequence[float]) -> HostArray:
    """Return images as one array (N, 3, H, W); see `prepare_image`.

    Raises:
        ValueError: No images, or different sizes and no ``size``.
    """
    prepared = [prepare_image(image, size, mean) for image in images]
    if len({image.shape for image in prepared}) != 1:
        raise ValueError(f"expected at least one image, and one size for all: got {[x.shape[1:] for x in prepared]}")
    return np.stack(prepared)


def _as_bytes(image: HostArray) -> HostArray:
    """Return an array of bytes (H, W) or (H, W, 3)."""
    shape = image.shape
    if image.ndim == 3 and shape[0] == 1:
        image = image[0]
    elif image.ndim == 3 and shape[0] == 3:
        image = image.transpose(1, 2, 0)
    elif image.ndim != 2 and (image.ndim != 3 or shape[2] != 3):
        raise ValueError(f"an image of shape {shape}: expected (H, W), (1, H, W), (3, H, W) or (H, W, 3)")
    if image.dtype != np.uint8 and image.size and not (image.min() >= 0 and image.max() <= 255):
        raise ValueError(f"an image of numbers from {image.min()} to {image.max()}: expected 0 to 255")
    return np.ascontiguousarray(image.astype(np.uint8))


def center_crops(images: HostArray) -> HostArray:
    """Return the middle (N, 3, 224, 224) of images (N, 3, H, W)."""
    top, left = ((length - SIDE) // 2 for length in images.shape[2:])
    return np.ascontiguousarray(images[:, :, top : top + SIDE, left : left + SIDE])


def ten_crops(images: HostArray) -> HostArray:
    """Return (10 N, 3, 224, 224): of each image the four corners and the middle, and then all five mirrored."""
    bottom, right = (length - SIDE for length in images.shape[2:])
    corners = [images[:, :, y : y + SIDE, x : x + SIDE] for y in (0, bottom) for x in (0, right)]
    crops = np.stack([*corners, center_crops(images)], axis=1)
    both = np.concatenate([crops, crops[..., ::-1]], axis=1)
    return both.reshape(-1, *both.shape[2:])
