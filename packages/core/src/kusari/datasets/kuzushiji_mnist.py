"""Kuzushiji-MNIST: 70,000 cursive hiragana of old books, 28×28 pixels, in ten classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.datasets import idx

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

SOURCE: Final = idx.Source(
    url="http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    md5={
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    },
)
_LABELS: Final = (
    *(("o", "お"), ("ki", "き"), ("su", "す"), ("tsu", "つ"), ("na", "な")),
    *(("ha", "は"), ("ma", "ま"), ("ya", "や"), ("re", "れ"), ("wo", "を")),
)


def get_kuzushiji_mnist_labels() -> list[tuple[str, str]]:
    """Return the ten classes, by label: each in Latin letters and in hiragana.

    >>> get_kuzushiji_mnist_labels()[0]
    ('o', 'お')
    """
    return list(_LABELS)


def get_kuzushiji_mnist(
    withlabel: bool = True,
    ndim: int = 1,
    scale: float = 1.0,
    dtype: DTypeLike = None,
    label_dtype: DTypeLike = np.int32,
    rgb_format: bool = False,
) -> tuple[Any, Any]:
    """Return Kuzushiji-MNIST: 60,000 training images and 10,000 test images of cursive hiragana of old books.

    Downloaded at the first call (``pip install kusari[datasets]``), kept below `get_dataset_root`.

    Args:
        withlabel: Return pairs of image and label (0 … 9); False: images only, as one array.
        ndim: Shape of an image: 1 is (784,), 2 is (28, 28), 3 is (1, 28, 28).
        scale: Values go from 0 to this.
        dtype: Of the images. Default: ``config.dtype``.
        label_dtype: Of the labels.
        rgb_format: With ``ndim=3``: three equal channels, (3, 28, 28).

    Returns:
        (training set, test set): `TupleDataset`, or arrays without labels.

    Raises:
        OSError: The files cannot be downloaded; the text says where to put them by hand.
        ValueError: A damaged file, or shapes that do not exist.

    Source: Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha, 2018, arXiv:1812.01718.
    """
    return idx.load(SOURCE, withlabel, ndim, scale, dtype, label_dtype, rgb_format)
