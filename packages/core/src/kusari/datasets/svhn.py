"""Street View House Numbers: photographs of single digits, 32×32 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.dataset.download import cached_download
from kusari.datasets.scaling import scaled_images
from kusari.datasets.tuple_dataset import TupleDataset

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

URL: Final = "http://ufldl.stanford.edu/housenumbers/"
MD5: Final = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "extra_32x32.mat": "a93ce644f1a588dc4d68dda5feec44a7",
}


def get_svhn(
    withlabel: bool = True,
    scale: float = 1.0,
    dtype: DTypeLike = None,
    label_dtype: DTypeLike = np.int32,
    add_extra: bool = False,
) -> tuple[Any, ...]:
    """Return SVHN: 73,257 training and 26,032 test photographs (3, 32, 32) of digits on houses.

    Downloaded at the first call (``pip install kusari[datasets]``), kept below `get_dataset_root`. Reading the files
    takes SciPy.

    Args:
        withlabel: Return pairs of image and label, the digit (0 … 9); False: images only, as one array.
        scale: Values go from 0 to this.
        dtype: Of the images. Default: ``config.dtype``.
        label_dtype: Of the labels.
        add_extra: Also return the 531,131 easier images.

    Returns:
        (training set, test set) or (training set, test set, extra set): `TupleDataset`, or arrays without labels.

    Raises:
        ImportError: SciPy is missing.
        OSError: The files cannot be downloaded; the text says where to put them by hand.
        ValueError: A damaged file.

    Source: Netzer, Wang, Coates, Bissacco, Wu, Ng, 2011, "Reading digits in natural images with unsupervised feature
    learning".
    """
    names = list(MD5)[: 3 if add_extra else 2]
    sets = []
    for name in names:
        raw, digits = _read(cached_download(URL + name, f"md5:{MD5[name]}"))
        images = scaled_images(raw, scale, dtype)
        sets.append(TupleDataset(images, digits.astype(label_dtype)) if withlabel else images)
    return tuple(sets)


def _read(path: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return images (N, 3, 32, 32) and digits (N,)."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ImportError("reading SVHN needs the package SciPy: pip install kusari[datasets]") from None
    try:
        content = loadmat(path)
        pixels, labels = content["X"], content["y"].ravel()
    except Exception as error:  # what a damaged file makes SciPy raise is not documented
        raise ValueError(f"{path}: cannot be read ({error}); delete it, and it is downloaded anew") from error
    if pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or pixels.shape[3] != len(labels):
        raise ValueError(f"{path}: expected images (32, 32, 3, N) and N labels, found {pixels.shape}, {len(labels)}")
    # The files number the digit 0 as 10.
    return np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), labels % 10
