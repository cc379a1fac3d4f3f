"""Two threads train two models at once: each with its own configuration, hooks, modes and graph."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.autograd import no_backprop_mode
from kusari.configuration import config, current_state, using_config
from kusari.function_hooks import TimerHook
from kusari.link_hooks import TimerHook as LinkTimer

STEPS = 30


def in_threads(*works: Callable[[], None]) -> None:
    """Run functions at once; raise what one of them raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # reported below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def train(seed: int, check: Callable[[int], None] = lambda step: None) -> list[float]:
    """Train a model of its own; return the losses."""
    generator = np.random.default_rng(seed)
    W = generator.standard_normal((4, 3)).astype("f")
    model = kusari.Sequential(L.Linear(3, 8, initialW=np.ones((8, 3), "f") / 9), F.tanh, L.Linear(8, 4, initialW=0.1))
    optimizer = kusari.optimizers.MomentumSGD(0.05).setup(model)
    losses = []
    for step in range(STEPS):
        x = generator.standard_normal((16, 3)).astype("f")
        loss = F.sum((model(x) - x @ W.T) ** 2) / 16
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.array))
        check(step)
    return losses


def test_two_trainings_at_once_give_what_each_gives_alone() -> None:
    alone = {seed: train(seed) for seed in (1, 2)}
    assert alone[1][-1] < 0.5 * alone[1][0]
    together: dict[int, list[float]] = {}
    in_threads(*[lambda seed=seed: together.update({seed: train(seed)}) for seed in (1, 2)])  # type: ignore[misc]
    assert together == alone


def test_neither_sees_the_other_s_configuration_hooks_or_modes() -> None:
    barrier = threading.Barrier(2)
    functions, links = TimerHook(), LinkTimer()

    def watched() -> None:
        def check(step: int) -> None:
            barrier.wait(30)
            assert config.train is False
            assert config.type_check is False
            assert current_state().debug
            assert [name for name, _ in current_state().function_hooks] == ["TimerHook"]
            barrier.wait(30)

        settings = (using_config("train", False), using_config("type_check", False), using_config("debug", True))
        with contextlib.ExitStack() as stack:
            for context in (*settings, functions, links):
                stack.enter_context(context)
            train(1, check)

    def plain() -> None:
        def check(step: int) -> None:
            barrier.wait(30)
            assert config.train is True
            assert config.type_check is True
            assert not current_state().debug
            assert current_state().function_hooks == current_state().link_hooks == ()
            with no_backprop_mode():
                barrier.wait(30)

        train(2, check)

    in_threads(watched, plain)
    # Every call of one thread's steps, and none of the other's.
    assert links.summary()["Sequential"]["occurrence"] == STEPS
    assert links.summary()["Linear"]["occurrence"] == 2 * STEPS
    assert functions.summary()["LinearFunction"]["occurrence"] >= 2 * STEPS
    assert config.train is True


def test_one_thread_s_no_backprop_mode_does_not_stop_the_other_s_graph() -> None:
    inside, done = threading.Event(), threading.Event()
    x = kusari.Variable(np.ones(3, "f"))

    def without() -> None:
        with no_backprop_mode():
            inside.set()
            assert done.wait(30)
            assert F.relu(x).creator_node is None

    def recording() -> None:
        assert inside.wait(30)
        assert F.relu(x).creator_node is not None
        done.set()

    in_threads(without, recording)


def test_one_model_may_be_called_from_several_threads() -> None:
    model = kusari.Sequential(L.Linear(3, 8), F.tanh, L.Linear(8, 2))
    inputs = np.random.default_rng(0).standard_normal((8, 5, 3)).astype("f")
    expected = [model(x).array for x in inputs]
    found: dict[int, Any] = {}
    in_threads(*[lambda i=i: found.update({i: model(inputs[i]).array}) for i in range(8)])  # type: ignore[misc]
    for index, y in enumerate(expected):
        np.testing.assert_array_equal(found[index], y)


def test_tasks_have_a_configuration_of_their_own() -> None:
    async def one(train: bool) -> bool:
        with using_config("train", train):
            await asyncio.sleep(0)
            return bool(config.train)

    async def both() -> list[bool]:
        return await asyncio.gather(one(False), one(True), one(False))

    assert asyncio.run(both()) == [False, True, False]
