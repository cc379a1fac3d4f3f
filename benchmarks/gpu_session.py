"""What the parts of `gpu.py` share: the devices, the clock, and the machine's name."""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("core", "backend-numpy", "backend-cupy", "backend-triton", "testkit")
PLUGINS: Final = ("kusari_numpy.spec", "kusari_cupy.spec", "kusari_triton.spec")
NEEDED: Final = {"numpy": "numpy", "pluggy": "pluggy", "rich": "rich"}
NEEDED_ON_GPU: Final = {"cupy": "cupy-cuda13x[ctk]", "array_api_compat": "array-api-compat"}


class Unavailable(Exception):
    """The machine lacks something; the message is one line that says what."""


class Session:
    """The devices under test and the time that is left.

    Args:
        devices: Kusari's: ``cupy:0``, ``triton:0``.
        torch_device: PyTorch's, or None: Kusari is measured alone.
        smoke: Tiny shapes: whether everything runs, not how fast.
        minutes: After so many no new row is begun.
    """

    def __init__(self, devices: tuple[str, ...], torch_device: str | None, smoke: bool, minutes: float) -> None:
        from kusari.backend import get_device

        self.devices = devices
        self.torch_device = torch_device
        self.smoke = smoke
        self._deadline = time.monotonic() + 60 * minutes
        self._opened = [get_device(name) for name in devices]

    @property
    def seconds_left(self) -> float:
        """How long new work may still be begun."""
        return self._deadline - time.monotonic()

    def wait(self) -> None:
        """Wait until the devices have done everything, whoever put it on them."""
        for device in self._opened:
            device.backend.synchronize(device.index)

    def free(self) -> None:
        """Give back the memory that the libraries' pools keep: each has its own."""
        gc.collect()
        cupy, torch = sys.modules.get("cupy"), sys.modules.get("torch")
        if cupy is not None and any(not device.backend.on_host for device in self._opened):
            cupy.get_default_memory_pool().free_all_blocks()
        if torch is not None and self.torch_device not in (None, "cpu"):
            torch.cuda.empty_cache()

    def machine(self) -> dict[str, Any]:
        """Return what the figures depend on."""
        from benchmarks import timing

        found = timing.machine()
        for package in ("kusari", "triton", *(f"cupy-cuda{version}x" for version in (12, 13))):
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        device = self._opened[0]
        if device.backend.on_host:
            return {"accelerator": None, **found}
        import cupy

        runtime = cupy.cuda.runtime
        properties = runtime.getDeviceProperties(device.index)
        return {
            "accelerator": properties["name"].decode(),
            "multiprocessors": properties["multiProcessorCount"],
            "memory_gib": round(properties["totalGlobalMem"] / 2**30),
            "driver_cuda": _dotted(runtime.driverGetVersion()),
            "runtime_cuda": _dotted(runtime.runtimeGetVersion()),
            "cudnn": _cudnn_of_torch() if self.torch_device else None,
            **found,
        }


def open_session(arguments: argparse.Namespace) -> Session:
    """Return the session that the arguments ask for.

    Raises:
        Unavailable: A library or the GPU is missing.
    """
    on_gpu = arguments.device == "gpu"
    find_sources()
    for module, distribution in (NEEDED | (NEEDED_ON_GPU if on_gpu else {})).items():
        if importlib.util.find_spec(module) is None:
            raise Unavailable(f"the Python package {distribution} is not installed")
    from kusari.backend import get_device
    from kusari.errors import BackendUnavailable, UnknownBackend

    devices = tuple(arguments.backend or (("cupy:0", "triton:0") if on_gpu else ("numpy",)))
    for name in devices:
        try:
            on_host = get_device(name).backend.on_host
        except (BackendUnavailable, UnknownBackend, ValueError) as error:
            raise Unavailable(str(error)) from error
        if on_gpu == on_host:
            raise Unavailable(f"--backend {name} is {'' if on_gpu else 'not '}on the host, --device {arguments.device}")
    torch_device = None
    if arguments.torch and arguments.part != "kit":
        torch_device = _torch_device(on_gpu)
    return Session(devices, torch_device, arguments.smoke, arguments.minutes)


def find_sources() -> None:
    """Let this process and those that it starts find Kusari and its plugins in this checkout, installed or not."""
    sources = [str(ROOT / "packages" / package / "src") for package in PACKAGES]
    sys.path[:0] = [source for source in sources if source not in sys.path]
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*sources, *([inherited] if inherited else [])])
    os.environ.setdefault("KUSARI_PLUGINS", ",".join(PLUGINS))


def _torch_device(on_gpu: bool) -> str:
    try:
        import torch
    except ImportError as error:
        raise Unavailable(f"PyTorch cannot be imported ({error}); --no-torch measures Kusari alone") from error
    if not on_gpu:
        return "cpu"
    if not torch.cuda.is_available():
        raise Unavailable(f"PyTorch {torch.__version__} sees no GPU; --no-torch measures Kusari alone")
    torch.backends.cudnn.benchmark = True
    return "cuda:0"


def _cudnn_of_torch() -> str:
    import torch

    version: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return str(version)


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
