"""cuDNN's frontend as far as the plugin calls it: graphs that are run by loops over the windows' taps."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import ModuleType
from typing import Any

import numpy as np


class NotSupported(RuntimeError):
    """Stands in for cudnnGraphNotSupportedError."""


DataType = Enum("DataType", ["HALF", "BFLOAT16", "FLOAT"])
Note = Enum("Note", ["NONDETERMINISTIC", "TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"])
Heuristic = Enum("Heuristic", ["A", "FALLBACK"])
BuildPolicy = Enum("BuildPolicy", ["HEURISTICS_CHOICE", "ALL"])


class Tensor:
    """A tensor of a graph: memory, or the result of an operation."""

    def __init__(self, dim: Sequence[int], stride: Sequence[int], make: Callable[..., Any] | None = None) -> None:
        self.dim, self.stride, self.make = list(dim), list(stride), make

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self

    def set_output(self, value: bool) -> Tensor:
        assert value
        return self

    def set_data_type(self, kind: Any) -> Tensor:
        assert kind is DataType.FLOAT
        return self

    def memory(self, address: int) -> Any:
        reach = 1 + sum((n - 1) * s for n, s in zip(self.dim, self.stride, strict=True))
        flat = np.ctypeslib.as_array((ctypes.c_float * reach).from_address(address))
        return np.lib.stride_tricks.as_strided(flat, self.dim, [4 * s for s in self.stride])


class Graph:
    """What `cudnn.pygraph` makes."""

    refused: frozenset[str] = frozenset()
    """Operations that no kernel has."""
    made: list[Graph]

    def __init__(self, *, handle: Any, io_data_type: Any, intermediate_data_type: Any, compute_data_type: Any) -> None:
        assert handle == "handle"
        assert intermediate_data_type is compute_data_type is DataType.FLOAT
        self.operations: list[str] = []
        self.barred: list[Any] = []
        self.steps: list[str] = []
        self.executed: list[int | None] = []
        type(self).made.append(self)

    def tensor(self, *, name: str, dim: list[int], stride: list[int]) -> Tensor:
        return Tensor(dim, stride)

    def _operation(self, name: str, make: Callable[..., Any]) -> Tensor:
        self.operations.append(name)
        self.output = Tensor([], [], make)
        return self.output

    def conv_fprop(self, *, image: Tensor, weight: Tensor, **window: list[int]) -> Tensor:
        def make(values: Callable[[Tensor], Any], y: Any) -> None:
            for read, tap in _taps(image.dim, weight.dim, y.shape, **window):
                for of_x, of_y in _groups(image.dim[1], weight.dim):
                    x = values(image)[:, of_x][(..., *read[0])]
                    y[:, of_y][(..., *read[1])] += np.einsum("nc...,oc->no...", x, values(weight)[of_y][(..., *tap)])

        return self._operation("conv_fprop", make)

    def conv_dgrad(self, *, loss: Tensor, filter: Tensor, **window: list[int]) -> Tensor:
        def make(values: Callable[[Tensor], Any], gx: Any) -> None:
            for read, tap in _taps(gx.shape, filter.dim, loss.dim, **window):
                for of_x, of_y in _groups(gx.shape[1], filter.dim):
                    gy = values(loss)[:, of_y][(..., *read[1])]
                    gx[:, of_x][(..., *read[0])] += np.einsum("no...,oc->nc...", gy, values(filter)[of_y][(..., *tap)])

        return self._operation("conv_dgrad", make)

    def conv_wgrad(self, *, image: Tensor, loss: Tensor, **window: list[int]) -> Tensor:
        def make(values: Callable[[Tensor], Any], gw: Any) -> None:
            for read, tap in _taps(image.dim, gw.shape, loss.dim, **window):
                for of_x, of_y in _groups(image.dim[1], gw.shape):
                    x, gy = values(image)[:, of_x][(..., *read[0])], values(loss)[:, of_y][(..., *read[1])]
                    x, gy = (a.reshape(*a.shape[:2], -1) for a in (x, gy))
                    gw[of_y][(..., *tap)] += np.einsum("ncp,nop->oc", x, gy)

        return self._operation("conv_wgrad", make)

    def bias(self, *, input: Tensor, bias: Tensor) -> Tensor:
        def make(values: Callable[[Tensor], Any], y: Any) -> None:
            assert input.make is not None
            input.make(values, y)
            y += values(bias)

        return self._operation("bias", make)

    def relu(self, *, input: Tensor) -> Tensor:
        def make(values: Callable[[Tensor], Any], y: Any) -> None:
            assert input.make is not None
            input.make(values, y)
            np.maximum(y, 0, out=y)

        return self._operation("relu", make)

    def validate(self) -> None:
        self.steps.append("validate")

    def build_operation_graph(self) -> None:
        self.steps.append("build_operation_graph")

    def create_execution_plans(self, heuristics: list[Any]) -> None:
        self.steps.append("create_execution_plans")

    def deselect_numeric_notes(self, notes: list[Any]) -> None:
        self.barred = notes

    def check_support(self) -> None:
        self.steps.append("check_support")
        if self.refused & set(self.operations):
            raise NotSupported("no engine")

    def build_plans(self, policy: Any) -> None:
        self.steps.append(policy.name)

    def get_workspace_size(self) -> int:
        return 0

    def get_workspace_size_plan_at_index(self, index: int) -> int:
        return 16

    def get_execution_plan_count(self) -> int:
        return 3

    def execute(self, addresses: dict[Tensor, int], workspace: int, *, handle: Any) -> None:
        self._execute(addresses, None)

    def execute_plan_at_index(self, addresses: dict[Tensor, int], workspace: int, index: int, *, handle: Any) -> None:
        if index == 0:
            raise NotSupported("not built")
        self._execute(addresses, index)

    def _execute(self, addresses: dict[Tensor, int], index: int | None) -> None:
        self.executed.append(index)
        output = self.output.memory(addresses[self.output])
        result = np.zeros(output.shape)
        assert self.output.make is not None
        self.output.make(lambda tensor: tensor.memory(addresses[tensor]).astype("d"), result)
        output[...] = result


def _groups(channels: int, W: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    count = channels // W[1]
    for g in range(count):
        yield slice(g * W[1], (g + 1) * W[1]), slice(g * W[0] // count, (g + 1) * W[0] // count)


def _taps(
    x: Sequence[int], W: Sequence[int], y: Sequence[int], *, padding: list[int], stride: list[int], dilation: list[int]
) -> Iterator[tuple[tuple[tuple[Any, ...], tuple[Any, ...]], tuple[int, ...]]]:
    """Yield which pixels meet at each tap: of the image, of the output; those beyond the image's edge do not."""
    for tap in itertools.product(*map(range, W[2:])):
        pairs = [
            [(o * s + k * d - p, o) for o in range(m) if 0 <= o * s + k * d - p < n]
            for n, m, k, s, d, p in zip(x[2:], y[2:], tap, stride, dilation, padding, strict=True)
        ]
        if all(pairs):
            of_x = tuple(slice(met[0][0], met[-1][0] + 1, step) for met, step in zip(pairs, stride, strict=True))
            of_y = tuple(slice(met[0][1], met[-1][1] + 1) for met in pairs)
            yield (of_x, of_y), tap


def module(refused: frozenset[str] = frozenset(), version: int = 91_000) -> tuple[ModuleType, list[Graph]]:
    """Return the module that stands in, and the list of graphs that it makes."""
    made: list[Graph] = []
    kind = type("pygraph", (Graph,), {"refused": refused, "made": made})
    cudnn = ModuleType("cudnn")
    cudnn.__dict__.update(
        pygraph=kind,
        data_type=DataType,
        numerical_note=Note,
        heur_mode=Heuristic,
        build_plan_policy=BuildPolicy,
        cudnnGraphNotSupportedError=NotSupported,
        backend_version=lambda: version,
        create_handle=lambda: "handle",
        set_stream=lambda handle, stream: None,
    )
    return cudnn, made
