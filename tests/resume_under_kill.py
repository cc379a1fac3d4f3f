"""Kill a training run at random moments, resume it each time, and compare its end with that of a run left alone.

    python tests/resume_under_kill.py COUNT [--out FOLDER] [--seed SEED]

The run trains a small network on the digits of scikit-learn, with shuffling, dropout and Adam, takes a snapshot every
few iterations, and loads the newest one when it begins. Each kill is a SIGKILL at a random moment after the run has
begun to train: in the middle of an update, of writing a snapshot, of anything. In the end the last snapshots must be
equal to the last bit.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ITERATIONS = 120
LAST = f"snapshot_iter_{ITERATIONS}"


def train(out: Path, pause: float) -> None:
    """Train, going on from the newest snapshot in the folder.

    Args:
        out: The folder.
        pause: Seconds to wait in each iteration, so that there is something to kill.
    """
    from sklearn.datasets import load_digits

    import kusari
    import kusari.functions as F
    import kusari.links as L
    from kusari import training
    from kusari.training import extensions

    class Network(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.l1 = L.Linear(64, 32)
                self.l2 = L.Linear(32, 10)

        def forward(self, x: Any) -> kusari.Variable:
            return self.l2(F.dropout(F.relu(self.l1(x)), 0.2))

    images, labels = load_digits(return_X_y=True)
    digits = kusari.datasets.TupleDataset((images / 16).astype("f"), labels.astype("i"))
    if not any(out.glob("snapshot_iter_*")):
        kusari.seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  # NumPy's global stream is a part of snapshots
    # A resumed run begins with other random numbers on purpose: everything has to come from the snapshot.
    model = L.Classifier(Network())
    optimizer = kusari.optimizers.Adam().setup(model)
    updater = training.StandardUpdater(kusari.iterators.SerialIterator(digits, 48), optimizer)
    trainer = training.Trainer(updater, (ITERATIONS, "iteration"), out=out)
    trainer.extend(extensions.LogReport(["main/loss", "main/accuracy"], (10, "iteration")))
    trainer.extend(extensions.CosineShift("alpha", ITERATIONS))
    trainer.extend(extensions.snapshot(n_retains=3, autoload=True), trigger=(4, "iteration"))
    trainer.extend(lambda trainer: print(trainer.updater.iteration, flush=True), name="print")
    trainer.extend(lambda trainer: time.sleep(pause), name="pause")
    trainer.run()


def start(out: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    """Start a run in a process of its own."""
    command = [sys.executable, "-W", "error", __file__, "--train", str(out), "--pause", str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(run: subprocess.Popen[str]) -> None:
    """Wait for a run; end if it failed."""
    run.communicate()
    if run.returncode != 0:
        sys.exit(f"a run that nobody killed ended with {run.returncode}")


def killed(out: Path, seconds: float) -> str:
    """Start or resume a run, kill it so many seconds after its first iteration, and say when that was."""
    with start(out, pause=0.01) as run:
        assert run.stdout is not None
        first = run.stdout.readline().strip()
        time.sleep(seconds)
        run.send_signal(signal.SIGKILL)
        later = run.stdout.read().split()
    if run.returncode == 0:
        return f"began with iteration {first or '-'}, had ended before it was killed"
    return f"began with iteration {first or '-'}, killed after {(later or [first])[-1]}"


def content(path: Path) -> dict[str, Any]:
    """Return a snapshot's values, without the time that it took."""
    with np.load(path) as saved:
        return {
            name: saved[name]
            for name in saved.files
            if "elapsed_time" not in name and not name.endswith("LogReport/_log")
        }


def main() -> None:
    """Read the arguments; train, or kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=3, help="how often to kill")
    parser.add_argument("--out", type=Path, help="an empty folder; default: a temporary one")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pause", type=float, default=0.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train is not None:
        train(arguments.train, arguments.pause)
        return
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        finish(start(out / "left alone"))
        chance = random.Random(arguments.seed)
        for number in range(1, arguments.count + 1):
            # About 2 s of iterations are there to be shared by all kills.
            print(f"{number}: {killed(out / 'killed', chance.uniform(0, 3 / arguments.count))}", flush=True)
        finish(start(out / "killed"))
        expected, found = content(out / "left alone" / LAST), content(out / "killed" / LAST)
        different = [name for name in expected if expected[name].tobytes() != found[name].tobytes()]
        if different or expected.keys() != found.keys():
            sys.exit(f"different after {arguments.count} kills: {', '.join(different) or 'other values'}")
        print(f"after {arguments.count} kills: {len(expected)} values, equal to the last bit")


if __name__ == "__main__":
    main()
