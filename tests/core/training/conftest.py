"""Small trainings for the tests of this folder: a counter instead of updates, and a network that fits in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training


class Counting(training.Updater):
    """An updater that only counts: so many iterations are an epoch."""

    def __init__(self, per_epoch: int = 10, target: Any = None) -> None:
        self.iteration = 0
        self.per_epoch = per_epoch
        self.finalized = 0
        self.during: Callable[[], None] = lambda: None
        self.optimizer: Any = kusari.optimizers.SGD(lr=1.0).setup(L.Linear(1, 1) if target is None else target)

    @property
    def epoch(self) -> int:  # type: ignore[override]
        return self.iteration // self.per_epoch

    @property
    def epoch_detail(self) -> float:  # type: ignore[override]
        return self.iteration / self.per_epoch

    def get_optimizer(self, name: str) -> Any:
        return {"main": self.optimizer}[name]

    def get_all_optimizers(self) -> dict[str, Any]:
        return {"main": self.optimizer}

    def update(self) -> None:
        self.during()
        self.iteration += 1

    def finalize(self) -> None:
        self.finalized += 1

    def serialize(self, serializer: Any) -> None:
        self.iteration = serializer("iteration", self.iteration)


class Network(kusari.Chain):
    """Three inputs, two classes; random even after it is built, and with persistent state."""

    def __init__(self) -> None:
        super().__init__()
        with self.init_scope():
            self.l1 = L.Linear(3, 8)
            self.l2 = L.Linear(None, 2)
        self.calls = 0
        self.register_persistent("calls")

    def forward(self, x: Any) -> Any:
        if kusari.config.train:
            self.calls += 1
        return self.l2(F.dropout(F.relu(self.l1(x)), 0.3))


def examples(count: int = 20) -> Any:
    """Return examples that a line separates."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(count, 3)).astype("f")
    return kusari.datasets.TupleDataset(x, (x.sum(axis=1) > 0).astype("i"))


@pytest.fixture
def counting(tmp_path: Path) -> Callable[..., training.Trainer]:
    """Return a function that makes a trainer over a counter: ``counting(until=20, per_epoch=10)``."""

    def make(until: Any = 20, per_epoch: int = 10, out: Any = None, **options: Any) -> training.Trainer:
        stop = (until, "iteration") if isinstance(until, int) else until
        return training.Trainer(Counting(per_epoch), stop, out=tmp_path / "out" if out is None else out, **options)

    return make


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., training.Trainer]:
    """Return a function that makes a trainer of a small network, the same one each time but for what is random."""

    def make(
        until: Any = (4, "epoch"), optimizer: Any = None, out: Any = None, device: Any = None, **options: Any
    ) -> training.Trainer:
        model = L.Classifier(Network())
        optimizer = (kusari.optimizers.Adam(0.01) if optimizer is None else optimizer).setup(model)
        iterator = kusari.iterators.SerialIterator(examples(), 6)
        updater = training.StandardUpdater(iterator, optimizer, device=device, **options)
        return training.Trainer(updater, until, out=tmp_path / "out" if out is None else out)

    return make


@pytest.fixture
def validation() -> Callable[..., Any]:
    """Return a function that makes an iterator over other examples, once through."""
    return lambda size=5: kusari.iterators.SerialIterator(examples(13), size, repeat=False, shuffle=False)


def observing(values: Any, key: str = "x") -> Any:
    """Return an extension that reports one of the values in each iteration; None: nothing."""
    source = iter(values)

    @training.make_extension(priority=training.PRIORITY_WRITER, default_name="observing")
    def observe(trainer: training.Trainer) -> None:
        value = next(source)
        if value is not None:
            trainer.observation[key] = value

    return observe


@pytest.fixture(name="observing")
def _observing() -> Any:
    return observing


@pytest.fixture
def round_trip() -> Callable[[Any, Any], None]:
    """Return a function that gives one object what another one would have saved."""

    def restore(source: Any, target: Any) -> None:
        serializer = kusari.serializers.DictionarySerializer()
        serializer.save(source)
        kusari.serializers.NpzDeserializer(serializer.target).load(target)

    return restore
