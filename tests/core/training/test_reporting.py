from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kusari.links as L
from kusari import training
from kusari.training import extensions as E
from kusari.training.sinks import JsonLines, TensorBoard

Make = Callable[..., training.Trainer]
EACH = (1, "iteration")


# The log. ------------------------------------------------------------------------------------------------------------


def test_log(counting: Make, observing: Any, tmp_path: Path) -> None:
    trainer = counting(until=4, per_epoch=2)
    trainer.extend(observing([1.0, 2.0, 4.0, None]))
    log = E.LogReport(postprocess=lambda entry: entry.update(z=1))
    trainer.extend(log)
    trainer.run()
    written = json.loads((tmp_path / "out" / "log").read_text())
    assert written == log.log
    for entry in log.log:
        assert entry.pop("elapsed_time") > 0
    assert log.log == [{"x": 1.5, "epoch": 1, "iteration": 2, "z": 1}, {"x": 4.0, "epoch": 2, "iteration": 4, "z": 1}]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["log"]


def test_log_of_chosen_values_under_chosen_names(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=2)
    trainer.extend(lambda trainer: trainer.observation.update(a=1, b=2), priority=300)
    trainer.extend(E.LogReport(["a", "c"], EACH, filename="log_{iteration}"))
    trainer.extend(E.LogReport(trigger=EACH, filename=None), name="silent")
    trainer.extend(E.LogReport(trigger=EACH, log_name="old"), name="old")
    trainer.run()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["log_1", "log_2", "old"]
    assert set(trainer.get_extension("LogReport").log[0]) == {"a", "epoch", "iteration", "elapsed_time"}
    with pytest.raises(TypeError, match="unexpected keyword"):
        E.LogReport(file="x")


def test_a_log_that_cannot_be_written_leaves_the_old_one(counting: Make, observing: Any, tmp_path: Path) -> None:
    trainer = counting(until=2)
    trainer.extend(observing([1.0, 2.0]))
    trainer.extend(
        E.LogReport(
            trigger=EACH, postprocess=lambda entry: entry.update({"bad": object()} if entry["iteration"] == 2 else {})
        )
    )
    with pytest.raises(TypeError, match="not JSON serializable"):
        trainer.run()
    assert [entry["x"] for entry in json.loads((tmp_path / "out" / "log").read_text())] == [1.0]
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_print(counting: Make, observing: Any) -> None:
    out = io.StringIO()
    trainer = counting(until=3)
    trainer.extend(observing([0.5, 12345678.0, None]))
    trainer.extend(E.LogReport(trigger=EACH))
    trainer.extend(E.PrintReport(["iteration", "x", "a longer name"], out=out))
    trainer.run()
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "iteration   x           a longer name",
        "1           0.5",
        "2           1.23457e+07",
        "3",
    ]


def test_print_with_a_log_of_its_own(counting: Make, observing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = counting(until=2)
    trainer.extend(observing([1, 2]))
    trainer.extend(E.PrintReport(["x"], E.LogReport(trigger=EACH, filename=None)))
    trainer.run()
    assert capsys.readouterr().out.split() == ["x", "1", "2"]


def test_print_without_a_log(counting: Make) -> None:
    trainer = counting(until=2)
    trainer.extend(E.PrintReport(["x"]))
    with pytest.raises(ValueError, match="'LogReport' not found"):
        trainer.run()
    trainer = counting(until=2)
    trainer.extend(lambda trainer: None, name="LogReport")
    trainer.extend(E.PrintReport(["x"]))
    with pytest.raises(ValueError, match="expected a LogReport"):
        trainer.run()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_without_a_terminal(counting: Make) -> None:
    out = io.StringIO()
    trainer = counting(until=25)
    trainer.extend(E.ProgressBar(update_interval=10, out=out))
    trainer.run()
    first, second = out.getvalue().splitlines()
    assert first == "10 iter, 1 epoch / 25 iterations  40.00%"
    assert second.startswith("20 iter, 2 epoch / 25 iterations  80.00%  ")
    assert "iters/sec" in second
    assert second.endswith("left")


@pytest.mark.parametrize("until", [None, lambda trainer: trainer.updater.iteration == 20])
def test_bar_of_an_unknown_length(counting: Make, until: Any) -> None:
    out = io.StringIO()
    trainer = counting(until=until)
    if until is None:
        trainer.stop_trigger = training.get_trigger((20, "iteration"))
        trainer.extend(E.ProgressBar(training_length=(4, "epoch"), update_interval=10, out=out))
    else:
        trainer.extend(E.ProgressBar(update_interval=10, out=out))
    trainer.run()
    line = out.getvalue().splitlines()[-1]
    assert line.startswith("20 iter, 2 epoch / 4 epochs  50.00%" if until is None else "20 iter, 2 epoch  ")


def test_bars_and_lines_on_a_terminal(counting: Make, observing: Any) -> None:
    out = Terminal()
    trainer = counting(until=4, per_epoch=4)
    trainer.extend(observing([1.0, 2.0, 3.0, 4.0]))
    trainer.extend(E.LogReport(trigger=(2, "iteration")))
    trainer.extend(E.PrintReport(["iteration", "x"], out=out))
    trainer.extend(E.ProgressBar(update_interval=1, bar_length=10, out=out))
    trainer.run()
    text = out.getvalue()
    assert "25.00%" in text
    assert "total" in text
    assert "this epoch" in text
    assert "\x1b[?25l" in text  # the cursor goes …
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # … and comes back
    assert "4           3.5" in text


def test_what_others_print_goes_above_the_bars(counting: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    trainer = counting(until=3)
    trainer.extend(lambda trainer: trainer.observation.update(x=7), priority=300)
    trainer.extend(E.LogReport(trigger=EACH))
    trainer.extend(E.PrintReport(["x"]))
    trainer.extend(E.ProgressBar(update_interval=1))
    trainer.extend(lambda trainer: print("somebody"))
    trainer.run()
    assert sys.stdout is out
    text = out.getvalue()
    print("after")
    assert out.getvalue() == text + "after\n"
    shown = [line.split("\x1b[2K")[-1].split() for line in text.splitlines()]
    assert [line for line in shown if line in (["7"], ["somebody"])] == [["7"], ["somebody"]] * 3


def test_bars_go_when_the_run_fails(counting: Make) -> None:
    out = Terminal()
    trainer = counting(until=4)
    trainer.extend(E.ProgressBar(update_interval=1, out=out))
    trainer.extend(lambda trainer: 1 / 0, trigger=(3, "iteration"))
    with pytest.raises(ZeroDivisionError):
        trainer.run(show_loop_exception_msg=False)
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


# Sinks. --------------------------------------------------------------------------------------------------------------


def even(trainer: training.Trainer) -> bool:
    return trainer.updater.iteration % 2 == 0


def lines(path: Path) -> list[tuple[int, float]]:
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [(entry["iteration"], entry["x"]) for entry in entries]


def test_json_lines(counting: Make, observing: Any, tmp_path: Path) -> None:
    path = tmp_path / "out" / "log.jsonl"

    def run(until: int, begin: int = 0) -> None:
        trainer = counting(until=until)
        trainer.updater.iteration = begin
        trainer.extend(observing([float(i) for i in range(begin + 1, 99)]))
        trainer.extend(E.SinkReport([JsonLines()], ["x"], even))
        trainer.run()

    run(6)
    assert lines(path) == [(2, 1.5), (4, 3.5), (6, 5.5)]
    with path.open("a") as file:
        file.write('{"iteration": 7, "x"')  # cut off when the run was killed
    run(8, begin=4)  # what came after the snapshot is void
    assert lines(path) == [(2, 1.5), (4, 3.5), (6, 5.5), (8, 7.5)]
    run(2)
    assert lines(path) == [(2, 1.5)]
    with pytest.raises(RuntimeError, match="comes after open"):
        JsonLines().write(1, {})


def test_tensorboard(counting: Make, observing: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Against what tensorboardX documents: SummaryWriter(logdir, purge_step=…), add_scalar(tag, value, step)."""
    calls: list[Any] = []

    class SummaryWriter:
        def __init__(self, logdir: str, purge_step: int | None) -> None:
            calls.append((logdir, purge_step))

        def add_scalar(self, tag: str, value: float, step: int) -> None:
            if tag != "elapsed_time":
                calls.append((tag, value, step))

        def close(self) -> None:
            calls.append("close")

    module = ModuleType("tensorboardX")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    for begin in (0, 2):
        trainer = counting(until=begin + 2)
        trainer.updater.iteration = begin
        trainer.extend(observing([1.0, 3.0]))
        trainer.extend(E.SinkReport(TensorBoard(), trigger=even))
        trainer.run()
    folder = str(tmp_path / "out" / "tensorboard")
    assert calls == [(folder, None), ("x", 2.0, 2), "close", (folder, 3), ("x", 2.0, 4), "close"]


@pytest.mark.parametrize(
    ("module", "make", "extra"),
    [
        ("tensorboardX", lambda: E.SinkReport(TensorBoard()), "tensorboard"),
        ("matplotlib.figure", lambda: E.PlotReport("x"), "plot"),
        ("matplotlib.figure", lambda: E.VariableStatisticsPlot(L.Linear(1, 1)), "plot"),
        ("IPython.display", lambda: E.PrintReportNotebook(["x"], E.LogReport()), "notebook"),
        ("IPython.display", lambda: E.ProgressBarNotebook(), "notebook"),
    ],
)
def test_libraries_that_are_not_installed(
    counting: Make, monkeypatch: pytest.MonkeyPatch, module: str, make: Callable[[], Any], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    trainer = counting(until=1)
    trainer.extend(make())
    with pytest.raises(RuntimeError, match=rf"needs the package {module.partition('.')[0]}.*kusari\[{extra}\]"):
        trainer.run(show_loop_exception_msg=False)
    assert trainer.updater.iteration == 0


# Notebooks. ----------------------------------------------------------------------------------------------------------


def test_notebook(counting: Make, observing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against what IPython documents: display(HTML(text), display_id=True) returns a handle with update(HTML)."""
    shown: dict[int, list[str]] = {}

    class Handle:
        def __init__(self, number: int) -> None:
            self.number = number

        def update(self, content: str) -> None:
            shown[self.number].append(content)

    def display(content: str, display_id: bool) -> Handle:
        assert display_id
        shown[len(shown)] = [content]
        return Handle(len(shown) - 1)

    module = ModuleType("IPython.display")
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    trainer = counting(until=2)
    trainer.extend(observing([1.0, 2.0]))
    trainer.extend(E.LogReport(trigger=EACH))
    trainer.extend(E.PrintReportNotebook(["iteration", "x", "<b>"]))
    trainer.extend(E.ProgressBarNotebook(update_interval=1))
    trainer.run()
    assert shown[0][-1] == (
        "<table><tr><th>iteration</th><th>x</th><th>&lt;b&gt;</th></tr>"
        "<tr><td>1</td><td>1</td><td></td></tr><tr><td>2</td><td>2</td><td></td></tr></table>"
    )
    assert len(shown[0]) == 2
    assert "2 iter, 0 epoch / 2 iterations" in shown[1][-1]
    assert '<progress value="1.0000" max="1"></progress> 100.00%' in shown[1][-1]
