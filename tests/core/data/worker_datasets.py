"""Datasets for worker processes, which import them from here."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import time

import numpy as np

from kusari.backend import host_generator
from kusari.configuration import config


class Numbers:
    """i ↦ (an array of i, i)."""

    def __init__(self, size, width=3):
        self.size = size
        self.width = width

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return np.full(self.width, index, "f"), index


class Wanting(Numbers):
    """Numbers that lack one: asked for it, they do what ``how`` says."""

    def __init__(self, size, index, how):
        super().__init__(size)
        self.index = index
        self.how = how

    def __getitem__(self, index):
        if index == self.index:
            getattr(self, self.how)()
        return super().__getitem__(index)

    def complain(self):
        raise LookupError("no such number")

    def complain_oddly(self):
        raise Unpicklable("x", "y")

    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def crash(self):
        ctypes.string_at(0)

    def leave(self):
        os._exit(7)

    def exit(self):
        sys.exit(3)

    def hang(self):
        time.sleep(1000)


class Unpicklable(Exception):
    """Has more arguments than its pickle tells."""

    def __init__(self, first, second):
        super().__init__(first)


class Kept:
    """An array that is in memory once."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        return self.array[index]


class Changing(Kept):
    """Examples that are changed in place when they are read: a bug, which must stay a worker's own."""

    def __getitem__(self, index):
        self.array[index] += 1
        return self.array[index]


class Sizes:
    """Arrays of 1 … 200,000 bytes: the first ones say little about the later ones."""

    lengths = (1, 10, 100_000, 5, 200_000, 50_000, 3, 150_000)

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return np.full(self.lengths[index % len(self.lengths)], index, np.uint8)


class Mixed:
    """Examples of every kind."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return [
            {"name": f"n{index}", "x": np.arange(index), "nested": (None, [index, {"y": np.eye(2)}])},
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)[:, ::2],
            np.array(["a", None], dtype=object),
            np.float32(index),
            np.zeros((0, 3)),
        ][index]


class Drawing:
    """Random numbers from every stream that a dataset may draw from."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return index, random.random(), np.random.rand(), host_generator().random()  # noqa: NPY002 - old programs do


class Identity:
    """Which process, and what it is configured to."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        return os.getpid(), str(config.dtype), os.environ.get("OMP_NUM_THREADS")


class Unloadable:
    """Can be pickled, and not unpickled."""

    def __len__(self):
        return 3

    def __reduce__(self):
        return (_refuse, ())


def _refuse():
    raise ArithmeticError("not here")


class Slow(Numbers):
    """A second for the first example, none for the others."""

    def __getitem__(self, index):
        if index == 0:
            time.sleep(1)
        return super().__getitem__(index)


class Lambdas(Numbers):
    """Examples that cannot be pickled."""

    def __getitem__(self, index):
        return lambda: index
