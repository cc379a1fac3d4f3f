"""Functions that rearrange, join, cut, pad and pick: bad input, special behaviour, and properties against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kusari.functions as F
from kusari.autograd import FunctionHook, FunctionNode, Variable
from kusari.backend import Backend, Device
from kusari.configuration import using_config
from kusari.errors import InvalidType
from kusari_testkit.cases import im2col, rearranging, resize, sampling

Host = np.ndarray[Any, Any]
Make = Callable[..., Any]


class Mistake:
    """A call, and the error that it must raise."""

    def __init__(self, call: Callable[[Make], Any], error: type[Exception], text: str) -> None:
        self.call = call
        self.error = error
        self.text = text


def x(array: Make, *shape: int, dtype: str = "float64") -> Variable:
    """Return 0, 1, 2 … in a shape."""
    return Variable(array(np.arange(np.prod(shape)).reshape(shape), dtype))


MISTAKES = {
    "broadcast nothing": Mistake(lambda a: F.broadcast(), InvalidType, "no input"),
    "broadcast shapes": Mistake(lambda a: F.broadcast(x(a, 2, 3), x(a, 4)), InvalidType, r"\(2, 3\), \(4,\)"),
    "broadcast_to fewer axes": Mistake(lambda a: F.broadcast_to(x(a, 2, 3), (3,)), InvalidType, r"BroadcastTo.*\(3,\)"),
    "broadcast_to length": Mistake(lambda a: F.broadcast_to(x(a, 2, 3), (4, 3)), InvalidType, r"\(2, 3\) can be"),
    "reshape size": Mistake(lambda a: F.reshape(x(a, 2, 3), (4, 2)), InvalidType, r"of 6 elements\nActual: .*\(4, 2\)"),
    "reshape guess": Mistake(lambda a: F.reshape(x(a, 2, 3), (4, -1)), InvalidType, "of 6 elements"),
    "reshape guesses": Mistake(lambda a: F.reshape(x(a, 2, 3), (-1, -1)), ValueError, "one -1 at most"),
    "transpose too few": Mistake(lambda a: F.transpose(x(a, 2, 3), (1,)), ValueError, "each of the 2 axes once"),
    "transpose twice": Mistake(lambda a: F.transpose(x(a, 2, 3), (0, -2)), ValueError, "each of the 2 axes once"),
    "transpose beyond": Mistake(lambda a: F.transpose(x(a, 2, 3), (0, 2)), ValueError, "each of the 2 axes once"),
    "concat nothing": Mistake(lambda a: F.concat([]), InvalidType, r"Concat.*\n\nExpect: in_types.size\(\) > 0"),
    "concat an array": Mistake(lambda a: F.concat(x(a, 2, 3)), TypeError, "of inputs, got one Variable"),
    "concat axis": Mistake(lambda a: F.concat([x(a, 2), x(a, 2)]), InvalidType, "axis = 1"),
    "concat axis type": Mistake(lambda a: F.concat([x(a, 2)], axis="0"), TypeError, "axis='0': expected an integer"),
    "concat shapes": Mistake(
        lambda a: F.concat([x(a, 2, 3), x(a, 3, 3)]), InvalidType, r"shape\[0\] == in_types\[0\].shape\[0\]"
    ),
    "concat ranks": Mistake(lambda a: F.concat([x(a, 2, 3), x(a, 2)]), InvalidType, r"\.ndim == in_types\[0\]\.ndim"),
    "concat dtypes": Mistake(
        lambda a: F.concat([x(a, 2, 3), x(a, 2, 3, dtype="float32")]), InvalidType, "float32 != float64"
    ),
    "stack shapes": Mistake(lambda a: F.stack([x(a, 2, 3), x(a, 3, 3)]), InvalidType, "Actual: 3 != 2"),
    "stack axis": Mistake(lambda a: F.stack([x(a, 2)], axis=2), InvalidType, "-2 <= axis <= 1"),
    "hstack shapes": Mistake(lambda a: F.hstack([x(a, 2, 3), x(a, 3, 3)]), InvalidType, "Hstack.*"),
    "vstack shapes": Mistake(lambda a: F.vstack([x(a, 2), x(a, 3)]), InvalidType, "Vstack.*"),
    "dstack shapes": Mistake(lambda a: F.dstack([x(a, 2), x(a, 3)]), InvalidType, "Dstack.*"),
    "depth2space rank": Mistake(lambda a: F.depth2space(x(a, 4, 2, 2), 2), InvalidType, "ndim == 4"),
    "depth2space channels": Mistake(lambda a: F.depth2space(x(a, 1, 6, 2, 2), 2), InvalidType, "Actual: 2 != 0"),
    "depth2space dtype": Mistake(
        lambda a: F.depth2space(x(a, 1, 4, 1, 1, dtype="int32"), 2), InvalidType, "X.dtype is floating"
    ),
    "depth2space r": Mistake(lambda a: F.depth2space(x(a, 1, 4, 1, 1), 0), ValueError, "expected 1 or more"),
    "space2depth size": Mistake(lambda a: F.space2depth(x(a, 1, 1, 4, 3), 2), InvalidType, "Actual: 1 != 0"),
    "space2depth r": Mistake(lambda a: F.space2depth(x(a, 1, 1, 2, 2), 1.0), TypeError, "expected an integer"),
    "diagonal rank": Mistake(lambda a: F.diagonal(x(a, 3)), InvalidType, "x.ndim >= 2"),
    "diagonal axis": Mistake(lambda a: F.diagonal(x(a, 3, 3), 0, 0, 2), InvalidType, "axis=2"),
    "diagonal axes": Mistake(lambda a: F.diagonal(x(a, 3, 3), 0, 1, -1), ValueError, "two different axes"),
    "expand_dims": Mistake(lambda a: F.expand_dims(x(a, 2), 2), InvalidType, "axis=2"),
    "expand_dims type": Mistake(lambda a: F.expand_dims(x(a, 2), (0, 1)), TypeError, "expected an integer"),
    "flip axis": Mistake(lambda a: F.flip(x(a, 2, 3), 2), InvalidType, "axis=2"),
    "flip type": Mistake(lambda a: F.flip(x(a, 2, 3), None), TypeError, "expected an integer"),
    "fliplr": Mistake(lambda a: F.fliplr(x(a, 3)), InvalidType, "ndim >= 2"),
    "flipud": Mistake(lambda a: F.flipud(Variable(a(1.0))), InvalidType, "ndim >= 1"),
    "moveaxis axis": Mistake(lambda a: F.moveaxis(x(a, 2, 3), 2, 0), InvalidType, "axis=2"),
    "moveaxis numbers": Mistake(lambda a: F.moveaxis(x(a, 2, 3), (0, 1), 0), ValueError, "equally many"),
    "moveaxis twice": Mistake(lambda a: F.moveaxis(x(a, 2, 3), (0, 0), (0, 1)), ValueError, "same axis twice"),
    "moveaxis type": Mistake(lambda a: F.moveaxis(x(a, 2, 3), 0.5, 0), TypeError, "expected an integer"),
    "rollaxis axis": Mistake(lambda a: F.rollaxis(x(a, 2, 3), 2), InvalidType, "axis=2"),
    "rollaxis start": Mistake(lambda a: F.rollaxis(x(a, 2, 3), 0, 3), InvalidType, "start = 3"),
    "swapaxes axis": Mistake(lambda a: F.swapaxes(x(a, 2, 3), 0, 2), InvalidType, "axis=2"),
    "squeeze length": Mistake(lambda a: F.squeeze(x(a, 1, 2), 1), ValueError, r"axis 1 of shape \(1, 2\) has not"),
    "squeeze axis": Mistake(lambda a: F.squeeze(x(a, 1, 2), 2), InvalidType, "axis=2"),
    "squeeze type": Mistake(lambda a: F.squeeze(x(a, 1, 2), "0"), TypeError, "expected an integer"),
    "tile negative": Mistake(lambda a: F.tile(x(a, 2), -1), ValueError, "at least 0"),
    "tile type": Mistake(lambda a: F.tile(x(a, 2), 1.5), TypeError, "expected an integer"),
    "repeat negative": Mistake(lambda a: F.repeat(x(a, 2), -1), ValueError, "at least 0"),
    "repeat type": Mistake(lambda a: F.repeat(x(a, 2), 1.5), TypeError, "expected an integer"),
    "repeat count": Mistake(lambda a: F.repeat(x(a, 2, 3), (1, 2), axis=1), ValueError, "1 number, or 3"),
    "repeat axis": Mistake(lambda a: F.repeat(x(a, 2), 1, axis=1), InvalidType, "axis=1"),
    "separate": Mistake(lambda a: F.separate(Variable(a(1.0))), InvalidType, "axis=0"),
    "split sections": Mistake(lambda a: F.split_axis(x(a, 2, 3), 2, 1), InvalidType, "2 pieces divide"),
    "split no section": Mistake(lambda a: F.split_axis(x(a, 2, 3), 0, 1), ValueError, "1 or more pieces"),
    "split beyond": Mistake(lambda a: F.split_axis(x(a, 2, 3), [1, 4], 1), InvalidType, "up to the axis's length, 3"),
    "split order": Mistake(lambda a: F.split_axis(x(a, 2, 3), [2, 1], 1), ValueError, "rising order"),
    "split type": Mistake(lambda a: F.split_axis(x(a, 2, 3), 1.0, 1), TypeError, "expected an integer"),
    "split axis": Mistake(lambda a: F.split_axis(x(a, 2, 3), 1, 2), InvalidType, "axis=2"),
    "where condition": Mistake(lambda a: F.where(x(a, 2), x(a, 2), x(a, 2)), InvalidType, "dtype.kind == b"),
    "where dtypes": Mistake(
        lambda a: F.where(a([True], "bool"), x(a, 1), x(a, 1, dtype="float32")), InvalidType, "float64 != float32"
    ),
    "where shapes": Mistake(
        lambda a: F.where(a([True, False], "bool"), x(a, 3), x(a, 1)), InvalidType, r"\(2,\), \(3,\), \(1,\)"
    ),
    "permutate dtype": Mistake(lambda a: F.permutate(x(a, 2), a([0.0, 1.0])), ValueError, r"float64\[2\]: expected"),
    "permutate length": Mistake(lambda a: F.permutate(x(a, 2), a([0, 1, 2], "int64")), InvalidType, "2 != 3"),
    "permutate axis": Mistake(lambda a: F.permutate(x(a, 2), a([0, 1], "int64"), axis=1), InvalidType, "axis=1"),
    "select_item rank": Mistake(lambda a: F.select_item(x(a, 2), a([0, 1], "int64")), InvalidType, "ndim == 2"),
    "select_item rows": Mistake(lambda a: F.select_item(x(a, 2, 3), a([0], "int64")), InvalidType, "2 != 1"),
    "select_item dtype": Mistake(lambda a: F.select_item(x(a, 2, 3), a([0.0, 1.0])), InvalidType, "f != i"),
    "im2col rank": Mistake(lambda a: F.im2col(x(a, 2, 3, 4), 2), InvalidType, "ndim == 4"),
    "im2col dtype": Mistake(lambda a: F.im2col(x(a, 1, 1, 2, 2, dtype="int32"), 2), InvalidType, "is floating"),
    "im2col window": Mistake(lambda a: F.im2col(x(a, 1, 1, 2, 2), 3), InvalidType, "a window that fits"),
    "im2col stride": Mistake(lambda a: F.im2col(x(a, 1, 1, 2, 2), 1, 0), ValueError, "stride=0"),
    "as_strided beyond": Mistake(lambda a: F.as_strided(x(a, 4), (2, 2), (2, 1), 1), ValueError, "elements 1 to 4"),
    "as_strided before": Mistake(lambda a: F.as_strided(x(a, 4), (2,), (-1,)), ValueError, "reads elements -1 to 0"),
    "as_strided ranks": Mistake(lambda a: F.as_strided(x(a, 4), (2,), (1, 1)), ValueError, "one stride for each"),
    "as_strided type": Mistake(lambda a: F.as_strided(x(a, 4), (2,), (1.0,)), TypeError, "expected an integer"),
    "pad mode": Mistake(lambda a: F.pad(x(a, 2), 1, "mirror"), ValueError, "expected one of constant, edge"),
    "pad keyword": Mistake(lambda a: F.pad(x(a, 2), 1, "edge", end_values=1), ValueError, "does not take end_values"),
    "pad negative": Mistake(lambda a: F.pad(x(a, 2), -1, "edge"), ValueError, "at least 0"),
    "pad type": Mistake(lambda a: F.pad(x(a, 2), 1.0, "edge"), TypeError, "expected an integer"),
    "pad pairs": Mistake(lambda a: F.pad(x(a, 2, 3), ((1, 1),) * 3, "edge"), ValueError, "2 pairs, one for each axis"),
    "pad mixed": Mistake(lambda a: F.pad(x(a, 2, 3), (1, (1, 2)), "edge"), ValueError, "2 pairs, one for each axis"),
    "pad dtype": Mistake(lambda a: F.pad(x(a, 2, dtype="int32"), 1, "constant"), InvalidType, "x.dtype is floating"),
    "pad edge dtype": Mistake(lambda a: F.pad(x(a, 2, dtype="int32"), 1, "edge"), InvalidType, "x.dtype is floating"),
    "pad nothing": Mistake(lambda a: F.pad(x(a, 0), 1, "wrap"), ValueError, "has an axis of length 0"),
    "pad reflect_type": Mistake(
        lambda a: F.pad(x(a, 2), 1, "reflect", reflect_type="both"), ValueError, "expected 'even' or 'odd'"
    ),
    "pad stat_length": Mistake(lambda a: F.pad(x(a, 2), 1, "mean", stat_length=0), ValueError, "at least 1"),
    "pad_sequence nothing": Mistake(lambda a: F.pad_sequence([]), InvalidType, "no input"),
    "pad_sequence length": Mistake(lambda a: F.pad_sequence([x(a, 3)], 2), InvalidType, r"shape\[0\] <= 2"),
    "pad_sequence axes": Mistake(lambda a: F.pad_sequence([x(a, 3, 2), x(a, 2, 3)]), InvalidType, r"shape\[1:\]"),
    "pad_sequence scalar": Mistake(lambda a: F.pad_sequence([Variable(a(1.0))]), InvalidType, "ndim > 0"),
    "transpose_sequence order": Mistake(
        lambda a: F.transpose_sequence([x(a, 1), x(a, 2)]), InvalidType, r"in_types\[0\].shape\[0\] >= in_types\[1\]"
    ),
    "transpose_sequence an array": Mistake(lambda a: F.transpose_sequence(x(a, 2, 2)), TypeError, "a list or tuple"),
    "resize rank": Mistake(lambda a: F.resize_images(x(a, 2, 2), (2, 2)), InvalidType, "ndim == 4"),
    "resize dtype": Mistake(lambda a: F.resize_images(x(a, 1, 1, 2, 2, dtype="int32"), (2, 2)), InvalidType, "float"),
    "resize mode": Mistake(lambda a: F.resize_images(x(a, 1, 1, 2, 2), (2, 2), mode="cubic"), ValueError, "'nearest'"),
    "resize to nothing": Mistake(lambda a: F.resize_images(x(a, 1, 1, 2, 2), (0, 2)), ValueError, "at least 1"),
    "resize nothing": Mistake(lambda a: F.resize_images(x(a, 1, 1, 0, 2), (2, 2)), InvalidType, r"shape\[2\] > 0"),
    "grid shape": Mistake(lambda a: F.spatial_transformer_grid(x(a, 1, 3, 3), (2, 2)), InvalidType, r"shape\[1\] == 2"),
    "grid dtype": Mistake(
        lambda a: F.spatial_transformer_grid(x(a, 1, 2, 3, dtype="int32"), (2, 2)), InvalidType, "theta.dtype is"
    ),
    "grid old keyword": Mistake(
        lambda a: F.spatial_transformer_grid(x(a, 1, 2, 3), (2, 2), use_cudnn=True), ValueError, "this argument is gone"
    ),
    "sampler images": Mistake(
        lambda a: F.spatial_transformer_sampler(x(a, 1, 1, 2, 2), x(a, 2, 2, 1, 1)), InvalidType, "1 != 2"
    ),
    "sampler rank": Mistake(
        lambda a: F.spatial_transformer_sampler(x(a, 1, 2, 2), x(a, 1, 2, 1, 1)), InvalidType, "ndim == 4"
    ),
    "sampler old keyword": Mistake(
        lambda a: F.spatial_transformer_sampler(x(a, 1, 1, 2, 2), x(a, 1, 2, 1, 1), use_cudnn=True),
        ValueError,
        "this argument is gone",
    ),
    "sampler keyword": Mistake(
        lambda a: F.spatial_transformer_sampler(x(a, 1, 1, 2, 2), x(a, 1, 2, 1, 1), mode="nearest"), TypeError, "'mode'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_bad_input_is_explained(array: Make, mistake: Mistake) -> None:
    with pytest.raises(mistake.error, match=f"(?s){mistake.text}"):
        mistake.call(array)


def test_labels_and_permutations_are_checked_in_debug_mode(array: Make) -> None:
    with using_config("debug", True):
        with pytest.raises(ValueError, match="labels from 0 to 3: expected 0 <= t < 3"):
            F.select_item(x(array, 2, 3), array([0, 3], "int64"))
        with pytest.raises(ValueError, match=r"sorted, are \[1, 1\]: expected each of 0 … 1 once"):
            F.permutate(x(array, 2), array([1, 1], "int64"))


# Special behaviour. --------------------------------------------------------------------------------------------------
def test_nothing_is_made_of_nothing(array: Make) -> None:
    assert F.transpose_sequence([]) == ()
    assert F.transpose_sequence([x(array, 0, 2), x(array, 0, 2)]) == ()
    assert F.separate(x(array, 0, 2)) == ()


def test_a_single_argument_of_broadcast_comes_back(array: Make) -> None:
    one = x(array, 2, 3)
    assert F.broadcast(one) is one


def test_a_single_piece_of_split_axis(array: Make) -> None:
    pieces = F.split_axis(x(array, 2, 3), 1, 1)
    assert [piece.shape for piece in pieces] == [(2, 3)]
    assert F.split_axis(x(array, 2, 3), [], 1, force_tuple=False).shape == (2, 3)
    assert len(F.split_axis(x(array, 2, 3), np.asarray([1]), -1, force_tuple=False)) == 2


def test_pieces_that_are_not_used_get_zero_gradients(array: Make, host: Callable[[Any], Host]) -> None:
    for used in (
        lambda v: F.split_axis(v, 3, 0)[1],
        lambda v: F.separate(v)[1],
        lambda v: F.transpose_sequence([v])[1],
    ):
        v = x(array, 3, 2)
        used(v).sum().backward()
        np.testing.assert_array_equal(host(v.grad), [[0, 0], [1, 1], [0, 0]])


def test_sequences_without_steps(array: Make, host: Callable[[Any], Host]) -> None:
    long, empty = x(array, 2, 2), x(array, 0, 2)
    first, second = F.transpose_sequence([long, empty])
    (first * 2 + second).sum().backward()
    np.testing.assert_array_equal(host(long.grad), [[2, 2], [1, 1]])
    assert empty.grad is None
    padded = F.pad_sequence([long, empty])
    padded.sum().backward()
    assert padded.shape == (2, 2, 2)
    assert empty.grad.shape == (0, 2)


def test_permutate_takes_indices_of_the_host(backend: Backend, host: Callable[[Any], Host]) -> None:
    y = F.permutate(backend.from_host(np.asarray([1.0, 2.0, 3.0])), np.asarray([2, 0, 1]))
    np.testing.assert_array_equal(host(y), [3, 1, 2])


def test_integers_are_moved_too(array: Make, host: Callable[[Any], Host]) -> None:
    numbers = array([[1, 2], [3, 4]], "int32")
    for y, expected in (
        (F.concat([numbers, numbers]), [[1, 2, 1, 2], [3, 4, 3, 4]]),
        (F.pad_sequence([numbers[0, :], numbers[1, :1]], padding=-1), [[1, 2], [3, -1]]),
        (F.flip(numbers, 0), [[3, 4], [1, 2]]),
        (F.as_strided(numbers, (3,), (1,)), [1, 2, 3]),
        (F.repeat(numbers, (2, 0), axis=1), [[1, 1], [3, 3]]),
        (F.scatter_add(numbers, ([0, 0], [1, 1]), array([5, 6], "int32")), [[1, 13], [3, 4]]),
    ):
        assert y.dtype == np.int32
        np.testing.assert_array_equal(host(y), expected)


def test_a_transposed_array_is_strided_in_row_major_order(array: Make, host: Callable[[Any], Host]) -> None:
    y = F.as_strided(F.transpose(x(array, 2, 3)), (6,), (1,))
    np.testing.assert_array_equal(host(y), [0, 3, 1, 4, 2, 5])


def test_overlapping_strides_add_up(array: Make, host: Callable[[Any], Host]) -> None:
    v = x(array, 4)
    F.as_strided(v, (3, 2), (1, 1)).sum().backward()
    np.testing.assert_array_equal(host(v.grad), [1, 2, 2, 1])


def test_a_point_that_is_no_number_samples_to_none(array: Make, host: Callable[[Any], Host]) -> None:
    image, grid = x(array, 1, 1, 2, 2), Variable(array([[[[np.nan, 0.0]], [[0.0, 0.0]]]]))
    y = F.spatial_transformer_sampler(image, grid)
    np.testing.assert_array_equal(host(y), [[[[np.nan, 1.5]]]])
    far = F.spatial_transformer_sampler(image, Variable(array(np.full((1, 2, 1, 2), 1e300))))
    np.testing.assert_array_equal(host(far), [[[[0.0, 0.0]]]])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sixteen_bits_stay_sixteen_bits(dtype: str) -> None:
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype, dtype))
    for case in (*rearranging.FUNCTIONS, *im2col.FUNCTIONS, *resize.FUNCTIONS, *sampling.FUNCTIONS):
        hosts = [host.astype(kind) if host.dtype == np.float32 else host for host in case.draw("float32")]
        inputs = [Variable(host) if host.dtype == kind else host for host in hosts]
        outputs = case.call(*inputs)
        for y in outputs:
            assert y.dtype == kind, str(case)
        for again in (False, True):
            for y in outputs:
                y.grad = np.ones(y.shape, kind)
                y.backward(enable_double_backprop=again)
        for one in inputs:
            if isinstance(one, Variable) and one.grad is not None:
                assert one.grad.dtype == kind, str(case)


class Labels(FunctionHook):
    """Remember what ran."""

    name = "labels"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self.seen.append(function.label)


def test_hooks_see_one_node_of_the_documented_name(array: Make) -> None:
    a, b, image = x(array, 2, 3), x(array, 2, 3), x(array, 1, 4, 2, 2)
    calls: dict[str, Callable[[], Any]] = {
        "AsStrided": lambda: F.as_strided(x(array, 4), (2,), (1,)),
        "Broadcast": lambda: F.broadcast(a, x(array, 3)),
        "BroadcastTo": lambda: F.broadcast_to(a, (4, 2, 3)),
        "Cast": lambda: F.cast(a, "float32"),
        "Concat": lambda: F.concat([a, b]),
        "Copy": lambda: F.copy(a, a.device),
        "Depth2Space": lambda: F.depth2space(image, 2),
        "Diagonal": lambda: F.diagonal(a),
        "Dstack": lambda: F.dstack([a, b]),
        "ExpandDims": lambda: F.expand_dims(a, 0),
        "Flip": lambda: F.flip(a, 0),
        "FlipLR": lambda: F.fliplr(a),
        "FlipUD": lambda: F.flipud(a),
        "GetItem": lambda: F.get_item(a, [0, 0]),
        "Hstack": lambda: F.hstack([a, b]),
        "Im2Col": lambda: F.im2col(image, 2),
        "Moveaxis": lambda: F.moveaxis(a, 0, 1),
        "Pad": lambda: F.pad(x(array, 3), 1, "edge"),
        "PadSequence": lambda: F.pad_sequence([a, b]),
        "Permutate": lambda: F.permutate(a, array([1, 0], "int64")),
        "Repeat": lambda: F.repeat(a, 2, axis=0),
        "Reshape": lambda: F.flatten(a),
        "ResizeImages": lambda: F.resize_images(image, (3, 3)),
        "Rollaxis": lambda: F.rollaxis(a, 1),
        "ScatterAdd": lambda: F.scatter_add(a, 0, x(array, 3)),
        "SelectItem": lambda: F.select_item(a, array([1, 0], "int64")),
        "Separate": lambda: F.separate(a),
        "Space2Depth": lambda: F.space2depth(image, 2),
        "SpatialTransformerGrid": lambda: F.spatial_transformer_grid(x(array, 1, 2, 3), (2, 2)),
        "SpatialTransformerSampler": lambda: F.spatial_transformer_sampler(image, x(array, 1, 2, 1, 1)),
        "SplitAxis": lambda: F.split_axis(a, 3, 1),
        "Squeeze": lambda: F.squeeze(x(array, 1, 2)),
        "Stack": lambda: F.stack([a, b]),
        "Swapaxes": lambda: F.swapaxes(a, 0, 1),
        "Tile": lambda: F.tile(a, 2),
        "Transpose": lambda: F.transpose(a),
        "TransposeSequence": lambda: F.transpose_sequence([a, b]),
        "Vstack": lambda: F.vstack([a, b]),
        "Where": lambda: F.where(array([True, False, True], "bool"), a, b),
    }
    for name, call in calls.items():
        with Labels() as hook:
            call()
        assert hook.seen == [name]


def test_copy_goes_and_its_gradient_comes_back(strict: Backend) -> None:
    v = Variable(np.asarray([1.0, 2.0]))
    y = F.copy(v, "strict")
    assert y.device is Device(strict)
    (y * 3).sum().backward()
    np.testing.assert_array_equal(v.grad, [3, 3])


# Properties against NumPy. -------------------------------------------------------------------------------------------
@st.composite
def paddings(draw: st.DrawFn) -> tuple[Host, list[tuple[int, int]]]:
    """Draw an array and widths, some larger than it."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    widths = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=len(shape), max_size=len(shape)))
    return np.random.default_rng(0).standard_normal(shape), widths


@settings(max_examples=40)
@given(padding=paddings(), kind=st.sampled_from(["even", "odd"]))
@pytest.mark.parametrize("mode", ["edge", "wrap", "reflect", "symmetric", "linear_ramp", "mean"])
def test_any_padding_agrees_with_numpy(backend: Backend, mode: str, padding: Any, kind: str) -> None:
    values, widths = padding
    keywords = {"reflect_type": kind} if mode in ("reflect", "symmetric") else {}
    y = F.pad(backend.from_host(values), widths, mode, **keywords)
    np.testing.assert_allclose(backend.to_host(y.array), np.pad(values, widths, mode, **keywords), atol=1e-12)


@settings(max_examples=40)
@given(data=st.data(), count=st.integers(1, 4), ndim=st.integers(1, 3))
def test_split_axis_undoes_concat(backend: Backend, data: st.DataObject, count: int, ndim: int) -> None:
    axis = data.draw(st.integers(-ndim, ndim - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    parts = []
    for length in lengths:
        shape = [2] * ndim
        shape[axis] = length
        parts.append(backend.from_host(np.random.default_rng(len(parts)).standard_normal(shape)))
    pieces = F.split_axis(F.concat(parts, axis), np.cumsum(lengths[:-1], dtype=int), axis)
    for piece, part in zip(pieces, parts, strict=True):
        np.testing.assert_array_equal(backend.to_host(piece.array), backend.to_host(part))


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_transpose_sequence_undoes_itself(backend: Backend, lengths: list[int]) -> None:
    xs = [np.random.default_rng(n).standard_normal((n, 2)) for n in sorted(lengths, reverse=True)]
    back = F.transpose_sequence(F.transpose_sequence([backend.from_host(one) for one in xs]))
    for y, one in zip(back, xs, strict=True):
        np.testing.assert_array_equal(backend.to_host(y.array), one)
