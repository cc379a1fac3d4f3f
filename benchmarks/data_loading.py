"""Time epochs of 10,000 images by each iterator and by PyTorch's DataLoader, and watch the memory.

An image is (3, 64, 64), cropped at random, flipped, scaled to float32, and batched 64 at a time with a label. All
loaders run in turn in one process, an epoch each per round; figures are medians over rounds. Memory is that of the
process and everything it started, shared pages counted once (Linux's Pss), after each epoch; the dataset itself
takes 123 MB.

An image costs 60 µs: too little for more processes to be of much use. ``--cost 20`` makes it 1.2 ms, as reading a
photograph does.

    python benchmarks/data_loading.py [--rounds 5] [--workers 2] [--images 10000] [--cost 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kusari.dataset import concat_examples
from kusari.iterators import MultiprocessIterator, MultithreadIterator, SerialIterator

SIDE = 64
CROP = 56
BATCH = 64


class Images:
    """Labeled images, changed at random each time they are read."""

    def __init__(self, size: int, cost: int) -> None:
        generator = np.random.default_rng(0)
        self.images = generator.integers(0, 256, (size, 3, SIDE, SIDE), np.uint8)
        self.labels = generator.integers(0, 10, size)
        self.cost = cost

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        for _ in range(self.cost - 1):
            self._changed(index)
        return self._changed(index)

    def _changed(self, index: int) -> tuple[Any, Any]:
        y, x, flip = np.random.randint(0, SIDE - CROP + 1, 3)  # noqa: NPY002 - the stream that both loaders seed
        image = self.images[index, :, y : y + CROP, x : x + CROP].astype(np.float32)
        image -= 127.5
        image /= 127.5
        return np.ascontiguousarray(image[..., ::-1] if flip & 1 else image), self.labels[index]


class Loader(NamedTuple):
    """One way to go through the images: calling it returns an epoch of batches."""

    name: str
    epoch: Callable[[], Iterator[Any]]
    close: Callable[[], None]


def kusari_loader(name: str, iterator: Any) -> Loader:
    """Return a loader over an iterator that does not repeat."""

    def epoch() -> Iterator[Any]:
        iterator.reset()
        return map(concat_examples, iterator)

    return Loader(name, epoch, iterator.finalize)


def torch_loader(dataset: Images, workers: int) -> Loader:
    """Return PyTorch's, whose workers stay from epoch to epoch, as ours do."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        dataset,
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,  # type: ignore[arg-type]
    )
    return Loader(f"torch DataLoader, {workers} workers", lambda: iter(loader), lambda: None)


def loaders(dataset: Images, workers: int) -> list[Loader]:
    """Return what is compared; as many batches are ahead as PyTorch has: two per worker."""
    options: dict[str, Any] = {"repeat": False, "shuffle": True}
    return [
        kusari_loader("SerialIterator", SerialIterator(dataset, BATCH, **options)),
        kusari_loader(
            f"MultithreadIterator, {workers} threads", MultithreadIterator(dataset, BATCH, n_threads=workers, **options)
        ),
        kusari_loader(
            f"MultiprocessIterator, {workers} workers",
            MultiprocessIterator(dataset, BATCH, n_processes=workers, n_prefetch=2 * workers - 1, **options),
        ),
        torch_loader(dataset, 0),
        torch_loader(dataset, workers),
    ]


class Cost(NamedTuple):
    """What one epoch took."""

    seconds: float
    processor: float
    """Seconds of all processes together: other people's work on the machine changes it less."""


def run(loader: Loader, size: int) -> Cost:
    """Go through one epoch of so many images."""
    start, processor = time.perf_counter(), processor_seconds()
    images = sum(len(batch[0]) for batch in loader.epoch())
    elapsed = time.perf_counter() - start
    assert images == size
    return Cost(elapsed, processor_seconds() - processor)


def processes() -> list[Path]:
    """Return the folders in /proc of this process and of all below it; none where there is no such thing."""
    found, waiting = [], [Path("/proc", str(os.getpid()))]
    while waiting:
        process = waiting.pop()
        found.append(process)
        for task in process.glob("task/*/children"):
            waiting += [Path("/proc", child) for child in task.read_text().split()]
    return found if found[0].is_dir() else []


def processor_seconds() -> float:
    """Return the time that this process and all below it have computed."""
    fields = [(process / "stat").read_text().rpartition(")")[2].split() for process in processes()]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def megabytes() -> float | None:
    """Return the memory of this process and all below it; None where the system does not tell."""
    try:
        accounts = [(process / "smaps_rollup").read_text() for process in processes()]
    except OSError:
        return None
    lines = [line for account in accounts for line in account.splitlines() if line.startswith("Pss:")]
    return round(sum(int(line.split()[1]) for line in lines) / 1024, 1)


def measure(dataset: Images, rounds: int, workers: int) -> list[dict[str, Any]]:
    """Run all in turn, and each alone for its memory."""
    compared = loaders(dataset, workers)
    first = [run(loader, len(dataset)) for loader in compared]  # with the start of the workers
    costs = [[run(loader, len(dataset)) for loader in compared] for _ in range(rounds)]
    for loader in compared:
        loader.close()
    del compared
    rows = []
    for place in range(len(first)):
        loader = loaders(dataset, workers)[place]
        memory = []
        for _ in range(rounds):
            run(loader, len(dataset))
            memory.append(megabytes())
        loader.close()
        median = statistics.median(row[place].seconds for row in costs)
        rows.append(
            {
                "loader": loader.name,
                "first_epoch_s": round(first[place].seconds, 2),
                "epoch_s": round(median, 3),
                "images_per_s": round(len(dataset) / median),
                "ratio": round(statistics.median(row[place].seconds / row[-1].seconds for row in costs), 2),
                "processor_s": round(statistics.median(row[place].processor for row in costs), 2),
                "processor_ratio": round(
                    statistics.median(row[place].processor / row[-1].processor for row in costs), 2
                ),
                "megabytes_after_epochs": memory,
            }
        )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--cost", type=int, default=1, help="how often the work on an image is done")
    parser.add_argument("--json", type=Path, help="write the figures here, with the machine named")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rows = measure(Images(arguments.images, arguments.cost), arguments.rounds, arguments.workers)
    heads = f"{'first s':>8} {'s':>6} {'÷ torch':>8} {'CPU s':>6} {'÷ torch':>8}  MB by epoch"
    print(f"{f'{arguments.images:,} images, an epoch':34} {heads}")
    for row in rows:
        print(
            f"{row['loader']:34} {row['first_epoch_s']:8.2f} {row['epoch_s']:6.2f} {row['ratio']:8.2f} "
            f"{row['processor_s']:6.2f} {row['processor_ratio']:8.2f}  {row['megabytes_after_epochs']}"
        )
    if arguments.json:
        machine = {
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load_average": os.getloadavg(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        }
        arguments.json.write_text(
            json.dumps({"machine": machine, "images": arguments.images, "cost": arguments.cost, "rows": rows}, indent=1)
            + "\n"
        )


if __name__ == "__main__":
    main()
