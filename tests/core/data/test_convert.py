"""Converters: from examples to arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kusari.backend import Backend, Device
from kusari.dataset import ConcatWithAsyncTransfer, Converter, concat_examples, converter, to_device

DTYPES = [np.dtype(name) for name in ("float32", "float64", "int32", "uint8", "bool")]


@given(st.data())
def test_equal_shapes_are_stacked(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    dtype = data.draw(st.sampled_from(DTYPES))
    arrays = [data.draw(hnp.arrays(dtype, shape)) for _ in range(data.draw(st.integers(1, 4)))]
    batch = concat_examples([(array, n) for n, array in enumerate(arrays)])
    np.testing.assert_array_equal(batch[0], np.stack(arrays))
    assert batch[0].dtype == dtype
    assert batch[1].tolist() == list(range(len(arrays)))


@given(st.data(), st.integers(-3, 3))
def test_padding_fills_the_ends_of_axes(data, padding):
    rank = data.draw(st.integers(0, 3))
    shapes = data.draw(
        st.lists(hnp.array_shapes(min_dims=rank, max_dims=rank, max_side=4, min_side=0), min_size=1, max_size=4)
    )
    arrays = [data.draw(hnp.arrays(np.int64, shape)) for shape in shapes]
    batch = concat_examples(arrays, padding=padding)
    assert batch.shape == (len(arrays), *(max(lengths) for lengths in zip(*shapes, strict=True)))
    for number, row in enumerate(batch):
        for place in np.ndindex(row.shape):
            inside = all(i < length for i, length in zip(place, shapes[number], strict=True))
            assert row[place] == (arrays[number][place] if inside else padding)


def test_padding_of_each_element():
    pairs = [(np.array([1, 2]), np.array([0])), (np.array([3]), np.array([]))]
    x, t = concat_examples(pairs, padding=(100, 200))
    assert (x.tolist(), t.tolist()) == ([[1, 2], [3, 100]], [[0], [200]])
    dicts = [{"x": np.array([1, 2]), "t": 0}, {"x": np.array([3]), "t": 1}]
    batch = concat_examples(dicts, padding={"x": 7, "t": None})
    assert (batch["x"].tolist(), batch["t"].tolist()) == ([[1, 2], [3, 7]], [0, 1])


@pytest.mark.parametrize(
    ("batch", "options", "text"),
    [
        ([], {}, "the batch is empty"),
        ([np.zeros(2), np.zeros(3)], {}, r"different shapes: \(2,\), \(3,\); padding=0"),
        ([(np.zeros(2), 0), (np.zeros(3), 1)], {}, "element 0: examples have different shapes"),
        ([(1, 2), (1,)], {}, "example 1 of the batch has other elements"),
        ([{"x": 1}, {"y": 1}], {}, "example 1 of the batch has other keys"),
        ([{"x": 1}, (1,)], {}, "example 1 of the batch has other keys"),
        ([np.zeros(2), np.zeros((1, 2))], {"padding": 0}, "arrays of one rank"),
        ([None, None], {}, "a NoneType is not an array or a number"),
    ],
)
def test_examples_that_do_not_fit_together(batch, options, text):
    with pytest.raises(ValueError, match=text):
        concat_examples(batch, **options)


def test_arrays_go_to_the_device(device, host):
    batch = [(np.full(3, n, "f"), n) for n in range(4)]
    for convert in (concat_examples, ConcatWithAsyncTransfer()):
        for where in (device, device.name):
            x, t = convert(batch, where)
            assert device.holds(x)
            assert device.holds(t)
            np.testing.assert_array_equal(host(x), np.stack([x for x, _ in batch]))
            assert host(t).dtype == np.asarray([0]).dtype
        padded = convert([{"x": np.ones(n, "f")} for n in (1, 3)], device, padding=-1)
        np.testing.assert_array_equal(host(padded["x"]), [[1, -1, -1], [1, 1, 1]])


def test_arrays_of_a_device_stay_there(device, array, host):
    batch = [array([n, n], "float32") for n in range(3)]
    assert device.holds(concat_examples(batch))
    np.testing.assert_array_equal(host(concat_examples(batch)), [[0, 0], [1, 1], [2, 2]])
    ragged = concat_examples([array([1.0]), array([1.0, 2.0])], padding=0)
    assert device.holds(ragged)
    np.testing.assert_array_equal(host(ragged), [[1, 0], [1, 2]])


def test_another_device_of_one_backend(strict):
    there = Device(strict, 1)
    batch = concat_examples([strict.from_host(np.ones(2)), strict.from_host(np.zeros(2))], there)
    assert there.holds(batch)


def test_to_device(device, array):
    x = array([1.0])
    assert to_device(None, x) is x
    assert to_device(None, 3) == 3
    one, two, none, (three,) = to_device(device, [np.ones(2), 3, None, (x,)])
    assert device.holds(one)
    assert device.holds(two)
    assert device.holds(three)
    assert none is None


def test_converters_are_given_a_device():
    given_devices = []

    @converter()
    def mine(batch, device, extra=0):
        """Say what it does."""
        given_devices.append(device)
        return len(batch) + extra

    assert isinstance(mine, Converter)
    assert (mine.__name__, mine.__doc__) == ("mine", "Say what it does.")
    assert mine([1, 2], -1) + mine([1], "numpy", extra=3) + mine([], None) == 6
    assert [getattr(device, "name", None) for device in given_devices] == ["numpy", "numpy", None]
    assert isinstance(concat_examples, Converter)
    with pytest.raises(NotImplementedError, match="__call__"):
        Converter()([], None)


def test_a_converter_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(concat_examples)) is concat_examples


class _Recording(Backend):
    """A device whose copies are done when somebody waits: to see who waits for what."""

    def __init__(self, xp, array_types):
        super().__init__("recording", xp, array_types)
        self.log = []
        self.streams = ["compute"]

    def use(self, index):
        import contextlib

        return contextlib.nullcontext()

    def current_stream(self, index=0):
        return _Stream(self, self.streams[-1])

    def event(self):
        return _Event(self)

    def from_host(self, array, index=0, copy=True, non_blocking=False):
        self.log.append(("copy", self.streams[-1], non_blocking))
        return super().from_host(array, index, copy, non_blocking)


class _Stream:
    def __init__(self, backend, name):
        self.backend, self.name = backend, name

    def synchronize(self):
        self.backend.log.append(("synchronize", self.name))

    def wait(self, event):
        self.backend.log.append(("wait", self.name, event.number))


class _Event:
    def __init__(self, backend):
        self.backend = backend

    def record(self, stream=None):
        self.number = sum(entry[0] == "record" for entry in self.backend.log)
        self.backend.log.append(("record", stream.name, self.number))

    def synchronize(self):
        self.backend.log.append(("reached", self.number))


class _Native:
    """What a library's stream is: a context in which it is the current one."""

    def __init__(self, backend, name):
        self.backend, self.name = backend, name

    def __enter__(self):
        self.backend.streams.append(self.name)

    def __exit__(self, *_):
        self.backend.streams.pop()


def test_a_transfer_waits_for_the_reader_of_the_memory_it_takes_and_nobody_else():
    xp = pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    backend = _Recording(xp, (type(xp.empty(0)),))
    convert = ConcatWithAsyncTransfer(_Native(backend, "copy"))
    device = Device(backend)
    steps = []
    for n in range(4):
        backend.log.append(("step", n))
        start = len(backend.log)
        convert([np.full(2, n, "f")], device)
        steps.append(backend.log[start:])
    # Recorded: 2n when batch n is asked for (what was computed before), 2n + 1 when it has been copied.
    begin = [("record", "compute"), ("copy", "copy", True), ("record", "copy"), ("wait", "compute")]
    assert [entry[:2] if entry[0] != "copy" else entry for entry in steps[0]] == begin
    assert steps[0][-1] == ("wait", "compute", 1)
    for n in (2, 3):
        # Batch n - 2 was last read before batch n - 1 was asked for: event 2(n - 1), and not a later one.
        assert steps[n][0] == ("wait", "copy", 2 * (n - 1))
        assert steps[n][1] == ("reached", 2 * (n - 2) + 1)
    assert not any(entry[0] == "synchronize" for entry in backend.log)


def test_a_transfer_serves_one_device(strict):
    convert = ConcatWithAsyncTransfer()
    convert([np.ones(2)], Device(strict, 0))
    with pytest.raises(ValueError, match="one converter serves one device: this one began with strict:0, got strict:1"):
        convert([np.ones(2)], Device(strict, 1))
