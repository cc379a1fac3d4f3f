"""Image files, with and without labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kusari.dataset.dataset_mixin import DatasetMixin
from kusari.dtypes import get_dtype

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

    Pairs = str | os.PathLike[str] | Sequence[tuple[str, Any]]
    Paths = str | os.PathLike[str] | Sequence[str]


class ImageDataset(DatasetMixin):
    """Have images as arrays (C, H, W), each read from its file when it is asked for.

    Values are those of the file (0 … 255 for most), C is 1, 3 or 4: bring images of different kinds to one yourself.
    Needs Pillow (``pip install kusari[datasets]``).

    Args:
        paths: Files, or one text file with a path per line.
        root: The folder that paths start from.
        dtype: Of the arrays. Default: ``config.dtype``.
    """

    def __init__(self, paths: Paths, root: str | os.PathLike[str] = ".", dtype: DTypeLike = None) -> None:
        if isinstance(paths, str | os.PathLike):
            with open(paths, encoding="utf-8") as file:
                paths = [line.strip() for line in file if line.strip()]
        self._paths = list(paths)
        self._root = root
        self._dtype = get_dtype(dtype)

    def __len__(self) -> int:
        return len(self._paths)

    def get_example(self, i: int) -> np.ndarray[Any, Any]:
        return read_image(os.path.join(self._root, self._paths[i]), self._dtype)


class LabeledImageDataset(DatasetMixin):
    """Have pairs of an image as array (C, H, W) and a label as array ().

    Needs Pillow (``pip install kusari[datasets]``).

    Args:
        pairs: (path, label) pairs, or a text file with a path and a label per line.
        root: The folder that paths start from.
        dtype: Of the images. Default: ``config.dtype``.
        label_dtype: Of the labels.

    Raises:
        ValueError: A line of the file is not a path and a label.
    """

    def __init__(
        self,
        pairs: Pairs,
        root: str | os.PathLike[str] = ".",
        dtype: DTypeLike = None,
        label_dtype: DTypeLike = np.int32,
    ) -> None:
        self._pairs = read_pairs(pairs, label_dtype)
        self._root = root
        self._dtype = get_dtype(dtype)
        self._label_dtype = np.dtype(label_dtype)

    def __len__(self) -> int:
        return len(self._pairs)

    def get_example(self, i: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        path, label = self._pairs[i]
        return read_image(os.path.join(self._root, path), self._dtype), np.array(label, self._label_dtype)


def read_pairs(pairs: Pairs, label_dtype: DTypeLike) -> list[tuple[str, Any]]:
    """Return (path, label) pairs, read from a text file where ``pairs`` is one.

    Raises:
        ValueError: A line is not a path and a label; the text says which.
    """
    if not isinstance(pairs, str | os.PathLike):
        return list(pairs)
    to_label: Callable[[str], Any] = int if np.issubdtype(label_dtype, np.integer) else float
    found = []
    with open(pairs, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                path, label = line.rsplit(None, 1)
                found.append((path.strip(), to_label(label)))
            except ValueError as error:
                raise ValueError(
                    f"{os.fspath(pairs)}, line {number}: expected a path, a space and a label, got {line!r} ({error})"
                ) from None
    return found


def read_image(file: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an image file's content (C, H, W).

    Raises:
        ImportError: Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("reading images needs the package Pillow: pip install kusari[datasets]") from None
    with Image.open(file) as image:
        pixels = np.asarray(image).astype(dtype)
    if pixels.ndim == 2:
        return pixels[np.newaxis]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
