from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.training import extensions as E

Make = Callable[..., training.Trainer]
EACH = (1, "iteration")


def test_evaluator(small: Make, validation: Any) -> None:
    trainer = small(until=(2, "epoch"))
    model = trainer.updater.get_optimizer("main").target
    modes: list[tuple[bool, bool]] = []
    evaluator = E.Evaluator(
        validation(), model, eval_hook=lambda e: modes.append((kusari.config.train, kusari.config.enable_backprop))
    )
    trainer.extend(evaluator)
    trainer.extend(E.LogReport())
    trainer.run()
    entry = trainer.get_extension("LogReport").log[-1]
    expected = []
    with kusari.using_config("train", False):
        for batch in validation():
            expected.append(model(*kusari.dataset.concat_examples(batch)).item())
    assert len(expected) == 3
    assert entry["validation/main/loss"] == pytest.approx(np.mean(expected))
    assert set(entry) > {"main/loss", "main/accuracy", "validation/main/accuracy"}
    assert modes == [(False, True)] * 2
    assert kusari.config.train


def test_evaluator_by_itself(validation: Any) -> None:
    model = L.Classifier(L.Linear(3, 2))
    evaluator = E.Evaluator(validation(), {"main": model, "other": L.Linear(2, 2)})
    assert set(evaluator()) == {"main/loss", "main/accuracy"}
    evaluator.name = "test"
    assert set(evaluator()) == {"test/main/loss", "test/main/accuracy"}
    assert evaluator.get_target("main") is model
    assert set(evaluator.get_all_targets()) == {"main", "other"}
    assert evaluator.get_iterator("main") is evaluator.get_all_iterators()["main"]


def test_evaluator_with_a_function_and_weights(validation: Any) -> None:
    """What is a pair of a value and its weight gives the mean over examples, though the last batch is smaller."""
    seen: list[Any] = []

    def function(x: Any, t: Any) -> None:
        assert not kusari.config.enable_backprop
        seen.extend(x[:, 0])
        kusari.report({"mean": (x[:, 0].mean(), len(x)), "plain": x[:, 0].mean()})

    result = E.Evaluator(validation(5), L.Linear(1, 1), eval_func=function)()
    assert len(seen) == 13
    assert result["mean"] == pytest.approx(np.mean(seen))
    assert result["plain"] != pytest.approx(np.mean(seen), rel=1e-3)


def test_evaluator_on_a_device(validation: Any, strict: kusari.backend.Backend) -> None:
    model = L.Classifier(L.Linear(3, 2, initialW=np.ones((2, 3), "f")))
    here = E.Evaluator(validation(), model)()
    model.to_device("strict")
    assert E.Evaluator(validation(), model, device="strict")() == pytest.approx(here)


def test_evaluator_on_what_never_ends() -> None:
    iterator = kusari.iterators.SerialIterator([1, 2], 1)
    with pytest.warns(UserWarning, match="repeat=True, so an evaluation may never end"):
        E.Evaluator(iterator, L.Linear(1, 1))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_evaluator_over_a_plain_list_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    evaluator = E.Evaluator([[1.0], [3.0]], L.Linear(1, 1), progress_bar=True)
    evaluator.eval_func = lambda x: kusari.report({"x": x.mean()})
    evaluator._iterators["main"] = iter([[1.0], [3.0]])
    assert evaluator() == {"x": 2.0}
    assert "2 batches" in out.getvalue()


def test_observed_values(counting: Make) -> None:
    trainer, seen = counting(until=20), []
    trainer.extend(E.observe_lr())
    trainer.extend(E.observe_value("twice", lambda trainer: 2 * trainer.updater.iteration), trigger=(5, "iteration"))
    trainer.extend(lambda trainer: seen.append(dict(trainer.observation)), trigger=(5, "iteration"))
    trainer.run()
    assert seen == [{"twice": 10}, {"twice": 20, "lr": 1.0}, {"twice": 30}, {"twice": 40, "lr": 1.0}]


def test_micro_average(counting: Make, round_trip: Any) -> None:
    numerators, denominators = iter([1, 2, 3, 4, 5, 6]), iter([2, 2, 4, 4, 0, 0])
    trainer, seen = counting(until=6), []
    average = E.MicroAverage("n", "d", "r", trigger=(2, "iteration"))

    def observe(trainer: Any) -> None:
        trainer.observation.update(n=next(numerators), d=np.asarray(next(denominators)))

    trainer.extend(observe, priority=300)
    trainer.extend(average)
    trainer.extend(lambda trainer: seen.append(trainer.observation.get("r")))
    trainer.run()
    assert seen[:4] == [None, 0.75, None, 0.875]
    assert math.isnan(seen[5])

    def at(iteration: int, **observation: float) -> Any:
        return SimpleNamespace(
            updater=SimpleNamespace(iteration=iteration, epoch_detail=0.0), observation=dict(observation)
        )

    average, resumed = (E.MicroAverage("n", "d", "r", trigger=(2, "iteration")) for _ in range(2))
    average(at(1, n=1, d=2))
    round_trip(average, resumed)
    second = at(2, n=2, d=2)
    resumed(second)
    assert second.observation["r"] == 0.75
    with pytest.raises(KeyError, match="needs 'n' and 'd' in every iteration; observed: m"):
        resumed(at(3, m=1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_fail_on_non_number(small: Make, value: float, tmp_path: Path) -> None:
    trainer = small(until=(9, "iteration"))
    model = trainer.updater.get_optimizer("main").target

    def spoil(trainer: training.Trainer) -> None:
        model.predictor.l1.W.array[1, 1] = value

    trainer.extend(spoil, trigger=(3, "iteration"), priority=300)
    trainer.extend(E.FailOnNonNumber())
    trainer.extend(E.snapshot(), trigger=EACH)
    with pytest.raises(RuntimeError, match=r"optimizer 'main' are not finite any more: /predictor/l1/W; "):
        trainer.run()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["snapshot_iter_1", "snapshot_iter_2"]


def test_parameter_statistics(counting: Make, backend: kusari.backend.Backend) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5)).astype("f")
    values[0, :2] = 0
    link = L.Linear(5, 4, initialW=values)
    link.name = "link"
    link.cleargrads()
    link.to_device(backend.name)
    trainer, seen = counting(until=1), {}
    trainer.extend(E.ParameterStatistics(link, trigger=EACH, prefix="p"))
    trainer.extend(lambda trainer: seen.update(trainer.observation))
    trainer.run()
    found = {key: kusari.reporter.read_number(value) for key, value in seen.items() if "/W/" in key}
    percents = [0.13, 2.28, 15.87, 50, 84.13, 97.72, 99.87]
    expected = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max(), "zeros": 2}
    expected |= {f"percentile/{i}": value for i, value in enumerate(np.percentile(values, percents))}
    assert found == pytest.approx({f"p/link/W/data/{key}": value for key, value in expected.items()}, abs=1e-6)


def test_own_statistics(counting: Make) -> None:
    model = kusari.Chain(a=L.Linear(2, 1, initialW=np.asarray([[np.nan, 1]], "f"), nobias=True))
    trainer, seen = counting(until=1), {}
    for name, skip in (("all", False), ("skip", True)):
        statistics = E.ParameterStatistics(
            [model], {"pair": lambda x: [1, 2]}, report_grads=False, prefix=name, trigger=EACH, skip_nan_params=skip
        )
        statistics.register_statistics("count", lambda x: x.size)
        trainer.extend(statistics)
    trainer.extend(lambda trainer: seen.update(trainer.observation))
    trainer.run()
    assert {key: value for key, value in seen.items() if key.startswith("all")} == {
        "all/None/a/W/data/pair/0": 1,
        "all/None/a/W/data/pair/1": 2,
        "all/None/a/W/data/count": 2,
    }
    assert math.isnan(seen["skip/None/a/W/data/count"])
    with pytest.raises(ValueError, match="expected 'default'"):
        E.ParameterStatistics(model, "usual")


@pytest.mark.parametrize("keep", [False, True])
def test_graphs_are_cut(counting: Make, keep: bool) -> None:
    trainer = counting(until=1)
    x = kusari.Parameter(np.ones(2, "f"))
    seen: list[Any] = []

    def observe(trainer: training.Trainer) -> None:
        kusari.report({"loss": F.sum(x * 2)})
        seen.append(trainer.observation["loss"])
        assert (seen[0].creator is not None) is keep

    trainer.extend(observe)
    trainer.extend(E.unchain_variables())
    with kusari.using_config("keep_graph_on_report", keep):
        trainer.run()
    assert seen[0].creator is None


def dot_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_graph(small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_trip: Any) -> None:
    dot_missing(monkeypatch)
    trainer = small(until=(3, "iteration"))
    dump = E.DumpGraph("main/loss", variable_style={"shape": "octagon"})
    trainer.extend(dump)
    kept: list[bool] = []
    trainer.extend(lambda trainer: kept.append(trainer.observation["main/loss"].creator is not None))
    trainer.run()
    text = (tmp_path / "out" / "cg.dot").read_text()
    assert text.startswith("digraph")
    for part in ("LinearFunction", "Dropout", "SoftmaxCrossEntropy", "octagon"):
        assert part in text
    assert kept == [True, False, False]
    assert not kusari.config.keep_graph_on_report
    (tmp_path / "out" / "cg.dot").unlink()
    resumed = E.DumpGraph("main/loss")
    round_trip(dump, resumed)
    trainer = small(until=(1, "iteration"))
    trainer.extend(resumed)
    trainer.run()
    assert not list((tmp_path / "out").iterdir())


def test_graph_of_what_was_not_reported(small: Make) -> None:
    trainer = small(until=(3, "iteration"))
    trainer.extend(E.DumpGraph("main/los", out_name="x.dot"))
    with pytest.raises(ValueError, match=r"'main/los'.*no such Variable was reported; there are: main/loss"):
        trainer.run()
    assert not kusari.config.keep_graph_on_report


def test_graph_drawn(small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("subprocess.run", lambda command, check: calls.append(command))
    trainer = small(until=(1, "iteration"))
    trainer.extend(E.DumpGraph("main/loss", "graph.dot"))
    trainer.run()
    out = tmp_path / "out"
    assert calls == [["/bin/dot", "-Tpng", str(out / "graph.dot"), "-o", str(out / "graph.png")]]
