"""Files: what is saved comes back, files of the original load, and a bad file leaves the model as it was."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kusari import optimizers
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, get_backend
from kusari.model import Chain, Link
from kusari.serializer import AbstractSerializer, Deserializer, Serializer
from kusari.serializers import DictionarySerializer, NpzDeserializer, load_npz, save_npz


def model(backend: Backend, seed: int, dtype: str = "float32") -> Chain:
    """Return a chain of two links, with a persistent array, number, text and None."""
    rng = np.random.default_rng(seed)
    chain = Chain()
    with chain.init_scope():
        chain.scale = Parameter(backend.from_host(np.asarray(rng.standard_normal(), dtype)))
        for name in ("first", "second"):
            link = Link()
            with link.init_scope():
                link.W = Parameter(backend.from_host(rng.standard_normal((2, 3)).astype(dtype)))
            link.add_persistent("mean", backend.from_host(rng.standard_normal(3).astype(dtype)))
            link.add_persistent("count", int(rng.integers(100)))
            link.add_persistent("rate", float(rng.random()))
            link.add_persistent("label", f"link {seed}")
            link.add_persistent("nothing", None)
            setattr(chain, name, link)
    return chain


def contents(chain: Any) -> dict[str, Any]:
    """Return everything that a file would hold, as comparable values."""
    serializer = DictionarySerializer()
    serializer.save(chain)
    return {name: (value.dtype.name, value.shape, value.tolist()) for name, value in serializer.target.items()}


def saved(obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    save_npz(file, obj)
    return file


# Round trips. --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("by_path", [True, False])
def test_what_is_saved_comes_back(backend: Backend, compression: bool, by_path: bool, tmp_path: Path) -> None:
    source, target = model(backend, 1), model(backend, 2)
    file: Any = tmp_path / "model" if by_path else io.BytesIO()
    save_npz(file, source, compression)
    arrays = [target.first.W.array, target.first.mean]
    version = target.first.W.version
    load_npz(file, target)
    assert contents(target) == contents(source)
    assert target.first.W.array is arrays[0]  # filled in place
    assert target.first.mean is arrays[1]
    assert target.first.W.version > version
    if by_path:
        assert os.listdir(tmp_path) == ["model"]  # no extension is added, and nothing else is left


def test_the_keys_are_paths_without_the_first_slash(backend: Backend) -> None:
    with np.load(rewound(saved(model(backend, 0)))) as file:
        assert sorted(file) == sorted(
            [
                "scale",
                *(f"{link}/{n}" for link in ("first", "second") for n in "W count label mean nothing rate".split()),
            ]
        )


def rewound(file: io.BytesIO) -> io.BytesIO:
    file.seek(0)
    return file


def test_equal_objects_give_equal_files(backend: Backend) -> None:
    assert saved(model(backend, 1)).getvalue() == saved(model(backend, 1)).getvalue()


def test_dtypes_and_devices_of_the_model_are_kept(backend: Backend) -> None:
    source, target = model(backend, 1, "float64"), model(backend, 2, "float32")
    load_npz(saved(source), target)
    assert backend.host_dtype(target.first.W.array.dtype) == np.float32
    np.testing.assert_array_equal(
        backend.to_host(target.first.W.array), backend.to_host(source.first.W.array).astype("f")
    )
    on_host = model(get_backend("numpy"), 3)
    load_npz(saved(source), on_host)
    assert isinstance(on_host.first.W.array, np.ndarray)


def test_a_parameter_without_data_takes_the_shape_in_the_file(backend: Backend) -> None:
    late = Link()
    with late.init_scope():
        late.W = Parameter(0.5)
    late.to_device(backend.name)
    load_npz(saved(model(backend, 1).first), late)
    assert backend.to_host(late.W.array).tolist() == backend.to_host(model(backend, 1).first.W.array).tolist()


def test_a_parameter_without_data_is_none_in_the_file(backend: Backend) -> None:
    late = Link()
    with late.init_scope():
        late.W = Parameter(0.5)
    file = saved(late)
    before = model(backend, 1).first
    values = backend.to_host(before.W.array)
    load_npz(file, before, strict=False)  # None does not clear what is there
    np.testing.assert_array_equal(backend.to_host(before.W.array), values)
    with np.load(rewound(file)) as arrays:  # and no pickle is needed for it
        assert arrays["W"].dtype.names == ("none",)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", "u2", "i4", "u8", "e", "f", "d", "F", "D", ">f4", "<U3"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_any_array_comes_back(array: Any, fortran: bool) -> None:
    if fortran:
        array = np.asfortranarray(array)
    (loaded,) = (NpzDeserializer(np.load(rewound(saved({"x": array}))))("x", None),)
    np.testing.assert_array_equal(loaded, array)
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_bfloat16_comes_back(shape: tuple[int, ...]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 on the host needs ml_dtypes")
    array = np.random.default_rng(0).standard_normal(shape).astype(ml_dtypes.bfloat16)
    file = saved({"x": array})
    with np.load(rewound(file)) as stored:
        assert stored["x"].dtype == [("bfloat16", "<u2")]
        deserializer = NpzDeserializer(stored)
        loaded = deserializer("x", None)
        assert loaded.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(loaded, array)
        wide = deserializer("x", np.empty(shape, "f"))
        np.testing.assert_array_equal(wide, array.astype("f"))
    narrow = NpzDeserializer({"x": wide})("x", np.empty(shape, ml_dtypes.bfloat16))
    np.testing.assert_array_equal(narrow, array)


def test_an_optimizer_resumes(backend: Backend) -> None:
    def run(chain: Any, optimizer: Any, steps: int) -> None:
        for step in range(steps):
            for index, param in enumerate(chain.params()):
                param.grad = param.xp.asarray(param.array * (0.5 + step) + index)
            optimizer.update()

    chain = model(backend, 1)
    optimizer = optimizers.Adam().setup(chain)
    run(chain, optimizer, 3)
    optimizer.new_epoch()
    files = saved(chain), saved(optimizer)
    assert sorted(name for name in np.load(rewound(files[1])) if name.startswith("first")) == [
        "first/W/m",
        "first/W/t",
        "first/W/v",
    ]
    twin = model(backend, 2)
    resumed = optimizers.Adam().setup(twin)
    load_npz(files[0], twin)
    load_npz(files[1], resumed)
    assert (resumed.t, resumed.epoch, twin.first.W.update_rule.t) == (3, 1, 3)
    for each in ((chain, optimizer), (twin, resumed)):
        run(*each, 2)
    assert contents(twin) == contents(chain)
    assert contents(resumed) == contents(optimizer)
    load_npz(files[1], resumed)  # into one that has a state already
    assert resumed.t == 3


def test_an_optimizer_that_had_not_run_is_loaded_as_such(backend: Backend) -> None:
    file = saved(optimizers.Adam().setup(model(backend, 1)))
    chain = model(backend, 2)
    optimizer = optimizers.Adam().setup(chain)
    for param in chain.params():
        param.grad = param.array
    optimizer.update()
    load_npz(file, optimizer)
    assert (optimizer.t, chain.first.W.update_rule.t, chain.first.W.update_rule.state) == (0, 0, None)


def stepped(backend: Backend, seed: int) -> Any:
    """Return an optimizer after one step."""
    chain = model(backend, seed)
    optimizer = optimizers.Adam().setup(chain)
    for param in chain.params():
        param.grad = param.array
    optimizer.update()
    return optimizer


def test_a_loaded_state_is_brought_to_its_parameter(backend: Backend) -> None:
    source, target = stepped(backend, 1), stepped(backend, 2)
    load_npz(saved(optimizers.Adam().setup(model(backend, 1))), target)  # no state any more
    load_npz(saved(source), target)  # one that is on the host until the next update
    for optimizer in (source, target):
        for param in optimizer.target.params():
            param.array = backend.xp.ones_like(param.array)
            param.grad = param.array
        optimizer.update()
    assert contents(target.target.first)["W"] == contents(source.target.first)["W"]


def test_a_load_that_fails_leaves_the_states(backend: Backend) -> None:
    arrays = DictionarySerializer()
    arrays.save(optimizers.Adam().setup(model(backend, 1)))  # the rules have not run: no states
    del arrays.target["second/W/t"]
    optimizer = stepped(backend, 2)
    before = contents(optimizer)
    with pytest.raises(KeyError, match="'second/W/t'"):
        load_npz(saved(arrays.target), optimizer)
    assert contents(optimizer) == before


def test_a_state_that_lacks_a_part_is_an_error(backend: Backend) -> None:
    file = saved(stepped(backend, 1))
    other = optimizers.AMSGrad().setup(model(backend, 2))
    with pytest.raises(KeyError, match="'scale/vhat' is not in the file"):
        load_npz(file, other)
    assert (other.t, other.target.first.W.update_rule.state) == (0, None)


# The protocol. -------------------------------------------------------------------------------------------------------
def test_the_base_classes_say_what_is_missing() -> None:
    for kind in (AbstractSerializer, Serializer, Deserializer):
        with pytest.raises(NotImplementedError, match="__call__"):
            kind()("key", 1)
        with pytest.raises(NotImplementedError, match="__getitem__"):
            kind()["key"]


def test_a_dictionary_serializer_strips_slashes() -> None:
    serializer = DictionarySerializer(path="root/")
    assert serializer["/a/"]["b"].path == "root/a/b/"
    assert serializer["a"]("/x", 3) == 3
    assert serializer.target == {"root/a/x": np.asarray(3)}
    with pytest.raises(TypeError, match="'root/f': a builtin_function_or_method cannot be saved"):
        serializer("f", len)
    with pytest.raises(TypeError, match="'x': a list cannot be saved"):
        save_npz(io.BytesIO(), {"x": [1, None]})


@pytest.mark.parametrize(
    ("stored", "value", "expected"),
    [
        (1, 0, 1),
        (1, 0.0, 1.0),
        (np.float32(0.5), 0.0, 0.5),
        (True, False, True),
        (True, 0, 1),
        ("text", "", "text"),
        (np.uint64(7), 0, 7),
        (np.float32(3), np.float64(0), np.float64(3)),
        ([1, 2], [0, 0], [1, 2]),
        ([1, 2], (), (1, 2)),
        (None, 5, None),
        (None, None, None),
        (np.ones(1), 0.0, 1.0),
    ],
)
def test_scalars_come_back_in_their_type(stored: Any, value: Any, expected: Any) -> None:
    loaded = NpzDeserializer(np.load(rewound(saved({"x": stored}))))("x", value)
    assert loaded == expected
    assert type(loaded) is type(expected)


@pytest.mark.parametrize(
    ("stored", "value"),
    [(1.5, 0), (1, True), (1.5, np.float32(0)), (1 + 2j, 0.0), ([1, 2], 0), ([], 0.0)],
)
def test_scalars_that_do_not_fit_are_refused(stored: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="'x': "):
        NpzDeserializer(np.load(rewound(saved({"x": stored}))))("x", value)


# Files that do not fit. ----------------------------------------------------------------------------------------------
def check_untouched(file: Any, target: Any, error: type[Exception], match: str, **options: Any) -> None:
    before = contents(target)
    with pytest.raises(error, match=match):
        load_npz(file, target, **options)
    assert contents(target) == before


def changed(backend: Backend, **changes: Any) -> io.BytesIO:
    """Return a file of a model in which entries are others; None leaves one out."""
    serializer = DictionarySerializer()
    serializer.save(model(backend, 1))
    arrays = serializer.target
    for name, value in changes.items():
        del arrays[name.replace("__", "/")]
        if value is not None:
            arrays[name.replace("__", "/")] = value
    return saved(arrays)


def test_a_missing_value(backend: Backend) -> None:
    file, target = changed(backend, second__W=None), model(backend, 2)
    check_untouched(file, target, KeyError, "'second/W' is not in the file.*strict=False")
    before = backend.to_host(target.second.W.array)
    load_npz(file, target, strict=False)
    np.testing.assert_array_equal(backend.to_host(target.second.W.array), before)
    assert contents(target)["first/W"] == contents(model(backend, 1))["first/W"]


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3,), (3, 2), (), (1, 2, 3)])
def test_another_shape(backend: Backend, shape: tuple[int, ...]) -> None:
    file = changed(backend, second__W=np.ones(shape, "f"))
    check_untouched(file, model(backend, 2), ValueError, r"'second/W': expected shape \(2, 3\), the file has")


def test_another_kind_of_dtype(backend: Backend) -> None:
    check_untouched(
        changed(backend, second__W=np.ones((2, 3), "F")),
        model(backend, 2),
        TypeError,
        "'second/W': complex64 in the file cannot become float32",
    )
    check_untouched(changed(backend, second__count=1.5), model(backend, 2), TypeError, "cannot safely become int")


def test_more_than_is_asked_for_is_ignored(backend: Backend) -> None:
    source = DictionarySerializer()
    source.save(model(backend, 1))
    file = saved(source.target | {"other/W": np.ones(3)})
    target = model(backend, 2)
    load_npz(file, target)
    assert contents(target) == contents(model(backend, 1))


def test_a_part_of_a_file(backend: Backend) -> None:
    target = model(backend, 2)
    load_npz(saved(model(backend, 1)), target.first, path="first/")
    assert contents(target.first) == contents(model(backend, 1).first)
    check_untouched(saved(model(backend, 1)), target.first, KeyError, "'firstW'", path="first")


@pytest.mark.parametrize(
    "names", ["second/W", ["second/W"], lambda name: name.endswith("d/W"), ["nothing", lambda name: "d/W" in name]]
)
def test_ignored_names(backend: Backend, names: Any) -> None:
    target = model(backend, 2)
    before = contents(target)["second/W"]
    load_npz(changed(backend, second__W=None), target, ignore_names=names)
    assert contents(target)["second/W"] == before
    assert contents(target)["first/W"] == contents(model(backend, 1))["first/W"]


@pytest.mark.parametrize("names", [3, [3], ["first/W", None]])
def test_ignored_names_of_another_type(backend: Backend, names: Any) -> None:
    check_untouched(
        saved(model(backend, 1)), model(backend, 2), ValueError, "expected a name, a function", ignore_names=names
    )


def test_an_error_of_serialize_itself_is_reported() -> None:
    class Odd(Link):
        def serialize(self, serializer: Any) -> None:
            self.number = int(serializer("number", None))  # in the rehearsal, what was None stays None

    odd = Odd()
    load_npz(saved({"number": 3}), odd)
    assert odd.number == 3
    with pytest.raises(KeyError, match="'number' is not in the file"):
        load_npz(saved({"other": 3}), odd)
