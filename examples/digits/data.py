"""Real handwritten digits, scanned in the 1990s and embedded in scikit-learn: 1,797 images of 8×8 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HostArray = np.ndarray[Any, Any]


class Digits(NamedTuple):
    """Images (N, 1, 8, 8) in [0, 1], float32, and their labels (N,), int32."""

    images: HostArray
    labels: HostArray


def load() -> tuple[Digits, Digits]:
    """Return the training and the test set: the same split every time, each digit equally often in both."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    split = train_test_split(images, labels.astype(np.int32), test_size=360, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = split
    return Digits(train_images, train_labels), Digits(test_images, test_labels)


def batches(digits: Digits, size: int, generator: np.random.Generator) -> Iterator[Digits]:
    """Yield the set in random order, each image shifted by up to one pixel."""
    order = generator.permutation(len(digits.images))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        yield Digits(_shifted(digits.images[chosen], generator), digits.labels[chosen])


def _shifted(images: HostArray, generator: np.random.Generator) -> HostArray:
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = generator.integers(0, 3, (len(images), 2))
    return np.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, moves, strict=True)])
