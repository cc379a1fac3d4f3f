"""PrintHook: what goes into every function."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TextIO

from kusari.autograd import FunctionHook, FunctionNode


class PrintHook(FunctionHook):
    """Print the inputs of every function's forward, and the gradients that arrive at its backward.

    Args:
        sep: Deprecated, without effect.
        end: Printed after each function.
        file: Where to; None: standard output.
        flush: Flush after each function.

    >>> with PrintHook():
    ...     y = F.relu(np.ones(3, "f"))
    function	ReLU
    input data
    array([1., 1., 1.], dtype=float32)
    """

    name = "PrintHook"

    def __init__(self, sep: str | None = None, end: str = "\n", file: TextIO | None = None, flush: bool = True) -> None:
        if sep is not None:
            warnings.warn("PrintHook(sep=...) has no effect and is deprecated", DeprecationWarning, stacklevel=2)
        self._end = end
        self._file = file
        self._flush = flush

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._print(f"function\t{function.label}", "input data", in_data)

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._print(f"function\t{function.label}", "input data", in_data)
        self._print(None, "output gradient", out_grad)

    def _print(self, head: str | None, title: str, arrays: tuple[Any, ...]) -> None:
        # Looked up now: standard output may be another than when the hook was made.
        out = sys.stdout if self._file is None else self._file
        lines = [*([head] if head else []), title]
        lines += ["(removed)" if array is None else repr(array) for array in arrays]
        print("\n".join(lines), end=self._end, file=out, flush=self._flush)
