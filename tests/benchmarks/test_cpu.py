"""How the benchmark of the CPU chooses what to run, takes turns, and makes a row of what came out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from benchmarks import cpu, table, timing
from benchmarks.workloads.workload import Workload

ROOT = Path(__file__).parent.parent.parent


def test_sides_take_turns_in_every_round() -> None:
    log: list[str] = []

    def watch(name: str) -> Callable[[], float]:
        return lambda: log.append(name) or float(len(log))  # type: ignore[func-returns-value]

    columns = timing.in_turn([watch("a"), watch("b")], 3)
    assert log == ["a", "b"] * 5
    assert columns == [[5.0, 7.0, 9.0], [6.0, 8.0, 10.0]]  # two rounds before do not count


class NoOthers(cpu.Others):
    """Workers whose every run takes six seconds, or seven."""

    def __init__(self) -> None:
        super().__init__(None, 1)

    def open(self, workload: Workload) -> dict[cpu.SideAndSetting, Any]:
        class Fixed(NamedTuple):
            taken: float

            def seconds(self) -> float:
                return self.taken

        return {("alone", ""): Fixed(7.0), ("alone", "LESS=1"): Fixed(6.0), ("original", ""): Fixed(6.0)}


def test_the_best_setting_of_each_side_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "stopwatch", lambda run, settling=0: lambda: run())
    workload = Workload(
        "w",
        "step",
        ours={"slow": lambda: lambda: 5.0, "quick": lambda: lambda: 2.0},
        theirs={"best": lambda: lambda: 4.0, "worst": lambda: lambda: 9.0},
        limit=0.4,
        alone_limit=1.4,
        original_limit=6.0,
    )
    row = cpu.measure(workload, 5, NoOthers())
    assert row["kusari"] == {"setting": "quick", "ms": 2000.0, "interval_ms": [2000.0, 2000.0]}
    assert row["torch"]["setting"] == "best"
    assert (row["ratio"], row["interval"], row["limit"]) == (0.5, [0.5, 0.5], 0.4)
    assert row["alone"] == {
        "setting": "LESS=1", "ms": 6000.0, "interval_ms": [6000.0, 6000.0], "ratio": 1.5, "interval": [1.5, 1.5],
        "limit": 1.4,
    }  # fmt: skip
    assert row["original"]["ratio"] == 3.0
    assert len(list(table.exceeded(row))) == 3


def test_workloads_are_chosen_by_words_of_their_name_and_group() -> None:
    assert [workload.group for workload in cpu.selected("L4", "layer", None)] == ["layer forward", "layer"]
    assert {workload.group for workload in cpu.selected("", "inference", None)} == {"inference"}
    assert len(cpu.selected("", "", None)) == 2 * 9 + 6 + 2 + 30


def test_another_seed_replaces_the_drawn_convolutions_alone() -> None:
    usual, other = cpu.selected("", "", None), cpu.selected("", "", 7)
    assert [workload.name for workload in usual[:-30]] == [workload.name for workload in other[:-30]]
    assert not {workload.name for workload in usual[-30:]} & {workload.name for workload in other[-30:]}
    assert {workload.group for workload in other[-30:]} == {"drawn"}


def test_an_original_that_is_not_there_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cpu.parsed(["--original", "/no/such/python"])
    assert "--original /no/such/python: no such program" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["cpu", "scaling"])
def test_threads_are_set_before_numpy_is_imported(module: str, run_python: Callable[..., str]) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import benchmarks.{module}; print('numpy' in sys.modules)"
    assert run_python(code) == "False"
