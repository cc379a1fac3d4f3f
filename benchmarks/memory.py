"""The memory that a step adds: each side in a fresh process of its own.

What counts is the process's peak resident memory (Linux's VmHWM) over three steps, less what was resident before the
model was made. By then everything has been imported and two steps of a tiny net of convolutions, batch normalization
and a linear layer are done, so that libraries, compiled code and threads' stacks do not count, while parameters,
gradients, optimizer state, activations and workspace do.

VmHWM rather than ``ru_maxrss``, which a process inherits from the one that started it.

    python benchmarks/memory.py NAME GROUP SIDE SETTING      prints {"base_mib": …, "peak_mib": …}
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks.worker import environment, script
from benchmarks.workloads import catalogue, models
from benchmarks.workloads.workload import Run

STATUS: Final = Path("/proc/self/status")
STEPS: Final = 3
SIDES: Final = ("kusari", "torch")


def available() -> bool:
    """Say whether this system tells a process its peak."""
    return STATUS.exists()


def resident(field: str, status: str) -> float:
    """Return a field of a process's status, ``VmRSS`` or ``VmHWM``, in MiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ValueError(f"no line {field} in {status!r}")
    return int(found[1]) / 1024


def added(name: str, group: str, side: str, setting: str, threads: int) -> dict[str, float]:
    """Return what a workload adds to a fresh process of one side, in MiB: ``base_mib``, ``peak_mib``, ``added_mib``."""
    command = [sys.executable, script("memory.py"), name, group, side, setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(threads))
    if done.returncode != 0:
        raise RuntimeError(f"measuring the memory of {name!r} on the side {side!r} failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures | {"added_mib": round(figures["peak_mib"] - figures["base_mib"], 1)}


def tiny(b: Any) -> Any:
    """One layer of each kind that most models have."""
    parts = (b.convolution(3, 16, 3, pad=1), b.batch_norm(16), b.relu(), b.convolution(16, 16, 3, pad=1), b.relu())
    return b.sequence(*parts, b.global_average(), b.linear(16, models.CLASSES))


def warm_up(side: str, setting: str) -> None:
    """Run two tiny steps on one side: what either library does only once is done by then."""
    shape = (2, 3, 12, 12)
    if side == "kusari":
        run = models.our_step(tiny, shape, "momentum")()
    else:
        form = "channels_last" if "channels_last" in setting else "contiguous"
        run = models.their_step(tiny, shape, "momentum", form, "fused" if "fused" in setting else "foreach")()
    for _ in range(2):
        run()


def watch(make: Any) -> dict[str, float]:
    """Return the memory before and at the peak of a few runs."""
    gc.collect()
    with contextlib.suppress(OSError):  # where it may not be reset, the peak is at least that of the imports
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    base = resident("VmRSS", STATUS.read_text(encoding="ascii"))
    run: Run = make()
    for _ in range(STEPS):
        run()
    return {"base_mib": round(base, 1), "peak_mib": round(resident("VmHWM", STATUS.read_text(encoding="ascii")), 1)}


def main() -> None:
    """Measure in this process."""
    name, group, side, setting = sys.argv[1:]
    if side not in SIDES:
        raise SystemExit(f"the side is {side!r}; expected one of {', '.join(SIDES)}")
    workload = catalogue.find(name, group)
    warm_up(side, setting)
    print(json.dumps(watch((workload.ours if side == "kusari" else workload.theirs)[setting])))


if __name__ == "__main__":
    main()
