"""The pool of threads: every piece once, errors to the caller, BLAS at one thread meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from kusari.backend import get_backend
from kusari_numpy import helper, threads
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.helper import Helper
from kusari_numpy.threads import ThreadPool, get_num_threads, pool, set_num_threads


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_every_piece_is_done_once(size: int, count: int) -> None:
    own = ThreadPool(size)
    done: list[int] = []
    own.run(done.append, count)
    assert sorted(done) == list(range(count))
    own.close()


def test_pieces_run_at_the_same_time() -> None:
    own = ThreadPool(2)
    meeting = threading.Barrier(2, timeout=30)
    own.run(lambda index: meeting.wait(), 2)  # each waits for the other
    own.close()


def test_every_thread_heeds_the_callers_errstate() -> None:
    own, seen = ThreadPool(2), []
    meeting = threading.Barrier(2, timeout=30)

    def work(index: int) -> None:
        meeting.wait()  # one piece for each thread
        seen.append(np.geterr()["invalid"])

    with np.errstate(invalid="raise"):
        own.run(work, 2)
    assert seen == ["raise", "raise"]
    own.close()


def test_the_first_error_reaches_the_caller_and_the_pool_goes_on() -> None:
    own = ThreadPool(3)

    def work(index: int) -> None:
        if index == 7:
            raise LookupError("piece 7")

    with pytest.raises(LookupError, match="piece 7"):
        own.run(work, 100)
    done: list[int] = []
    own.run(done.append, 10)
    assert sorted(done) == list(range(10))
    own.close()


def test_work_within_work_runs_where_it_is_asked_for() -> None:
    own = ThreadPool(2)
    where: list[tuple[int, int]] = []

    def outer(index: int) -> None:
        asked = threading.get_ident()
        own.run(lambda inner: where.append((asked, threading.get_ident())), 3)

    own.run(outer, 4)
    assert len(where) == 12
    assert all(asked == done for asked, done in where)
    own.close()


def test_threads_of_the_user_do_not_wait_for_one_another() -> None:
    own = ThreadPool(2)
    meeting = threading.Barrier(2, timeout=30)
    done: list[int] = []

    def work(index: int) -> None:
        if index == 0:
            meeting.wait()  # both users are at work, whoever has the pool
        done.append(index)

    users = [threading.Thread(target=own.run, args=(work, 5)) for _ in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join(timeout=60)
    assert sorted(done) == sorted([*range(5), *range(5)])
    own.close()


def test_the_variable_limits_blas_too(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("threadpoolctl", reason="needs threadpoolctl")
    with library.threadpool_limits(2, user_api="blas"):
        monkeypatch.setenv(threads.ENVIRONMENT_VARIABLE, "1")
        assert threads._Current().get().size == 1
        assert {one["num_threads"] for one in library.threadpool_info() if one["user_api"] == "blas"} == {1}


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.ENVIRONMENT_VARIABLE, text)
    with pytest.raises(ValueError, match=f"KUSARI_NUM_THREADS='{text}'; expected a number of threads"):
        ThreadPool()


def test_the_number_is_set_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.ENVIRONMENT_VARIABLE, "3")
    assert ThreadPool().size == 3
    before = get_num_threads()
    try:
        set_num_threads(4)
        assert get_num_threads() == pool().size == 4
        with pytest.raises(ValueError, match="expected 1 or more"):
            set_num_threads(0)
        assert get_num_threads() == 4
    finally:
        set_num_threads(before)


FORK = """
import os, sys
from kusari_numpy.threads import pool, set_num_threads
set_num_threads(2)
pool().run(lambda index: None, 4)  # there are threads now, which the child will not have
child = os.fork()
if child == 0:
    done = []
    pool().run(done.append, 4)
    os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_threads_of_its_own() -> None:
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=60, check=False)
    assert result.returncode == 0


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for another thread, half a minute at most."""
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end, "the other thread has done nothing for 30 s"
        time.sleep(0.001)


needs_compiler = pytest.mark.skipif(
    compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl"
)


@needs_compiler
@pytest.mark.parametrize("size", [1, 2, 3])
def test_compiled_loops_take_each_piece_once_and_wait_for_all(size: int) -> None:
    from kusari_numpy.compiled.together import together
    from kusari_numpy.compiled.turns import go_on, is_last, take, wait

    @partial(together, kept=False)
    def count_and_sum(taken: Any, sums: Any, turns: Any) -> None:
        piece = take(turns, 0)
        while piece < len(taken):
            taken[piece] += 1
            if is_last(turns, len(taken), 1):
                go_on(turns, 2)
            piece = take(turns, 0)
        wait(turns, 2)
        sums[take(turns, 3)] = taken.sum()  # what the others took is there

    own = ThreadPool(size)
    for pieces in [1, 2, 1000] * 20:
        taken, sums = np.zeros(pieces, np.int64), np.zeros(size, np.int64)
        threads = own.sharing(pieces)
        own.take_turns(count_and_sum, (taken, sums), threads)
        assert taken.tolist() == [1] * pieces
        began = np.count_nonzero(sums)  # a helper that comes too late is not waited for
        assert 1 <= began <= threads
        assert sums.tolist() == [pieces] * began + [0] * (size - began)
    own.close()


@needs_compiler
@pytest.mark.skipif(threads.usable_cores() < 2, reason="there is one core")
def test_a_helper_runs_loops_between_tasks_and_after_it_slept() -> None:
    from kusari_numpy.compiled.together import together
    from kusari_numpy.compiled.turns import take
    from kusari_numpy.compiled.waiting import look

    @partial(together, kept=False)
    def meet(met: Any, looks: int, turns: Any) -> None:
        take(turns, 0)
        looked = 0
        while look(turns, 0) < 2 and looked < looks:
            looked += 1
        met[0] = look(turns, 0)

    own, met = ThreadPool(2), np.zeros(1, np.int64)

    def both_met() -> bool:
        own.take_turns(meet, (met, 10**6), 2)
        return bool(met[0] == 2)

    for pause in (0, 0.005, 0):
        time.sleep(pause)
        wait_until(both_met)
        done: list[int] = []
        own.run(done.append, 5)
        assert sorted(done) == list(range(5))
    own.close()


@needs_compiler
@pytest.mark.parametrize("failing", [0, 1], ids=["of the first", "of the second"])
def test_an_error_in_a_loop_reaches_the_caller_when_all_are_done(failing: int) -> None:
    from kusari_numpy.compiled.together import together
    from kusari_numpy.compiled.turns import take
    from kusari_numpy.compiled.waiting import look

    @partial(together, kept=False)
    def fail(thread: int, late: Any, looks: int, turns: Any) -> None:
        number = take(turns, 0)
        looked = 0
        while look(turns, 0) < 2 and looked < looks:
            looked += 1
        if number == thread:
            raise MemoryError
        for _ in range(looks):
            look(turns, 0)
        late[0] = look(turns, 0)

    own, late = ThreadPool(2), np.zeros(1, np.int64)

    def failed_with_two() -> bool:
        late[0] = 0
        with contextlib.suppress(MemoryError):
            own.take_turns(fail, (failing, late, 10**5), 2)
            return False
        return bool(late[0] == 2)  # the other one was waited for

    wait_until(failed_with_two)
    own.take_turns(fail, (-1, late, 10), 2)
    own.close()


@needs_compiler
def test_operands_that_the_board_has_no_place_for() -> None:
    from kusari_numpy.compiled.together import together

    @partial(together, kept=False)
    def nothing(arrays: Any, turns: Any) -> None:
        pass

    with pytest.raises(TypeError, match="nothing: its operands have no place on the board"):
        pool().take_turns(nothing, ((np.zeros(1),) * 100,), 1)


@pytest.mark.parametrize("patient", [False, True])
def test_a_helper_does_each_task_once_or_gives_it_back(patient: bool) -> None:
    helper = Helper("helper", patient)
    done: list[int] = []
    finished = 0
    for number in range(2000):
        helper.begin(lambda number=number: done.append(number))  # type: ignore[misc]
        if number % 3 == 0:
            time.sleep(0.0005)  # it falls asleep in between
        assert helper.finish() is None
        assert done == sorted(set(done))
        finished += len(done) > 0 and done[-1] == number
    assert finished == len(done)
    helper.begin(done.clear)
    wait_until(lambda: not done)
    assert helper.finish() is None
    helper.end()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say where threads run")
@pytest.mark.skipif(threads.usable_cores() < 2, reason="there is one core")
def test_a_helper_stays_off_its_callers_core(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = sorted(os.sched_getaffinity(0))
    own = Helper("apart", patient=True)
    for core in (usable[-1], usable[0], usable[0]):
        monkeypatch.setattr(helper, "core", lambda core=core: core)
        found: list[set[int]] = []
        own.begin(lambda found=found: found.append(os.sched_getaffinity(0)))
        wait_until(lambda found=found: bool(found))
        assert own.finish() is None
        assert found == [set(usable) - {core}]
    own.end()
