"""Fashion-MNIST: 70,000 pictures of clothes, 28×28 pixels, in ten classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.datasets import idx

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

SOURCE: Final = idx.Source(
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    md5={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)
_LABELS: Final = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def get_fashion_mnist_labels() -> list[str]:
    """Return the names of the ten classes, by label.

    >>> get_fashion_mnist_labels()[5:8]
    ['Sandal', 'Shirt', 'Sneaker']
    """
    return list(_LABELS)


def get_fashion_mnist(
    withlabel: bool = True,
    ndim: int = 1,
    scale: float = 1.0,
    dtype: DTypeLike = None,
    label_dtype: DTypeLike = np.int32,
    rgb_format: bool = False,
) -> tuple[Any, Any]:
    """Return Fashion-MNIST: 60,000 training images and 10,000 test images of pictures of clothes.

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

    Source: Xiao, Rasul, Vollgraf, 2017, arXiv:1708.07747.
    """
    return idx.load(SOURCE, withlabel, ndim, scale, dtype, label_dtype, rgb_format)
