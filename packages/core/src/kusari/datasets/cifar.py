"""CIFAR-10 and CIFAR-100: 60,000 small photographs, 32×32 pixels, in ten and in a hundred classes."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from kusari.dataset.download import cached_download
from kusari.datasets.scaling import scaled_images
from kusari.datasets.tuple_dataset import TupleDataset

if TYPE_CHECKING:
    from kusari.dtypes import DTypeLike

_PIXELS: Final = 3 * 32 * 32


class Archive(NamedTuple):
    """An archive of records: bytes for labels, then an image by channel, row and column."""

    url: str
    md5: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int
    """The last of them is the label; CIFAR-100 has the coarse class before it."""


# The binary versions: the ones for Python are pickles, which run what the file says.
CIFAR10: Final = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    train=tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    test=("cifar-10-batches-bin/test_batch.bin",),
    label_bytes=1,
)
CIFAR100: Final = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    train=("cifar-100-binary/train.bin",),
    test=("cifar-100-binary/test.bin",),
    label_bytes=2,
)


def get_cifar10(withlabel: bool = True, ndim: int = 3, scale: float = 1.0, dtype: DTypeLike = None) -> tuple[Any, Any]:
    """Return CIFAR-10: 50,000 training and 10,000 test photographs in ten classes.

    Downloaded at the first call (``pip install kusari[datasets]``), kept below `get_dataset_root`.

    Args:
        withlabel: Return pairs of image and label (0 … 9, int32); False: images only, as one array.
        ndim: Shape of an image: 1 is (3072,), 3 is (3, 32, 32).
        scale: Values go from 0 to this.
        dtype: Of the images. Default: ``config.dtype``.

    Returns:
        (training set, test set): `TupleDataset`, or arrays without labels.

    Raises:
        OSError: The file cannot be downloaded; the text says where to put it by hand.
        ValueError: A damaged file, or an ``ndim`` that does not exist.

    Source: Krizhevsky, 2009, "Learning multiple layers of features from tiny images".
    """
    return _load(CIFAR10, withlabel, ndim, scale, dtype)


def get_cifar100(withlabel: bool = True, ndim: int = 3, scale: float = 1.0, dtype: DTypeLike = None) -> tuple[Any, Any]:
    """Return CIFAR-100: 50,000 training and 10,000 test photographs in a hundred (fine) classes.

    Downloaded at the first call (``pip install kusari[datasets]``), kept below `get_dataset_root`.

    Args:
        withlabel: Return pairs of image and label (0 … 99, int32); False: images only, as one array.
        ndim: Shape of an image: 1 is (3072,), 3 is (3, 32, 32).
        scale: Values go from 0 to this.
        dtype: Of the images. Default: ``config.dtype``.

    Returns:
        (training set, test set): `TupleDataset`, or arrays without labels.

    Raises:
        OSError: The file cannot be downloaded; the text says where to put it by hand.
        ValueError: A damaged file, or an ``ndim`` that does not exist.

    Source: Krizhevsky, 2009, "Learning multiple layers of features from tiny images".
    """
    return _load(CIFAR100, withlabel, ndim, scale, dtype)


def _load(archive: Archive, withlabel: bool, ndim: int, scale: float, dtype: DTypeLike) -> tuple[Any, Any]:
    if ndim not in (1, 3):
        raise ValueError(f"ndim={ndim}: expected 1 (pixels) or 3 (C, H, W)")
    path = cached_download(archive.url, f"md5:{archive.md5}")
    records = _read(path, (*archive.train, *archive.test), archive.label_bytes + _PIXELS)
    sets = []
    for names in (archive.train, archive.test):
        part = np.concatenate([records[name] for name in names])
        raw = part[:, archive.label_bytes :]
        images = scaled_images(raw if ndim == 1 else raw.reshape(-1, 3, 32, 32), scale, dtype)
        labels = part[:, archive.label_bytes - 1].astype(np.int32)
        sets.append(TupleDataset(images, labels) if withlabel else images)
    return sets[0], sets[1]


def _read(path: str, names: Sequence[str], length: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the records (N, length) of each file in an archive; nothing is unpacked to disk."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name in names else None
                if file is not None:
                    found[member.name] = np.frombuffer(file.read(), np.uint8)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole archive ({error}); delete it, and it is downloaded anew") from error
    for name in names:
        if name not in found or len(found[name]) == 0 or len(found[name]) % length:
            size = f"{len(found[name])} bytes" if name in found else "nothing"
            raise ValueError(f"{path}: expected {name} with records of {length} bytes, found {size}")
    return {name: data.reshape(-1, length) for name, data in found.items()}
