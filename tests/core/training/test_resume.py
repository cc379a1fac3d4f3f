"""A run that was resumed ends equal, to the last bit, to one that was not interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.links as L
from kusari import training
from kusari.serializers import load_npz
from kusari.training import extensions as E
from kusari.training import triggers as T

Make = Callable[..., training.Trainer]
LENGTH = 14  # iterations; 20 examples in batches of 6 make 3⅓ an epoch
SCRIPT = Path(__file__).parents[2] / "resume_under_kill.py"

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: kusari.optimizers.Adam(0.01),
    "MomentumSGD": lambda: kusari.optimizers.MomentumSGD(0.1),
    "AdaDelta": lambda: kusari.optimizers.AdaDelta(),
}


def extended(trainer: training.Trainer, validation: Any) -> training.Trainer:
    """Give a trainer everything that keeps a state."""
    optimizer = trainer.updater.get_optimizer("main")
    attribute = "alpha" if hasattr(optimizer, "alpha") else "lr" if "lr" in vars(optimizer.hyperparam) else "rho"
    optimizer.add_hook(kusari.optimizer_hooks.WeightDecay(1e-3))
    optimizer.add_hook(kusari.optimizer_hooks.GradientNoise(0.1))
    trainer.extend(E.Evaluator(validation(), optimizer.target))
    trainer.extend(E.LogReport(trigger=(0.7, "epoch")))
    trainer.extend(E.LogReport(trigger=(5, "iteration")), name="second")
    trainer.extend(E.PlotReport("main/loss", trigger=(5, "iteration"), filename="plot.svg"))
    trainer.extend(E.ExponentialShift(attribute, 0.9), trigger=(0.5, "epoch"))
    trainer.extend(E.MicroAverage("main/loss", "main/accuracy", "ratio", trigger=(4, "iteration")))
    trainer.extend(lambda trainer: np.random.random(), name="global stream")  # noqa: NPY002
    trainer.extend(_note, name="note")
    best = T.MinValueTrigger("main/loss", (3, "iteration"))
    trainer.extend(E.snapshot_object(optimizer.target, "best_{.updater.iteration}"), trigger=best)
    trainer.extend(E.snapshot(), trigger=(1, "iteration"))
    return trainer


@training.make_extension(priority=training.PRIORITY_WRITER)
def _note(trainer: training.Trainer) -> None:
    """Observe draws of every stream that a program may use: a difference would show in the log."""
    import random

    trainer.observation["python"] = random.random()
    trainer.observation["numpy"] = np.random.random()  # noqa: NPY002
    trainer.observation["host"] = kusari.backend.host_generator().random()


def content(path: Path) -> dict[str, Any]:
    """Return what a snapshot has, without how long it took."""
    with np.load(path) as saved:
        values = {name: saved[name] for name in saved.files if name != "_snapshot_elapsed_time"}
    for name, value in values.items():
        if name.endswith("_log"):
            entries = kusari_json(str(value))
            for entry in entries:
                del entry["elapsed_time"]
            values[name] = entries
    return values


def kusari_json(text: str) -> Any:
    import json

    return json.loads(text)


def assert_equal(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        a, b = first[name], second[name]
        same = a == b if isinstance(a, list) else a.dtype == b.dtype and a.tobytes() == b.tobytes()
        assert same, f"{name} is not the same"


def stop_trigger() -> Any:
    return T.EarlyStoppingTrigger((2, "iteration"), "main/loss", 99, max_trigger=(LENGTH, "iteration"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the runs that were not interrupted, filled on first use."""
    return {}


@pytest.mark.parametrize("at", [1, 3, 4, 7, 10, LENGTH])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_is_equal(
    small: Make,
    validation: Any,
    at: int,
    optimizer: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    uninterrupted: dict[str, Path],
) -> None:
    last = f"snapshot_iter_{LENGTH}"
    if optimizer not in uninterrupted:
        uninterrupted[optimizer] = tmp_path_factory.mktemp(optimizer)
        kusari.seed(3)
        np.random.seed(4)  # noqa: NPY002
        extended(small(stop_trigger(), OPTIMIZERS[optimizer](), uninterrupted[optimizer]), validation).run()
    kusari.seed(1000 + at)  # the resumed program begins anywhere
    np.random.seed(2000 + at)  # noqa: NPY002
    kusari.backend.host_generator().random(at)
    trainer = extended(small(stop_trigger(), OPTIMIZERS[optimizer](), tmp_path), validation)
    load_npz(uninterrupted[optimizer] / f"snapshot_iter_{at}", trainer)
    kusari.backend.host_generator().random(7)  # somebody draws between loading and running
    np.random.random(7)  # noqa: NPY002
    assert trainer.updater.iteration == at
    trainer.run()
    assert trainer.updater.iteration == LENGTH
    if at == LENGTH:
        assert not (tmp_path / last).exists(), "it had ended, and ends at once"
        return
    assert_equal(content(tmp_path / last), content(uninterrupted[optimizer] / last))
    bests = {path.name for path in uninterrupted[optimizer].glob("best_*") if int(path.name[5:]) > at}
    assert {path.name for path in tmp_path.glob("best_*")} == bests


@pytest.mark.parametrize("at", [1, 5])
def test_mixed_precision(tmp_path: Path, at: int) -> None:
    """The float32 copies of 16-bit parameters, and the loss scale, go on where they were."""

    def make(out: str) -> training.Trainer:
        with kusari.using_config("dtype", kusari.mixed16):
            layer = L.Linear(3, 2)
        model = L.Classifier(layer)
        optimizer = kusari.optimizers.Adam(1e-4, eps=1e-4)
        optimizer.use_fp32_update()
        optimizer.setup(model)
        optimizer.loss_scaling()
        return training.Trainer(training.StandardUpdater(iterator(), optimizer), (9, "iteration"), out=tmp_path / out)

    def iterator() -> Any:
        x = np.random.default_rng(0).normal(size=(12, 3)).astype("float16")
        data = kusari.datasets.TupleDataset(x, (x.sum(axis=1) > 0).astype("i"))
        return kusari.iterators.SerialIterator(data, 5)

    kusari.seed(1)
    whole = make("whole")
    whole.extend(E.snapshot(), trigger=(1, "iteration"))
    whole.run()
    kusari.seed(2)
    resumed = make("resumed")
    resumed.extend(E.snapshot(), trigger=(1, "iteration"))
    load_npz(tmp_path / "whole" / f"snapshot_iter_{at}", resumed)
    resumed.run()
    first, second = (content(tmp_path / out / "snapshot_iter_9") for out in ("whole", "resumed"))
    assert first["updater/model:main/predictor/W"].dtype == np.float16
    assert_equal(first, second)


def test_a_longer_training(small: Make, validation: Any, tmp_path: Path) -> None:
    """The stop trigger of a run that had ended may be another one."""

    def make(until: int, out: str) -> training.Trainer:
        kusari.seed(5)
        trainer = small((until, "iteration"), out=tmp_path / out)
        trainer.extend(E.snapshot(), trigger=(until, "iteration"))
        return trainer

    make(9, "whole").run()
    make(6, "part").run()
    resumed = make(9, "resumed")
    load_npz(tmp_path / "part" / "snapshot_iter_6", resumed, ignore_names=lambda name: "_Snapshot" in name)
    resumed.run()
    assert resumed.updater.iteration == 9
    whole, part = (content(tmp_path / out / "snapshot_iter_9") for out in ("whole", "resumed"))
    for name in whole:
        if "model" in name or "random" in name:
            assert whole[name].tobytes() == part[name].tobytes()


@pytest.mark.parametrize("stream", ["host", "strict"])
def test_streams_that_are_opened_later(stream: str, strict: kusari.backend.Backend) -> None:
    """A stream that the saved run had and the resumed program has not opened yet goes on where it was."""
    from kusari.backend.random import host_generator, random_source, restore_streams, save_streams

    def draw() -> float:
        if stream == "host":
            return float(host_generator().random())
        return float(strict.to_host(random_source(strict).uniform((), "float32")))

    kusari.seed(11)
    draw()
    text = save_streams()
    expected = [draw(), draw()]
    kusari.seed(12)
    restore_streams(text)
    assert save_streams() == text, "saved again before it is opened, it is what it was"
    assert [draw(), draw()] == expected
    kusari.seed(11)
    text = save_streams()
    expected = [draw()]
    kusari.seed(12)
    draw()
    restore_streams(text)  # it was not open then: it begins anew from that seed
    assert [draw()] == expected


def test_a_load_that_fails_changes_nothing(small: Make, validation: Any, tmp_path: Path) -> None:
    kusari.seed(1)
    source = extended(small((3, "iteration"), out=tmp_path / "a"), validation)
    source.run()
    target = extended(small((9, "iteration"), out=tmp_path / "b"), validation)
    target.extend(E.LogReport(), name="not in the file")
    before = kusari.serializers.DictionarySerializer()
    before.save(target)
    with pytest.raises(KeyError, match="not in the file"):
        load_npz(tmp_path / "a" / "snapshot_iter_3", target)
    after = kusari.serializers.DictionarySerializer()
    after.save(target)
    assert_equal(
        {name: np.asarray(value) for name, value in before.target.items()},
        {name: np.asarray(value) for name, value in after.target.items()},
    )


def test_of_a_file_without_what_the_original_did_not_save(small: Make, tmp_path: Path) -> None:
    source = small((3, "iteration"), out=tmp_path / "a")
    source.extend(E.snapshot(), trigger=(3, "iteration"))
    source.run()
    with np.load(tmp_path / "a" / "snapshot_iter_3") as saved:
        old = {
            name: saved[name]
            for name in saved.files
            if (
                "hyperparameters" not in name
                and "random_streams" not in name
                and not name.endswith(("/iteration", "/epoch_detail"))
            )
            or name == "updater/iteration"
        }
    np.savez(tmp_path / "old.npz", **old)
    target = small((5, "iteration"), out=tmp_path / "b")
    target.extend(E.snapshot(), trigger=(3, "iteration"))
    load_npz(tmp_path / "old.npz", target)
    assert target.updater.iteration == 3
    target.run()
    assert target.updater.iteration == 5


def test_uninitialized_parameters_are_restored(small: Make, tmp_path: Path) -> None:
    source, target = small((2, "iteration")), small((2, "iteration"))
    source.extend(E.snapshot(), trigger=(2, "iteration"))
    source.run()
    model = target.updater.get_optimizer("main").target
    assert model.predictor.l2.W.array is None
    target.extend(E.snapshot(), trigger=(2, "iteration"))
    load_npz(tmp_path / "out" / "snapshot_iter_2", target)
    assert model.predictor.l2.W.array.shape == (2, 8)
    assert isinstance(model, L.Classifier)


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """The digits example, with worker processes: two kills leave nothing behind and change nothing."""
    pytest.importorskip("sklearn", reason="the digits are embedded in scikit-learn")
    pytest.importorskip("matplotlib", reason="the example plots")
    command = [sys.executable, str(SCRIPT), "2", "--samples", "144", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the last bit" in done.stdout
