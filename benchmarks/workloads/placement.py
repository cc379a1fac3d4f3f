"""Where each side computes, and in which numbers: the same workload on a CPU and on a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MIXED = ("float16", "bfloat16")
"""In these a model's parameters have 16 bits, those of normalizations 32; PyTorch casts under autocast."""


class Placement(NamedTuple):
    """One setting of both sides."""

    kusari: str = "numpy"
    """A device: ``numpy``, ``cupy:0``, ``triton:0``."""
    torch: str = "cpu"
    dtype: str = "float32"
    precision: str = "ieee"
    """What float32 products are made of: ``ieee`` or ``tf32``."""
    mode: str = "eager"
    """How PyTorch runs: ``eager``, or a mode of ``torch.compile``."""

    @property
    def on_host(self) -> bool:
        """Tell whether Kusari's arrays stay NumPy's."""
        return self.kusari == "numpy"

    def ours(self, array: Any) -> Any:
        """Return a host array where Kusari computes; floating-point numbers in the dtype."""
        from kusari.backend import get_device
        from kusari.dtypes import host_dtype

        if array.dtype.kind == "f":
            array = array.astype(host_dtype(self.dtype), copy=False)
        return array if self.on_host else get_device(self.kusari).send(array)

    def theirs(self, array: Any) -> Any:
        """Return a host array as a tensor where PyTorch computes; floating-point numbers in the dtype."""
        import torch

        tensor = torch.from_numpy(array)
        return tensor.to(self.torch, getattr(torch, self.dtype) if tensor.is_floating_point() else None)

    def to_device(self, model: Any) -> Any:
        """Return a model of ours, made in float32, with its parameters where it computes, and in the dtype."""
        import kusari.links as L

        if not self.on_host:
            model.to_device(self.kusari)
        if self.dtype in MIXED:
            normalizations = [link for link in model.links() if isinstance(link, L.BatchNormalization)]
            kept = {id(parameter) for link in normalizations for parameter in link.params()}
            for parameter in model.params():
                if id(parameter) not in kept:
                    parameter.array = self.ours(parameter.device.backend.to_host(parameter.array))
                    parameter.cleargrad()  # it had the dtype of before
        return model

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function or module of theirs as the mode wants it run."""
        import torch

        if self.mode == "eager":
            return function
        compiled: Callable[..., Any] = torch.compile(function, mode=self.mode)
        return compiled

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which a step of theirs computes in 16 bits and keeps parameters in 32."""
        import torch

        if self.dtype not in MIXED:
            return contextlib.nullcontext()
        return torch.autocast(self.torch.partition(":")[0], getattr(torch, self.dtype))

    @contextlib.contextmanager
    def in_force(self, with_torch: bool = True) -> Iterator[None]:
        """Let both sides make float32 products as the placement says."""
        import kusari

        with contextlib.ExitStack() as stack:
            stack.enter_context(kusari.using_config("precision", self.precision))
            if with_torch:
                stack.enter_context(_tf32_in_torch(self.precision == "tf32"))
            yield


HOST = Placement()


@contextlib.contextmanager
def _tf32_in_torch(allowed: bool) -> Iterator[None]:
    import torch

    owners: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [owner.allow_tf32 for owner in owners]
    for owner in owners:
        owner.allow_tf32 = allowed
    try:
        yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            owner.allow_tf32 = value
