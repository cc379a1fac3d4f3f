"""CUDAProfileHook: every function as a range in NVIDIA's profilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.autograd import FunctionHook, FunctionNode
from kusari.function_hooks.gpu import first_module, gpu_backend


class CUDAProfileHook(FunctionHook):
    """Mark every function's forward and backward as an NVTX range, which Nsight Systems shows in its timeline.

    Ranges are called ``<label>.forward`` and ``<label>.backward``; one that runs inside a backward lies in its range.

    Raises:
        RuntimeError: There is no GPU, or neither the package nvtx nor the module of CuPy.

    Source: NVIDIA Tools Extension Library (NVTX).
    """

    name = "CUDAProfileHook"

    def __init__(self) -> None:
        gpu_backend(self.name)
        module = first_module(("nvtx", "cupy.cuda.nvtx"), self.name, "pip install nvtx")
        self._push: Callable[[str], Any] = getattr(module, "push_range", None) or module.RangePush
        self._pop: Callable[[], Any] = getattr(module, "pop_range", None) or module.RangePop

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._push(f"{function.label}.forward")

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._pop()

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._push(f"{function.label}.backward")

    def backward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._pop()

    def failed(self, function: FunctionNode, error: BaseException) -> None:
        self._pop()
