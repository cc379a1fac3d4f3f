"""Kill runs of the digits example at random moments, resume each, and compare the end with that of a run left alone.

    python tests/resume_under_kill.py COUNT [--samples 480] [--processes 2] [--seed SEED] [--out FOLDER]

Each run is ``examples/digits/train.py --resume`` with worker processes that fetch batches ahead. Each kill is a SIGKILL
to the main process alone, at a random moment between starting its workers and the end of its third epoch: in the middle
of an update, of writing a snapshot, of anything. After each, workers and shared memory must go away by
themselves. In the end the last snapshot and the model must be equal to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

TRAIN = Path(__file__).parents[1] / "examples" / "digits" / "train.py"
SHARED_MEMORY = Path("/dev/shm")
GRACE = 30.0
"""Seconds that workers have to notice that their owner is gone."""
HANGS = 300.0
"""Seconds after which a run that completes no epoch is killed all the same."""


def start(out: Path, arguments: argparse.Namespace, epochs: int) -> subprocess.Popen[str]:
    """Start or resume a run in a session of its own; return once it is about to train."""
    command = [sys.executable, "-W", "error", str(TRAIN), "--resume", "--out", str(out), "--epochs", str(epochs)]
    command += ["--samples", str(arguments.samples), "--processes", str(arguments.processes)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    first = run.stdout.readline()  # "480 digits on numpy"
    if "digits on" not in first:
        sys.exit(f"a run did not begin to train: exit code {run.wait()}")
    return run


def finish(run: subprocess.Popen[str]) -> float:
    """Wait for a run, and return the seconds that it took; end if it failed."""
    began = time.perf_counter()
    run.communicate()
    if run.returncode != 0:
        sys.exit(f"a run that nobody killed ended with {run.returncode}")
    return time.perf_counter() - began


def kill(run: subprocess.Popen[str]) -> bool:
    """Kill a run's main process, and wait for all that it started; return whether it was alive."""
    alive = run.poll() is None
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + GRACE
    while left := [*processes_of(run.pid), *SHARED_MEMORY.glob(f"kusari-{run.pid}-*")]:
        if time.monotonic() > deadline:
            sys.exit(f"{GRACE:g} s after the kill there are still {', '.join(map(str, left))}")
        time.sleep(0.05)
    assert run.stdout is not None
    run.stdout.close()
    return alive


def processes_of(session: int) -> Iterator[str]:
    """Yield the living processes of a session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone meanwhile
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                yield f"process {stat.parent.name}"


def snapshots(out: Path) -> list[Path]:
    """Return the snapshots in a folder, the newest last."""
    return sorted(out.glob("snapshot_iter_*"), key=iteration)


def iteration(snapshot: Path) -> int:
    """Return the iteration of a snapshot."""
    return int(snapshot.name.rpartition("_")[2])


def newest(out: Path) -> int:
    """Return the iteration of the newest snapshot; 0 where there is none."""
    return max(map(iteration, snapshots(out)), default=0)


def wait(run: subprocess.Popen[str], seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Wait so long, or until something is so or the run has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and run.poll() is None and not until():
        time.sleep(min(0.01, seconds))


def content(snapshot: Path) -> dict[str, Any]:
    """Return a snapshot's values, without the times that it took."""
    found: dict[str, Any] = {}
    with np.load(snapshot) as saved:
        for name in saved.files:
            if name.endswith("LogReport/_log"):
                log = json.loads(saved[name].item())
                found[name] = [{key: value for key, value in entry.items() if key != "elapsed_time"} for entry in log]
            elif name == "random_streams":
                streams = json.loads(saved[name].item())
                del streams["numpy"]  # NumPy's global stream: the example neither seeds it nor draws from it
                found[name] = streams
            elif "elapsed_time" not in name:
                found[name] = saved[name].tobytes()
    return found


def compare(alone: Path, killed: Path) -> int:
    """Return how many values are equal to the last bit; end where one is not."""
    last = snapshots(alone)[-1].name
    expected, found = content(alone / last), content(killed / last)
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if (alone / "model.npz").read_bytes() != (killed / "model.npz").read_bytes():
        different.append("model.npz")
    if different:
        sys.exit(f"different: {', '.join(different)}")
    return len(expected)


def main() -> None:
    """Read the arguments; train, kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=3, help="how often to kill")
    parser.add_argument("--out", type=Path, help="an empty folder; default: a temporary one")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--samples", type=int, default=480, help="digits in an epoch")
    parser.add_argument("--processes", type=int, default=2, help="workers that fetch batches ahead; 0: none")
    arguments = parser.parse_args()
    epochs = 4 + 2 * arguments.count  # a run completes up to two before it is killed
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        alone, killed = (arguments.out or Path(temporary)) / "left alone", (arguments.out or Path(temporary)) / "killed"
        seconds = finish(start(alone, arguments, epochs))
        before_last, last = (snapshot.stat().st_mtime for snapshot in snapshots(alone))
        epoch, length = last - before_last, newest(alone) // epochs
        until_training = max(0.0, seconds - epochs * epoch)
        print(f"left alone: {epochs} epochs of {epoch:.2f} s, after {until_training:.2f} s", flush=True)
        kills = 0
        for number in range(1, arguments.count + 1):
            before, run = newest(killed), start(killed, arguments, epochs)
            complete = chance.randrange(3)
            if complete == 0:
                wait(run, chance.uniform(0, until_training))
            else:
                wait(run, HANGS, until=lambda goal=before + complete * length: newest(killed) >= goal)
            wait(run, chance.uniform(0, epoch))
            alive = kill(run)
            kills += alive
            what = "killed" if alive else "had ended"
            print(f"{number}: {what} from iteration {before} to {newest(killed)} and some", flush=True)
        finish(start(killed, arguments, epochs))
        print(f"after {kills} kills: {compare(alone, killed)} values and the model, equal to the last bit")


if __name__ == "__main__":
    main()
