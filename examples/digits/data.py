"""Real handwritten digits, scanned in the 1990s and embedded in scikit-learn: 1,797 images of 8×8 pixels."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from kusari.datasets import TupleDataset

Example = tuple[Any, Any]
"""An image (1, 8, 8) in [0, 1], float32, and its label, int32."""


def load(samples: int | None = None) -> tuple[TupleDataset, TupleDataset]:
    """Return the training and the test set: the same split every time, each digit equally often in both.

    Args:
        samples: So many of each only. None: 1,437 and 360.
    """
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    split = train_test_split(images, labels.astype(np.int32), test_size=360, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = (part[:samples] for part in split)
    return TupleDataset(train_images, train_labels), TupleDataset(test_images, test_labels)


def shift(example: Example) -> Example:
    """Shift an image by up to one pixel in each direction, at random: no two epochs see the same digits."""
    image, label = example
    padded = np.zeros((1, 10, 10), np.float32)
    padded[:, 1:9, 1:9] = image
    y, x = random.randrange(3), random.randrange(3)
    return padded[:, y : y + 8, x : x + 8], label
