"""Convolution by cuDNN, where it is installed: bias and activation in the same kernel, channels-last throughout.

Where it is not, by matrix products: see `kusari_cupy.kernels.conv_unfolded`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import to_channels_first, to_channels_last
from kusari.types import Array, Shape
from kusari_cupy.cudnn import DATA_TYPES, Graph, Library, Policy, Unsupported, find
from kusari_cupy.kernels.conv_unfolded import UnfoldedConvolution

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

_log = logging.getLogger(__name__)


class CudnnConvolution(UnfoldedConvolution):
    """The three passes as cuDNN's graphs, each built when it is first wanted.

    Where cuDNN has no kernel, or ``config.use_cudnn`` says never, matrix products are taken.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self._library = library(backend)
        self._graphs: dict[tuple[str, int, Policy], Graph | None] = {}

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        if problem.dtype.name not in DATA_TYPES:
            return f"{problem.dtype} is not among {', '.join(DATA_TYPES)}"
        if len(problem.x) not in (4, 5):
            return "cuDNN convolves two or three spatial axes"
        if problem.cover_all:
            return "cover_all lets windows hang over the edge"
        if problem.precision not in ("ieee", "tf32"):
            return f"precision {problem.precision} is not cuDNN's"
        if 0 in (*problem.x, *problem.y, *problem.W):
            return "there is nothing to compute"
        return True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        activation = self.problem.activation
        if activation is None or activation.name == "relu":
            fused = self._graph("forward", functools.partial(self._write_forward, fused=True))
            if fused is not None:
                biases = [] if b is None else [self._library.cupy.ascontiguousarray(b)]
                return self._run(fused, self.problem.y, self._dense(x), self._packed(W), *biases)
        graph = self._graph("product", functools.partial(self._write_forward, fused=False))
        if graph is None:
            return super().forward(x, W, b)
        y: Any = self._run(graph, self.problem.y, self._dense(x), self._packed(W))
        if b is not None:
            y = y + self.backend.xp.reshape(b, (1, -1, *(1 for _ in self.problem.W[2:])))
        return y if activation is None else activation.apply(self.backend, y)

    def grad_input(self, W: Array, gy: Array) -> Array:
        graph = self._graph("grad_input", self._write_grad_input)
        if graph is None:
            return super().grad_input(W, gy)
        return self._run(graph, self.problem.x, self._packed(W), self._dense(gy))

    def grad_weight(self, x: Array, gy: Array) -> Array:
        graph = self._graph("grad_weight", self._write_grad_weight)
        if graph is None:
            return super().grad_weight(x, gy)
        return self._run(graph, self.problem.W, self._dense(x), self._dense(gy))

    def _graph(self, kind: str, write: Callable[[Any], Any]) -> Graph | None:
        """Return a pass's graph for the device and configuration in force; None where cuDNN is not to run it."""
        policy = Policy.in_force()
        if policy is None:
            return None
        key = (kind, self._library.device(), policy)
        if key not in self._graphs:
            dtype = self.problem.dtype.name
            exact = dtype == "float32" and self.problem.precision == "ieee"
            try:
                self._graphs[key] = Graph(self._library, write, dtype, exact, policy)
            except Unsupported as error:
                self._graphs[key] = None
                _log.info("cuDNN has no kernel for %s of %s: %s", kind, self.problem, error)
        return self._graphs[key]

    # Writing: each tensor is dense and channels-last. ----------------------------------------------------------

    def _write_forward(self, graph: Any, fused: bool) -> tuple[list[Any], Any]:
        problem = self.problem
        inputs = [_tensor(graph, "x", problem.x), _tensor(graph, "W", problem.W)]
        y = graph.conv_fprop(image=inputs[0], weight=inputs[1], **self._window)
        if fused and problem.bias:
            inputs.append(_tensor(graph, "b", (1, problem.W[0], *(1 for _ in problem.W[2:]))))
            y = graph.bias(input=y, bias=inputs[2])
        if fused and problem.activation is not None:
            y = graph.relu(input=y)
        return inputs, _laid_out(y, problem.y)

    def _write_grad_input(self, graph: Any) -> tuple[list[Any], Any]:
        filters, loss = _tensor(graph, "W", self.problem.W), _tensor(graph, "gy", self.problem.y)
        gx = graph.conv_dgrad(loss=loss, filter=filters, **self._window)
        return [filters, loss], _laid_out(gx, self.problem.x)

    def _write_grad_weight(self, graph: Any) -> tuple[list[Any], Any]:
        image, loss = _tensor(graph, "x", self.problem.x), _tensor(graph, "gy", self.problem.y)
        gw = graph.conv_wgrad(image=image, loss=loss, **self._window)
        return [image, loss], _laid_out(gw, self.problem.W)

    @property
    def _window(self) -> dict[str, list[int]]:
        # The last window may stop short of the border, which cuDNN's own formula for the output's size allows.
        _, stride, pad, dilate = self.problem.window
        return {"padding": list(pad), "stride": list(stride), "dilation": list(dilate)}

    # Running. --------------------------------------------------------------------------------------------------

    def _run(self, graph: Graph, shape: Shape, *inputs: Any) -> Array:
        n, c, *spatial = shape
        cupy: Any = self._library.cupy
        output = to_channels_first(self.backend, cupy.empty((n, *spatial, c), inputs[0].dtype))
        graph(*inputs, output)
        return output

    def _dense(self, a: Any) -> Any:
        """Return an array dense and channels-last; itself where it is."""
        cupy: Any = self._library.cupy
        return to_channels_first(self.backend, cupy.ascontiguousarray(to_channels_last(self.backend, a)))

    def _packed(self, W: Array) -> Any:
        """Return the filters so, packed once for each version of a parameter."""
        return self.backend.derived(W, "cudnn", self._dense)


def _tensor(graph: Any, name: str, shape: Shape) -> Any:
    return graph.tensor(name=name, dim=list(shape), stride=channels_last_strides(shape))


def _laid_out(tensor: Any, shape: Shape) -> Any:
    tensor.set_dim(list(shape))
    tensor.set_stride(channels_last_strides(shape))
    return tensor


def channels_last_strides(shape: Shape) -> list[int]:
    """Return the strides, in elements, of dense (N, *spatial, C) memory seen as (N, C, *spatial).

    >>> channels_last_strides((2, 3, 4, 5))
    [60, 1, 15, 3]
    """
    strides, step = [0] * len(shape), 1
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[axis] = step
        step *= shape[axis]
    return strides


def library(backend: Backend) -> Library:
    """Return cuDNN, which the CuPy backend below ``backend`` keeps."""
    found: Library = next(link for link in backend.chain if hasattr(link, "cudnn")).cudnn
    return found


def register(backend: CupyBackend) -> None:
    """Override core's family, with cuDNN before the matrix products where it is there."""

    def available(_: Backend) -> bool | str:
        found = find(backend.cupy)
        if isinstance(found, str):
            return found
        backend.cudnn = found
        return True

    backend.implements(Convolution)(UnfoldedConvolution)
    backend.implements(Convolution, available=available)(CudnnConvolution)
