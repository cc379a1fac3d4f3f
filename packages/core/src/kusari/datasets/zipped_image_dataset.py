"""Image files in zip archives, with and without labels."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kusari.dataset.dataset_mixin import DatasetMixin
from kusari.datasets.concatenated_dataset import ConcatenatedDataset
from kusari.datasets.image_dataset import read_image, read_pairs
from kusari.dtypes import get_dtype

if TYPE_CHECKING:
    from kusari.datasets.image_dataset import Pairs
    from kusari.dtypes import DTypeLike


class ZippedImageDataset(DatasetMixin):
    """Have the images in a zip archive as arrays (C, H, W), in the archive's order.

    An image's name in the archive is an index, too: ``dataset["a/b.png"]``. Needs Pillow
    (``pip install kusari[datasets]``).

    Args:
        zipfilename: The archive. All files in it are taken for images.
        dtype: Of the arrays. Default: ``config.dtype``.
    """

    def __init__(self, zipfilename: str | os.PathLike[str], dtype: DTypeLike = None) -> None:
        self._path = os.fspath(zipfilename)
        self._dtype = get_dtype(dtype)
        self._open()
        self._names = [info.filename for info in self._archive.infolist() if not info.is_dir()]

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._archive = zipfile.ZipFile(self._path)

    def __len__(self) -> int:
        return len(self._names)

    def get_example(self, i_or_filename: int | str) -> np.ndarray[Any, Any]:
        """Return an image by its number or its name.

        Raises:
            KeyError: There is no such name.
        """
        name = i_or_filename if isinstance(i_or_filename, str) else self._names[i_or_filename]
        with self._lock, self._archive.open(name) as file:
            return read_image(file, self._dtype)

    def close(self) -> None:
        """Close the archive. No image can be read afterwards."""
        self._archive.close()

    def __enter__(self) -> ZippedImageDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_archive", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


class MultiZippedImageDataset(ConcatenatedDataset):
    """Have the images in several zip archives, one archive after the other; see `ZippedImageDataset`.

    Args:
        zipfilenames: The archives.
        dtype: Of the arrays. Default: ``config.dtype``.
    """

    def __init__(self, zipfilenames: Sequence[str | os.PathLike[str]], dtype: DTypeLike = None) -> None:
        super().__init__(*(ZippedImageDataset(name, dtype) for name in zipfilenames))

    def close(self) -> None:
        """Close the archives. No image can be read afterwards."""
        for dataset in self._datasets:
            dataset.close()

    def __enter__(self) -> MultiZippedImageDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LabeledZippedImageDataset(DatasetMixin):
    """Have pairs of an image of a zip archive, as array (C, H, W), and a label, as array ().

    Args:
        zipfilename: The archive.
        labelfilename: A text file with a name in the archive and a label per line, or (name, label) pairs.
        dtype: Of the images. Default: ``config.dtype``.
        label_dtype: Of the labels.

    Raises:
        ValueError: A line of the file is not a name and a label.
    """

    def __init__(
        self,
        zipfilename: str | os.PathLike[str],
        labelfilename: Pairs,
        dtype: DTypeLike = None,
        label_dtype: DTypeLike = np.int32,
    ) -> None:
        self._pairs = read_pairs(labelfilename, label_dtype)
        self._label_dtype = np.dtype(label_dtype)
        self._images = ZippedImageDataset(zipfilename, dtype)

    def __len__(self) -> int:
        return len(self._pairs)

    def get_example(self, i: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        name, label = self._pairs[i]
        return self._images.get_example(name), np.array(label, self._label_dtype)

    def close(self) -> None:
        """Close the archive. No image can be read afterwards."""
        self._images.close()

    def __enter__(self) -> LabeledZippedImageDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
