"""Layouts: how one running index walks over broadcast, strided operands."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kusari_triton.layout import Layout, allocate, lay_out


def laid_out(*arrays: np.ndarray[Any, Any]) -> Layout:
    return lay_out(
        tuple(array.shape for array in arrays),
        tuple(tuple(stride // array.itemsize for stride in array.strides) for array in arrays),
    )


@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4), data=st.data())
def test_every_element_is_met_once_and_in_step(shapes: Any, data: st.DataObject) -> None:
    arrays = []
    for shape in shapes.input_shapes:
        order = data.draw(st.permutations(range(len(shape))))
        array = np.arange(int(np.prod(shape)), dtype="f").reshape([shape[axis] for axis in order])
        arrays.append(array.transpose(np.argsort(order)) if shape else array)
    layout = laid_out(*arrays)
    new = allocate(np, layout, "f", None)
    assert new.shape == layout.shape == shapes.result_shape
    assert layout.total == new.size
    walks = [
        [sum(i * s for i, s in zip(index, walk, strict=True)) for index in itertools.product(*map(range, layout.sizes))]
        for walk in layout.strides
    ]
    assert sorted(walks[-1]) == list(range(new.size))
    # What the walks pair up is what NumPy pairs up: write each operand's values along the result's walk.
    for array, walk in zip(arrays, walks, strict=False):
        flat = np.empty(new.size, "f")
        memory = array.ravel("K")
        for source, target in zip(walk, walks[-1], strict=True):
            flat[target] = memory[source]
        written = flat.reshape([layout.shape[axis] for axis in layout.order])
        written = written.transpose(np.argsort(layout.order)) if layout.shape else written
        np.testing.assert_array_equal(written, np.broadcast_to(array, layout.shape))


def test_dense_operands_are_one_axis_in_any_memory_order() -> None:
    channels_last = np.zeros((2, 5, 6, 3), "f").transpose(0, 3, 1, 2)
    for array in (np.zeros((2, 3, 5, 6), "f"), channels_last, np.zeros((2, 3, 5, 6), "f", order="F")):
        layout = laid_out(array, array)
        assert layout.sizes == (180,)
        assert set(layout.strides) == {(1,)}
        assert allocate(np, layout, "f", None).strides == array.strides


def test_a_bias_along_channels_leaves_as_few_axes_as_it_can() -> None:
    bias = np.zeros((3, 1, 1), "f")
    assert laid_out(np.zeros((2, 3, 5, 6), "f"), bias).sizes == (2, 3, 30)
    assert laid_out(np.zeros((2, 5, 6, 3), "f").transpose(0, 3, 1, 2), bias).sizes == (60, 3)


def test_offsets_beyond_32_bits_are_wide() -> None:
    assert not lay_out(((2**30,),), ((1,),)).wide
    assert lay_out(((2**31,),), ((1,),)).wide
    assert lay_out(((2**16,),), ((2**16,),)).wide
    assert lay_out(((2**16,),), ((-(2**16),),)).wide


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        lay_out(((2,), (3,)), ((1,), (1,)))
