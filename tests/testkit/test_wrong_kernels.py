"""The kit is tested by what is wrong: each fault must fail the test that is meant for it, and nothing else may."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, get_backend, kernel
from kusari.functions.activation.relu import ReLUGrad
from kusari.kernels import activation

HERE = Path(__file__).parent


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"_kusari_tests_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wrong_kernels = _load("wrong_kernels")
L2 = ("kusari_testkit.conformance.test_l2_kernels", "kusari_testkit.conformance.test_l3_gradients")
Register = Callable[[Backend], Backend]


def test_without_a_fault_nothing_fails(run_kit: Any, registered: Register) -> None:
    options = [word for wrong in wrong_kernels.WRONG for word in ("--case", wrong.case)]
    backend = registered(Backend("healthy", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", backend.name, *options, modules=L2)
    assert outcome.failed == {}
    assert {wrong.test for wrong in wrong_kernels.WRONG} <= {name.partition("[")[0] for name in outcome.passed}


@pytest.mark.parametrize("wrong", wrong_kernels.WRONG, ids=lambda wrong: wrong.name)
def test_a_fault_fails_the_test_meant_for_it(wrong: Any, run_kit: Any, registered: Register) -> None:
    backend = Backend("wrong", np, base=get_backend("numpy"))
    wrong.break_it(backend)
    outcome = run_kit("--backend", registered(backend).name, "--case", wrong.case, modules=L2)
    assert outcome.exit_code == 1
    assert wrong.text in outcome.text_of(wrong.test), "\n".join(outcome.failed)


def test_foreach_that_takes_the_first_rows_scalars(run_kit: Any, registered: Register) -> None:
    backend = registered(wrong_kernels.OneRate("wrong", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", backend.name, "--case", "sgd:filters", modules=L2)
    assert "in row 1, whose scalars are its own" in outcome.text_of("test_many_rows_at_once")
    assert {name.partition("[")[0] for name in outcome.failed} == {"test_many_rows_at_once"}


def test_a_backward_that_asks_another_backend(
    run_kit: Any, registered: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: Any, inputs: Any) -> Any:
        above = self.backend.root._above  # the backend that must not run is the latest
        self.retain_inputs((0,))
        return (activation.relu_grad(above[-1] if above else self.backend, *inputs),)

    monkeypatch.setattr(ReLUGrad, "forward", forward)
    backend = registered(Backend("wrong", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", backend.name, "--case", "relu:image", modules=L2)
    assert "ran relu_grad of another backend" in outcome.text_of("test_backward_runs_where_forward_did")


def test_a_host_kernel_is_reported_and_may_be_refused(
    run_kit: Any, registered: Register, array_api: Callable[[], Any]
) -> None:
    @kernel(host=True)
    def only_on_the_host(backend: Backend, x: Any) -> Any:
        return x

    xp = array_api()
    registered(Backend("elsewhere", xp, (type(xp.empty(0)),)))
    module = ("kusari_testkit.conformance.test_l2_host_kernels",)
    outcome = run_kit("--backend", "elsewhere", modules=module)
    assert only_on_the_host.key in "".join(outcome.skipped.values())
    outcome = run_kit("--backend", "elsewhere", "--no-host-kernels", modules=module)
    assert only_on_the_host.key in outcome.text_of("test_no_kernel_goes_by_way_of_the_host")
