"""PrintHook: what goes into every function."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TextIO

from kusari.autograd import FunctionHook, FunctionNode
from kusari.autograd.description import describe
from kusari.autograd.variable import constant


class PrintHook(FunctionHook):
    """Print what goes into every function's forward, and the gradients that arrive at its backward.

    For each array its place, shape, dtype, mean and standard deviation, as ``Variable.debug_print`` tells them, which
    waits for the device; ``(removed)`` for an input that is not retained.

    Args:
        sep: Deprecated, without effect.
        end: Printed after each part.
        file: Where to; None: standard output.
        flush: Flush after each part.

    >>> with PrintHook():
    ...     y = F.relu(np.ones((2, 3), "f"))
    function	ReLU
    input data
    <variable>
    - device: numpy
    - backend: <class 'numpy.ndarray'>
    - shape: (2, 3)
    - dtype: float32
    - statistics: mean=1.00000000, std=0.00000000
    - grad: None
    """

    name = "PrintHook"

    def __init__(self, sep: str | None = None, end: str = "\n", file: TextIO | None = None, flush: bool = True) -> None:
        if sep is not None:
            warnings.warn("PrintHook(sep=...) has no effect and is deprecated", DeprecationWarning, stacklevel=2)
        self._end = end
        self._file = file
        self._flush = flush

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._print(f"function\t{function.label}")
        self._print_arrays("input data", function, in_data)

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._print(f"function\t{function.label}")
        self._print_arrays("input data", function, in_data)
        self._print_arrays("output gradient", function, out_grad)

    def _print_arrays(self, title: str, function: FunctionNode, arrays: tuple[Any, ...]) -> None:
        self._print(title)
        for array in arrays:
            self._print("(removed)" if array is None else describe(constant(array, function.device), "<variable>"))

    def _print(self, text: str) -> None:
        # Looked up now: standard output may be another than when the hook was made.
        print(text, end=self._end, file=sys.stdout if self._file is None else self._file, flush=self._flush)
