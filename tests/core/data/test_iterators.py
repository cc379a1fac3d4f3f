"""What all iterators promise: the same batches, whoever fetches them, and the same again after a resume."""

from __future__ import annotations

import collections
import copy
import io
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kusari
from kusari.dataset import Iterator
from kusari.iterators import (
    DaliIterator,
    MultiprocessIterator,
    MultithreadIterator,
    OrderSampler,
    SerialIterator,
    ShuffleOrderSampler,
)
from kusari.iterators.progress import Course
from kusari.serializers import DictionarySerializer, NpzDeserializer, load_npz, save_npz

GENERATORS = {
    "RandomState": np.random.RandomState,
    "PCG64": np.random.default_rng,
    "MT19937": lambda seed: np.random.Generator(np.random.MT19937(seed)),
    "Philox": lambda seed: np.random.Generator(np.random.Philox(seed)),
    "SFC64": lambda seed: np.random.Generator(np.random.SFC64(seed)),
}
KINDS = {
    "serial": SerialIterator,
    "threads": lambda *args, **options: MultithreadIterator(*args, n_threads=3, **options),
    "processes": lambda *args, **options: MultiprocessIterator(*args, n_processes=1, n_prefetch=2, **options),
}
# A pool of processes for each example: few examples, and a busy machine must not fail them.
FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZES = {"size": st.integers(1, 30), "batch_size": st.integers(1, 40)}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def taken(iterator, count):
    """Return batches with everything that can be seen of the iterator after each."""
    return [
        (
            next(iterator),
            iterator.epoch,
            iterator.is_new_epoch,
            iterator.epoch_detail,
            iterator.previous_epoch_detail,
            iterator.current_position,
        )
        for _ in range(count)
    ]


def reference(size, batch_size, orders):
    """Yield, from the definition, what `taken` returns."""
    stream = ((epoch, place, index) for epoch, order in enumerate(orders) for place, index in enumerate(order))
    epoch_detail = 0.0
    while True:
        examples = list(itertools.islice(stream, batch_size))
        last_epoch, last_place, _ = examples[-1]
        done = last_epoch * size + last_place + 1
        before, epoch_detail = epoch_detail, done // size + done % size / size
        is_new = int(before + 1e-9) < done // size
        yield [index for *_, index in examples], done // size, is_new, epoch_detail, before, done % size


@MANY
@given(**SIZES)
def test_every_epoch_has_every_example_once(size, batch_size):
    for kind in ("serial", "threads"):
        _check_epochs(KINDS[kind], size, batch_size)


@FEW
@given(**SIZES)
def test_every_epoch_of_processes_has_every_example_once(size, batch_size):
    _check_epochs(KINDS["processes"], size, batch_size)


def _check_epochs(make, size, batch_size):
    with make(range(size), batch_size) as iterator:
        seen = []
        while iterator.epoch < 3:
            batch = next(iterator)
            assert len(batch) == batch_size
            seen += batch
        assert len(seen) == iterator.epoch * size + iterator.current_position
        for epoch in range(iterator.epoch):
            assert sorted(seen[epoch * size : (epoch + 1) * size]) == list(range(size))


@MANY
@given(**SIZES, count=st.integers(1, 9), seed=st.integers(0, 99))
def test_batches_and_properties_are_those_of_the_definition(size, batch_size, count, seed):
    random = np.random.RandomState(seed)
    orders = (random.permutation(size).tolist() for _ in itertools.count())
    sampler = ShuffleOrderSampler(np.random.RandomState(seed))
    iterator = SerialIterator(range(size), batch_size, order_sampler=sampler)
    assert (iterator.epoch_detail, iterator.previous_epoch_detail, iterator.is_new_epoch) == (0, None, False)
    for mine, expected in zip(taken(iterator, count), reference(size, batch_size, orders), strict=False):
        assert mine == (*expected[:3], pytest.approx(expected[3]), pytest.approx(expected[4]), expected[5])


def test_all_iterators_return_the_same_after_one_seed():
    made = []
    for make in KINDS.values():
        kusari.seed(5)
        with make(range(11), 4) as iterator:
            first = taken(iterator, 5)
            iterator.reset()
            made.append((first, taken(iterator, 3)))
    assert made[0] == made[1] == made[2]
    assert made[0][0][0] != made[0][1][0]  # another order after the reset


def test_a_seed_of_numpy_repeats_the_order_in_a_new_process(run_python):
    code = """
        import numpy as np; np.random.seed(3)
        from kusari.iterators import SerialIterator
        print(next(SerialIterator(range(100), 10)))
    """
    code = "\n".join(line.strip() for line in code.splitlines())
    assert run_python(code) == run_python(code)


@pytest.mark.parametrize("kind", GENERATORS)
@MANY
@given(**SIZES, before=st.integers(0, 9), after=st.integers(1, 6))
def test_a_resumed_iterator_goes_on_as_if_it_had_not_stopped(kind, size, batch_size, before, after):
    for name in ("serial", "threads"):
        _check_resume(KINDS[name], GENERATORS[kind], size, batch_size, before, after)


@FEW
@given(**SIZES, before=st.integers(0, 9), after=st.integers(1, 6))
def test_resumed_processes_go_on_as_if_they_had_not_stopped(size, batch_size, before, after):
    _check_resume(KINDS["processes"], GENERATORS["PCG64"], size, batch_size, before, after)


def _check_resume(make, generator, size, batch_size, before, after):
    def new(seed):
        return make(range(size), batch_size, order_sampler=ShuffleOrderSampler(generator(seed)))

    with new(1) as iterator, new(2) as other:
        taken(iterator, before)
        next(other)  # it has drawn, and fetched ahead, on another way
        saved = saved_state(iterator)
        expected = taken(iterator, after)
        NpzDeserializer(saved).load(other)
        assert taken(other, after) == expected
        # And a later save is that of the iterator which never stopped.
        mine, others = saved_state(iterator), saved_state(other)
        assert mine.keys() == others.keys()
        for key in mine:
            np.testing.assert_array_equal(mine[key], others[key])


def saved_state(iterator):
    serializer = DictionarySerializer()
    serializer.save(iterator)
    return serializer.target


def test_a_file_of_one_iterator_is_a_file_of_another(tmp_path):
    made = {name: make(range(10), 3) for name, make in KINDS.items()}
    expected = []
    for iterator in made.values():
        taken(iterator, 2)
    save_npz(tmp_path / "state.npz", made["serial"])
    expected = taken(made["serial"], 6)
    for name in ("threads", "processes"):
        with made[name] as iterator:
            load_npz(tmp_path / "state.npz", iterator)
            assert taken(iterator, 6) == expected


@pytest.mark.parametrize("name", ["order", "_order"])
def test_files_of_old_programs_have_no_random_state(make, name):
    order = np.array([3, 1, 0, 2])
    old = {
        "current_position": np.asarray(2),
        "epoch": np.asarray(4),
        "is_new_epoch": np.asarray(False),
        "previous_epoch_detail": np.asarray(4.0),
        name: order,
    }
    with make(range(4), 2) as iterator:
        NpzDeserializer(old).load(iterator)
        assert (iterator.epoch_detail, iterator.previous_epoch_detail) == (4.5, 4.0)
        assert next(iterator) == [0, 2]
        assert sorted(next(iterator) + next(iterator)) == [0, 1, 2, 3]


def test_a_load_that_fails_changes_nothing(make):
    with make(range(8), 3, shuffle=True) as iterator, make(range(5), 3, shuffle=True) as other:
        next(iterator)
        next(other)
        file = io.BytesIO()
        save_npz(file, iterator)
        before = saved_state(other)
        file.seek(0)
        with pytest.raises(ValueError, match="expected shape"):
            load_npz(file, other)
        damaged = saved_state(iterator)
        with pytest.raises(ValueError, match="the saved order has indices 0 … 7, the dataset has 5 examples"):
            NpzDeserializer(damaged).load(other)
        for key, value in saved_state(other).items():
            np.testing.assert_array_equal(value, before[key])


def test_a_position_beyond_the_dataset_is_refused():
    iterator = SerialIterator(range(3), 1, shuffle=False)
    saved = saved_state(iterator) | {"current_position": np.asarray(9)}
    with pytest.raises(ValueError, match="position 9 is beyond an epoch of 3"):
        NpzDeserializer(saved).load(iterator)


def test_a_state_of_another_generator_is_refused():
    saved = saved_state(SerialIterator(range(3), 1, order_sampler=ShuffleOrderSampler(np.random.RandomState(0))))
    with pytest.raises(ValueError, match=r"the saved random state \(MT19937\) is not one of Generator"):
        NpzDeserializer(saved).load(SerialIterator(range(3), 1))


def test_without_repeat_it_stops_after_one_epoch_until_it_is_reset(make):
    with make(range(5), 2, repeat=False, shuffle=False) as iterator:
        for _ in range(2):
            assert list(iterator) == [[0, 1], [2, 3], [4]]
            assert (iterator.epoch, iterator.is_new_epoch, iterator.epoch_detail) == (1, True, 1.0)
            with pytest.raises(StopIteration):
                iterator.next()
            iterator.reset()
            assert (iterator.epoch, iterator.is_new_epoch, iterator.previous_epoch_detail) == (0, False, None)
        assert not iterator.repeat


def test_a_reset_in_the_middle_starts_a_whole_epoch(make):
    with make(range(10), 4) as iterator:
        next(iterator)
        iterator.reset()
        assert sorted(next(iterator) + next(iterator) + next(iterator)[:2]) == list(range(10))


def test_an_empty_dataset(make):
    with make([], 2, repeat=False) as iterator:
        assert list(iterator) == []
        assert iterator.epoch_detail == 0
    with make([], 2) as iterator, pytest.raises(ValueError, match="the dataset is empty"):
        next(iterator)


@pytest.mark.parametrize("kind", ["serial", "threads"])  # processes: test_multiprocess_iterator.py
def test_an_error_of_the_dataset_names_the_example_and_the_batch_is_tried_again(kind):
    class Flaky(list):
        fails = True

        def __getitem__(self, index):
            if index == 7 and self.fails:
                raise LookupError("gone")
            return super().__getitem__(index)

    dataset = Flaky(range(12))
    with KINDS[kind](dataset, 4, shuffle=False) as iterator:
        assert next(iterator) == [0, 1, 2, 3]
        with pytest.raises(LookupError) as caught:
            next(iterator)
        assert caught.value.__notes__ == ["in dataset[7]"]
        assert iterator.current_position == 4
        dataset.fails = False
        assert next(iterator) == [4, 5, 6, 7]
        assert next(iterator) == [8, 9, 10, 11]


def test_samplers_are_asked_once_an_epoch_and_may_be_functions(make):
    asked = []

    def backwards(order, position):
        asked.append((order.tolist(), position))
        return np.sort(order)[::-1]

    with make(range(4), 3, order_sampler=backwards, repeat=True) as iterator:
        assert next(iterator) + next(iterator) == [3, 2, 1, 0, 3, 2]
    assert asked[:2] == [([0, 1, 2, 3], 0), ([3, 2, 1, 0], 3)]


def test_a_sampler_may_leave_out_and_repeat():
    iterator = SerialIterator("abcd", 2, order_sampler=lambda order, position: [0, 0, 3])
    assert [next(iterator) for _ in range(3)] == [["a", "a"], ["d", "a"], ["a", "d"]]
    assert iterator.epoch_detail == 2.0


def test_a_sampler_may_not_change_the_length():
    lengths = iter([4, 3])
    iterator = SerialIterator("abcd", 4, order_sampler=lambda order, position: np.arange(next(lengths)))
    with pytest.raises(ValueError, match=r"returned shape \(3,\); expected shape \(4,\)"):
        next(iterator)


def test_a_sampler_shared_with_others_is_not_rewound_by_a_reset():
    # The stream may be the program's: a reset that put it back would repeat other people's numbers.
    random = np.random.RandomState(0)
    iterator = SerialIterator(range(9), 3, order_sampler=ShuffleOrderSampler(random))
    random.rand()
    state = random.get_state()[2]
    iterator.reset()
    assert random.get_state()[2] != state or not np.array_equal(random.get_state()[1], state)
    twin = np.random.RandomState(0)
    twin.permutation(9)
    twin.rand()
    assert next(iterator) == twin.permutation(9)[:3].tolist()


def test_a_copy_goes_its_own_way(make):
    with make(range(6), 2, shuffle=False) as iterator:
        next(iterator)
        with copy.copy(iterator) as other:
            assert next(other) == [2, 3]
            other.reset()
            assert next(other) == [0, 1]
        assert next(iterator) == [2, 3]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shuffle": True, "order_sampler": ShuffleOrderSampler()}, "exclude each other"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_wrong_arguments(make, options, text):
    with pytest.raises(ValueError, match=text):
        make(range(3), **{"batch_size": 1, **options})


def test_wrong_numbers_of_workers():
    with pytest.raises(ValueError, match="n_threads=0"):
        MultithreadIterator(range(3), 1, n_threads=0)
    for option in ("n_processes", "n_prefetch", "shared_mem", "dataset_timeout", "maxtasksperchild"):
        with pytest.raises(ValueError, match=f"{option}=-1"):
            MultiprocessIterator(range(3), 1, **{option: -1})
    with pytest.raises(TypeError, match=r"expected a numpy.random.Generator or RandomState.*got int"):
        ShuffleOrderSampler(3)


def test_bases_say_what_to_define():
    with pytest.raises(NotImplementedError, match="__next__"):
        next(Iterator())
    with pytest.raises(NotImplementedError, match="__call__"):
        OrderSampler()(np.arange(3), 0)
    with pytest.raises(NotImplementedError, match="MultiprocessIterator"):
        DaliIterator(None)


def test_the_course_counts_serials_through():
    course = Course(5, True, None)
    first = course.step(course.beginning(), 4)
    second = course.step(first.after, 4)
    assert (first.serials, second.serials) == (range(4), range(4, 8))
    assert collections.Counter(first.indices + second.indices)[0] == 2
