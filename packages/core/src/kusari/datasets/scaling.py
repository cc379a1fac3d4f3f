"""From bytes to the numbers that models take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kusari.dtypes import get_dtype

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike


def scaled_images(raw: np.ndarray[Any, Any], scale: float, dtype: DTypeLike) -> np.ndarray[Any, Any]:
    """Return images of 0 … 255 as numbers of 0 … scale.

    >>> scaled_images(np.asarray([0, 255], np.uint8), 2.0, "float32")
    array([0., 2.], dtype=float32)
    """
    images = raw.astype(np.float32)
    images *= scale / 255.0
    # In float32 whatever the dtype: a float16 product would be off by as much as its last digit.
    return images.astype(get_dtype(dtype), copy=False)
