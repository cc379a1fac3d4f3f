"""The IDX format of MNIST and its successors, and the options that their images are read with."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from kusari.dataset.download import cached_download
from kusari.datasets.scaling import scaled_images
from kusari.datasets.tuple_dataset import TupleDataset

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

_UNSIGNED_BYTES: Final = 8
"""The format's number for uint8, the only type that these datasets use."""


class Source(NamedTuple):
    """Where a dataset's files are, and the MD5 sums that their publishers give."""

    url: str
    md5: dict[str, str]


FILES: Final = (
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)


def load(
    source: Source,
    withlabel: bool,
    ndim: int,
    scale: float,
    dtype: DTypeLike,
    label_dtype: DTypeLike,
    rgb_format: bool,
) -> tuple[Any, Any]:
    """Return the training and the test set: arrays of images, or `TupleDataset` of images and labels."""
    sets: list[Any] = []
    for images_name, labels_name in FILES:
        raw = read_idx(_downloaded(source, images_name), rank=3)
        images = _shaped(scaled_images(raw, scale, dtype), ndim, rgb_format)
        if not withlabel:
            sets.append(images)
            continue
        labels = read_idx(_downloaded(source, labels_name), rank=1)
        sets.append(TupleDataset(images, labels.astype(label_dtype)))
    return sets[0], sets[1]


def _downloaded(source: Source, name: str) -> str:
    return cached_download(source.url + name, f"md5:{source.md5[name]}")


def _shaped(images: np.ndarray[Any, Any], ndim: int, rgb_format: bool) -> np.ndarray[Any, Any]:
    """Return images (N, H, W) as (N, H W), (N, H, W), (N, 1, H, W) or, with three equal channels, (N, 3, H, W)."""
    if rgb_format and ndim != 3:
        raise ValueError(f"rgb_format needs ndim=3, for images (3, H, W); got ndim={ndim}")
    if ndim == 1:
        return images.reshape(len(images), -1)
    if ndim == 2:
        return images
    if ndim == 3:
        return images[:, np.newaxis].repeat(3, axis=1) if rgb_format else images[:, np.newaxis]
    raise ValueError(f"ndim={ndim}: expected 1 (pixels), 2 (H, W) or 3 (C, H, W)")


def read_idx(path: str, rank: int) -> np.ndarray[Any, Any]:
    """Return the array in a gzip-compressed IDX file of unsigned bytes.

    Args:
        path: The file.
        rank: How many axes it must have.

    Raises:
        ValueError: It is not such a file, or was cut off; the text says to delete it, so that it is downloaded anew.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the file format.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error}); delete it, and it is downloaded anew") from error
    header = 4 * (1 + rank)
    magic = bytes([0, 0, _UNSIGNED_BYTES, rank])
    if data[:4] != magic or len(data) < header:
        raise ValueError(
            f"{path}: expected an IDX file of bytes with {rank} axes (it starts with {magic!r}), "
            f"this one starts with {data[:4]!r}"
        )
    shape = tuple(int(length) for length in np.frombuffer(data, ">u4", rank, offset=4))
    if len(data) - header != math.prod(shape):
        raise ValueError(
            f"{path}: shape {shape} takes {math.prod(shape)} bytes, the file has {len(data) - header}; delete it, "
            "and it is downloaded anew"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
