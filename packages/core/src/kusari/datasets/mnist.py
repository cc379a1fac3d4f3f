"""MNIST: 70,000 handwritten digits, 28×28 pixels, in ten classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.datasets import idx

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

SOURCE: Final = idx.Source(
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    md5={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)


def get_mnist(
    withlabel: bool = True,
    ndim: int = 1,
    scale: float = 1.0,
    dtype: DTypeLike = None,
    label_dtype: DTypeLike = np.int32,
    rgb_format: bool = False,
) -> tuple[Any, Any]:
    """Return MNIST: 60,000 training images and 10,000 test images of handwritten digits.

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

    Source: LeCun, Bottou, Bengio, Haffner, 1998, "Gradient-based learning applied to document recognition".
    """
    return idx.load(SOURCE, withlabel, ndim, scale, dtype, label_dtype, rgb_format)
