"""cuDNN through its frontend's graphs, which are optional (the extra ``[cudnn]``): handles, building, running."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.configuration import config

OLDEST: Final = 90_000
"""cuDNN 9: the first whose graphs fuse bias and activation into every convolution that it ships."""
DATA_TYPES: Final = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT"}
TRIALS: Final = 3
"""Runs of each of cuDNN's kernels where `config.autotune` asks for the fastest."""


class Policy(NamedTuple):
    """What of the configuration decides which of cuDNN's kernels may run."""

    deterministic: bool
    autotune: bool

    @classmethod
    def in_force(cls) -> Policy | None:
        """Return the policy, or None where cuDNN is not to be used."""
        if config.use_cudnn == "never":
            return None
        return cls(bool(config.cudnn_deterministic), bool(config.autotune))


class Unsupported(Exception):
    """CuDNN has no kernel for a graph."""


class Library:
    """The frontend, with a handle for each thread and device.

    Args:
        frontend: The module ``cudnn``.
        cupy: The module.
    """

    def __init__(self, frontend: ModuleType, cupy: ModuleType) -> None:
        self.frontend = frontend
        self.cupy = cupy
        self._handles: dict[tuple[int, int], Any] = {}

    def handle(self) -> Any:
        """Return this thread's handle of the current device, on CuPy's current stream."""
        key = (threading.get_ident(), self.device())
        found = self._handles.get(key)
        if found is None:
            found = self._handles[key] = self.frontend.create_handle()
        self.frontend.set_stream(handle=found, stream=self.cupy.cuda.get_current_stream().ptr)
        return found

    def device(self) -> int:
        """Return the current device's number."""
        return int(self.cupy.cuda.runtime.getDevice())


def find(cupy: ModuleType) -> Library | str:
    """Return the library, or why it cannot be used."""
    try:
        cudnn = importlib.import_module("cudnn")
    except ImportError as error:
        return f"cuDNN's frontend cannot be imported ({error}); pip install 'kusari-backend-cupy[cudnn]'"
    try:
        version = int(cudnn.backend_version())
    except (RuntimeError, OSError) as error:
        return f"cuDNN itself is not there ({error}); pip install nvidia-cudnn-cu13 (or -cu12)"
    return Library(cudnn, cupy) if version >= OLDEST else f"cuDNN {version} is too old, {OLDEST} or newer is needed"


class Graph:
    """A graph of operations on arrays of fixed shapes and strides, with the kernels that cuDNN chose for it.

    Args:
        library: Where to build it.
        write: Adds tensors and operations to a frontend's graph; returns its inputs and its output.
        dtype: Of all arrays, by the host's name. Sums are in float32.
        exact: Products of float32 are not to be made of tf32.
        policy: Which kernels may run.

    Raises:
        Unsupported: There is none.
    """

    def __init__(
        self,
        library: Library,
        write: Callable[[Any], tuple[Sequence[Any], Any]],
        dtype: str,
        exact: bool,
        policy: Policy,
    ) -> None:
        self._library = library
        frontend = library.frontend
        kinds, notes = frontend.data_type, frontend.numerical_note
        self._graph = frontend.pygraph(
            handle=library.handle(),
            io_data_type=getattr(kinds, DATA_TYPES[dtype]),
            intermediate_data_type=kinds.FLOAT,
            compute_data_type=kinds.FLOAT,
        )
        inputs, output = write(self._graph)
        output.set_output(True).set_data_type(getattr(kinds, DATA_TYPES[dtype]))
        self._tensors = (*inputs, output)
        barred = [notes.NONDETERMINISTIC] if policy.deterministic else []
        if exact:
            barred += [notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS, notes.REDUCED_PRECISION_REDUCTION]
        plans = frontend.build_plan_policy
        try:
            self._graph.validate()
            self._graph.build_operation_graph()
            self._graph.create_execution_plans([frontend.heur_mode.A, frontend.heur_mode.FALLBACK])
            if barred:
                self._graph.deselect_numeric_notes(barred)
            self._graph.check_support()
            self._graph.build_plans(plans.ALL if policy.autotune else plans.HEURISTICS_CHOICE)
        except (frontend.cudnnGraphNotSupportedError, RuntimeError) as error:
            raise Unsupported(str(error)) from error
        self._tuned: int | None = None
        self._tune = policy.autotune

    def __call__(self, *arrays: Any) -> None:
        """Run it on its inputs and the output, in that order, on CuPy's current stream."""
        addresses = {tensor: int(array.data.ptr) for tensor, array in zip(self._tensors, arrays, strict=True)}
        if self._tune:
            self._tune, self._tuned = False, self._fastest(addresses)
        if self._tuned is not None:
            self._run_plan(addresses, self._tuned)
            return
        workspace = self._workspace(self._graph.get_workspace_size())
        self._graph.execute(addresses, int(workspace.data.ptr), handle=self._library.handle())

    def _workspace(self, size: int) -> Any:
        # Freed when the caller returns, which CuPy's pool does in the order of the stream.
        return self._library.cupy.empty((max(size, 1),), np.uint8)

    def _run_plan(self, addresses: dict[Any, int], index: int) -> None:
        workspace = self._workspace(self._graph.get_workspace_size_plan_at_index(index))
        self._graph.execute_plan_at_index(
            addresses, int(workspace.data.ptr), index, handle=self._library.handle()
        )  # fmt: skip

    def _fastest(self, addresses: dict[Any, int]) -> int | None:
        """Return the plan that takes least, or None where none can be run by its number."""
        cuda, frontend = self._library.cupy.cuda, self._library.frontend
        times: dict[int, float] = {}
        for index in range(self._graph.get_execution_plan_count()):
            started, stopped = cuda.Event(), cuda.Event()
            try:
                self._run_plan(addresses, index)
                started.record()
                for _ in range(TRIALS):
                    self._run_plan(addresses, index)
                stopped.record()
            except (frontend.cudnnGraphNotSupportedError, RuntimeError, MemoryError):
                continue  # one that was not built, or wants more workspace than there is
            stopped.synchronize()
            times[index] = cuda.get_elapsed_time(started, stopped)
        return min(times, key=times.__getitem__, default=None)
