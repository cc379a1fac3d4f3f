"""Worker processes: what they return, what they keep, and what is said when one fails."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings

import numpy as np
import pytest
import worker_datasets as data
from conftest import segments

import kusari
from kusari.iterators import MultiprocessIterator, SerialIterator, WorkerDied
from kusari.serializers import DictionarySerializer, NpzDeserializer

pytestmark = pytest.mark.processes


def processes(dataset, batch_size=8, **options):
    options = {"n_processes": 2, "shuffle": False, **options}
    return MultiprocessIterator(dataset, batch_size, **options)


def equal(mine, others):
    """Compare examples down to types, dtypes and numbers."""
    assert type(mine) is type(others)
    if isinstance(mine, list | tuple):
        assert len(mine) == len(others)
        for one, other in zip(mine, others, strict=True):
            equal(one, other)
    elif isinstance(mine, dict):
        assert mine.keys() == others.keys()
        for key in mine:
            equal(mine[key], others[key])
    else:
        assert getattr(mine, "dtype", None) == getattr(others, "dtype", None)
        np.testing.assert_array_equal(mine, others)


@pytest.mark.parametrize(
    "dataset", [data.Mixed(), data.Sizes(), data.Numbers(20, 100_000)], ids=lambda d: type(d).__name__
)
def test_examples_of_every_kind_and_size_come_back_as_they_are(dataset):
    serial = SerialIterator(dataset, 4, shuffle=False)
    with processes(dataset, 4) as iterator:
        for _ in range(12):
            equal(next(iterator), next(serial))


def test_arrays_belong_to_the_caller():
    # Writable, and not overwritten by later batches that come through the same memory.
    with processes(data.Numbers(64, 20_000), 4) as iterator:
        batches = [next(iterator) for _ in range(8)]
    for number, batch in enumerate(batches):
        for place, (array, index) in enumerate(batch):
            assert index == number * 4 + place
            assert (array == index).all()
            array += 1


@pytest.mark.parametrize("shared_mem", [1, 100_000])
def test_shared_memory_of_a_given_size(shared_mem):
    serial = SerialIterator(data.Sizes(), 8, shuffle=False)
    with processes(data.Sizes(), shared_mem=shared_mem) as iterator:
        for _ in range(6):
            equal(next(iterator), next(serial))


def test_segments_lose_their_names_early():
    # So that nothing is left when this process is killed: names are there only until the workers have attached.
    with processes(data.Numbers(64, 50_000), 8) as iterator:
        for _ in range(12):
            next(iterator)
        # What has no name yet: parts of batches that are on their way.
        assert len(segments()) <= 2


def test_a_large_array_of_the_dataset_is_in_memory_once():
    if not os.path.exists("/proc/self/smaps_rollup"):
        pytest.skip("needs Linux's account of private memory")
    array = np.ones((64, 1 << 20), np.uint8)  # 64 MiB
    with processes(data.Kept(array), n_prefetch=0) as iterator:
        while iterator.epoch < 1:
            next(iterator)
        for worker in iterator._pool._workers:
            with open(f"/proc/{worker.process.pid}/smaps_rollup") as file:
                private = sum(int(line.split()[1]) for line in file if line.startswith("Private"))
            assert private < 48 << 10  # KiB: most of it is Python and NumPy


def test_changes_of_the_dataset_stay_in_the_worker():
    array = np.zeros((4, 10))
    with processes(data.Changing(array), 4, n_processes=1, n_prefetch=0) as iterator:
        assert [batch[0][0] for batch in (next(iterator), next(iterator))] == [1, 2]
    assert (array == 0).all()


def test_random_numbers_depend_on_the_example_alone():
    def drawn(n_processes, batch_size):
        kusari.seed(7)
        with processes(data.Drawing(), batch_size, n_processes=n_processes) as iterator:
            return [example for _ in range(60 // batch_size) for example in next(iterator)]

    one, two = drawn(1, 10), drawn(2, 6)
    assert one == two
    assert len({numbers for _, *numbers in map(tuple, one) for numbers in numbers}) == 180  # no stream repeats
    kusari.seed(7)
    with processes(data.Drawing(), 6, n_processes=1) as iterator:
        next(iterator), next(iterator)
        serializer = DictionarySerializer()
        serializer.save(iterator)
    kusari.seed(8)
    with processes(data.Drawing(), 6, n_processes=1) as other:
        NpzDeserializer(serializer.target).load(other)
        assert next(other) == one[12:18]


def test_workers_are_configured_like_their_caller_and_compute_with_one_thread():
    with kusari.using_config("dtype", kusari.mixed16), processes(data.Identity(), 64) as iterator:
        batch = next(iterator)
    assert len({pid for pid, *_ in batch}) == 2
    assert {dtype for _, dtype, _ in batch} == {"dtype('mixed16')"}
    assert {threads for *_, threads in batch} == {os.environ.get("OMP_NUM_THREADS", "1")}


def test_workers_are_replaced():
    with processes(data.Identity(), 4, n_processes=1, maxtasksperchild=2) as iterator:
        pids = [next(iterator)[0][0] for _ in range(8)]
    assert len(set(pids)) == 4


def test_workers_live_through_epochs_resets_and_errors():
    with processes(data.Identity(), 64, repeat=False) as iterator:
        pids = set()
        for _ in range(3):
            pids |= {pid for batch in iterator for pid, *_ in batch}
            iterator.reset()
    assert len(pids) == 2


def test_no_process_is_left():
    iterator = processes(data.Numbers(20))
    next(iterator)
    workers = [worker.process.pid for worker in iterator._pool._workers]
    del iterator
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_iterator_can_be_finalized_twice_and_used_again():
    iterator = processes(data.Numbers(20), 4)
    assert [index for _, index in next(iterator)] == [0, 1, 2, 3]
    iterator.finalize()
    iterator.finalize()
    assert [index for _, index in next(iterator)] == [4, 5, 6, 7]
    iterator.finalize()


def test_a_lack_of_shared_memory(monkeypatch):
    reserved = []

    def reserve(descriptor, start, size):
        if len(reserved) == limit:
            raise OSError(28, "No space left on device")
        reserved.append(size)

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    limit = 0
    with processes(data.Numbers(64)) as iterator, pytest.raises(OSError, match=r"\(No space left.*--shm-size=8g"):
        next(iterator)
    limit = 1  # enough for the dataset: examples go through the pipe
    serial = SerialIterator(data.Numbers(64, 50_000), 4, shuffle=False)
    with processes(data.Numbers(64, 50_000), 4) as iterator:
        for _ in range(8):
            equal(next(iterator), next(serial))


# Failures. ---------------------------------------------------------------------------------------------------


def test_an_exception_comes_over_with_its_index_and_traceback():
    dataset = data.Wanting(2000, 1234, "complain")
    with processes(dataset, 100) as iterator:
        for _ in range(12):
            next(iterator)
        for _ in range(2):  # and again when the batch is tried again, by the same workers
            with pytest.raises(LookupError, match="no such number") as caught:
                next(iterator)
            (note,) = caught.value.__notes__
            assert "in dataset[1234], in worker process" in note
            assert 'raise LookupError("no such number")' in note
            assert (iterator.epoch, iterator.current_position) == (0, 1200)


def test_an_exception_that_cannot_be_pickled_comes_over_as_text():
    text = r"cannot be pickled was raised in dataset\[3\](.|\n)*Unpicklable: x"
    with processes(data.Wanting(20, 3, "complain_oddly")) as iterator, pytest.raises(RuntimeError, match=text):
        next(iterator)


def test_an_exit_of_the_dataset_is_the_callers():
    with processes(data.Wanting(20, 3, "exit")) as iterator, pytest.raises(SystemExit):
        next(iterator)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("kill", r"was killed by SIGKILL \(by someone, or by the system for want of memory\) at dataset\[13\]"),
        ("crash", r"was killed by SIGSEGV at dataset\[13\]; its last words:\n(.|\n)*in crash"),
        ("leave", r"ended with exit code 7 at dataset\[13\]"),
    ],
)
def test_a_worker_that_dies_is_reported_with_what_it_was_at(how, text):
    # Nothing ahead: a death is reported by whichever call learns of it first.
    with processes(data.Wanting(40, 13, how), n_prefetch=0) as iterator:
        next(iterator)
        with pytest.raises(WorkerDied, match=text):
            next(iterator)
        assert iterator._pool is None  # all others are gone too
        assert iterator.current_position == 8


def test_a_worker_killed_from_outside_is_reported_and_the_next_call_goes_on():
    with processes(data.Numbers(400)) as iterator:
        assert [index for _, index in next(iterator)] == list(range(8))
        os.kill(iterator._pool._workers[0].process.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="was killed by SIGKILL"):
            _exhaust(iterator)
        position = iterator.current_position
        assert [index for _, index in next(iterator)] == list(range(position, position + 8))


def _exhaust(iterator):
    for _ in iterator:
        pass


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [("complain", LookupError, "no such number"), ("kill", WorkerDied, r"was killed by SIGKILL .* at dataset\[12\]")],
)
def test_a_training_ends_with_what_a_worker_ends_with(how, error, text, tmp_path):
    model = kusari.links.Linear(3, 1)
    optimizer = kusari.optimizers.SGD(0.0).setup(model)
    iterator = processes(data.Wanting(20, 12, how), 4)
    updater = kusari.training.StandardUpdater(
        iterator, optimizer, loss_func=lambda x, _: kusari.functions.sum(model(x))
    )
    trainer = kusari.training.Trainer(updater, (1, "epoch"), out=tmp_path)
    with pytest.raises(error, match=text):
        trainer.run(show_loop_exception_msg=False)
    assert 1 <= updater.iteration <= 3  # batches are fetched ahead: a death is seen before its batch is asked for
    assert not multiprocessing.active_children()
    assert not segments()


def test_a_worker_that_hangs_is_warned_of_with_its_traceback():
    with processes(data.Wanting(40, 9, "hang"), dataset_timeout=0.5) as iterator:
        next(iterator)
        text = ""
        while "dataset[9]" not in text:  # a busy machine may first be late to start it
            with pytest.raises(MultiprocessIterator.TimeoutWarning) as caught:
                next(iterator)
            text = str(caught.value)
        assert "has been silent for 0.5 s, at dataset[9]; there it is:" in text
        assert "worker_datasets.py" in text
        assert "in hang" in text
        started = time.monotonic()
    assert time.monotonic() - started < 30  # it is not waited for


def test_a_timeout_is_a_warning_unless_it_is_made_an_error():
    assert issubclass(MultiprocessIterator.TimeoutWarning, RuntimeWarning)
    warned = pytest.warns(MultiprocessIterator.TimeoutWarning, match="worker process")
    with processes(data.Slow(8), dataset_timeout=0.2) as iterator, warned:
        assert len(next(iterator)) == 8


def test_a_dataset_that_cannot_be_pickled():
    with processes([lambda: 0]) as iterator:
        with pytest.raises(
            TypeError, match=r"cannot be sent to worker processes: .*lambda.* at the top level of a module"
        ):
            next(iterator)
        assert segments() == []


def test_a_dataset_that_cannot_be_unpickled():
    with processes(data.Unloadable()) as iterator:
        with pytest.raises(ArithmeticError, match="not here") as caught:
            next(iterator)
        assert "while the dataset was loaded, in worker process" in caught.value.__notes__[0]


def test_examples_that_cannot_be_pickled():
    with processes(data.Lambdas(20)) as iterator:
        with pytest.raises((pickle.PicklingError, AttributeError)) as caught:
            next(iterator)
        assert "while examples were packed, in worker process" in caught.value.__notes__[0]


SCRIPT = """
import os, sys
sys.path.insert(0, {folder!r})
import worker_datasets
from kusari.iterators import MultiprocessIterator

iterator = MultiprocessIterator(worker_datasets.Numbers(100, 50_000), 10, n_processes=1, maxtasksperchild=1000)
for _ in range(8):
    next(iterator)
{end}
"""


def _run_script(tmp_path, end, guard=True):
    import subprocess

    code = SCRIPT.format(folder=os.path.dirname(__file__), end=end)
    if guard:
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        code = f"if __name__ == '__main__':\n{lines}"
    path = tmp_path / "script.py"
    path.write_text(code)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False)
    return done


def test_a_script_that_ends_without_finalizing_is_quiet_and_leaves_nothing(tmp_path):
    done = _run_script(tmp_path, "print(os.getpid())")
    assert (done.returncode, done.stderr) == (0, "")
    assert _left_by(done.stdout) == []


def test_a_script_that_is_killed_leaves_no_memory_and_no_process(tmp_path):
    if not os.path.isdir("/dev/shm"):
        pytest.skip("needs to see the segments")
    end = "print(os.getpid(), iterator._pool._workers[0].process.pid, flush=True); os.kill(os.getpid(), 9)"
    done = _run_script(tmp_path, end)
    assert done.returncode == -9
    owner, worker = done.stdout.split()
    deadline = time.monotonic() + 20
    while _left_by(owner) or _runs(int(worker)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _left_by(owner):
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"kusari-{owner.strip()}-")]


def test_a_script_without_a_guard_is_told_so(tmp_path):
    done = _run_script(tmp_path, "", guard=False)
    assert done.returncode == 1
    assert "before it had loaded the dataset" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_start_methods(method, monkeypatch):
    monkeypatch.setenv("KUSARI_START_METHOD", method)
    if method == "fork" and sys.version_info >= (3, 12):
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads, with good reason
    with processes(data.Numbers(20), 5, n_processes=1) as iterator:
        assert [index for _, index in next(iterator)] == list(range(5))


def test_an_unknown_start_method(monkeypatch):
    monkeypatch.setenv("KUSARI_START_METHOD", "conjure")
    with processes(data.Numbers(20)) as iterator, pytest.raises(ValueError, match=r"expected one of .*spawn"):
        next(iterator)
