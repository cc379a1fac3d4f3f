"""HDF5 and safetensors: what is saved comes back, in every format alike, and what each has of its own."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import kusari
from kusari import optimizers
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend
from kusari.model import Chain, Link, Sequential
from kusari.serializers import (
    DictionarySerializer,
    HDF5Deserializer,
    HDF5Serializer,
    load_hdf5,
    load_npz,
    load_safetensors,
    save_hdf5,
    save_npz,
    save_safetensors,
)
from kusari.serializers.loading import Flattened

FORMATS = {
    "npz": (save_npz, load_npz),
    "h5py": (save_hdf5, load_hdf5),
    "safetensors": (save_safetensors, load_safetensors),
}


@pytest.fixture(params=FORMATS)
def both(request: pytest.FixtureRequest) -> Any:
    """A function that saves and one that loads."""
    if request.param != "npz":
        pytest.importorskip(request.param, reason=f"needs {request.param}")
    return FORMATS[request.param]


@pytest.fixture
def h5py() -> Any:
    return pytest.importorskip("h5py", reason="needs h5py")


def model(backend: Backend, seed: int) -> Chain:
    """Return a chain of a Sequential and a link with persistent values of every type."""
    rng = np.random.default_rng(seed)

    def leaf(*shape: int) -> Link:
        link = Link()
        with link.init_scope():
            link.W = Parameter(backend.from_host(np.asarray(rng.standard_normal(shape), "f")))
        return link

    def layer(*shape: int) -> Any:
        class Callable(Link):
            def forward(self, x: Any) -> Any:
                return x

        made = Callable()
        with made.init_scope():
            made.W = leaf(*shape).W
        return made

    chain = Chain(body=Sequential(layer(2), layer(3), layer(4), layer()), rest=leaf(2, 3))
    chain.rest.add_persistent("mean", backend.from_host(rng.standard_normal(3)))
    chain.rest.add_persistent("count", int(rng.integers(100)))
    chain.rest.add_persistent("rate", float(rng.random()))
    chain.rest.add_persistent("flag", bool(seed % 2))
    chain.rest.add_persistent("label", f"Nr. {seed}: äöü")
    chain.rest.add_persistent("nothing", None)
    return chain


def contents(obj: Any) -> dict[str, Any]:
    serializer = DictionarySerializer()
    serializer.save(obj)
    return {name: (value.dtype.name, value.shape, value.tolist()) for name, value in serializer.target.items()}


@pytest.mark.parametrize("by_path", [True, False])
def test_what_is_saved_comes_back(both: Any, backend: Backend, by_path: bool, tmp_path: Path) -> None:
    save, load = both
    file: Any = tmp_path / "model" if by_path else io.BytesIO()
    source, target = model(backend, 1), model(backend, 2)
    array = target.rest.W.array
    save(file, source)
    load(file, target)
    assert contents(target) == contents(source)
    assert target.rest.W.array is array  # filled in place
    if by_path:
        assert os.listdir(tmp_path) == ["model"]


def test_equal_objects_give_equal_files(both: Any, backend: Backend) -> None:
    if both[0] is save_safetensors:
        pytest.skip("the package safetensors writes metadata in no fixed order")
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        both[0](file, model(backend, 1))
    assert files[0].getvalue() == files[1].getvalue()


def test_an_optimizer_resumes(both: Any, backend: Backend) -> None:
    save, load = both

    def run(optimizer: Any, steps: int) -> None:
        for step in range(steps):
            for index, param in enumerate(optimizer.target.params()):
                param.grad = param.xp.asarray(param.array * (0.5 + step) + index)
            optimizer.update()

    optimizer = optimizers.Adam().setup(model(backend, 1))
    run(optimizer, 3)
    files = io.BytesIO(), io.BytesIO()
    save(files[0], optimizer.target)
    save(files[1], optimizer)
    resumed = optimizers.Adam().setup(model(backend, 2))
    load(files[0], resumed.target)
    load(files[1], resumed)
    run(optimizer, 2)
    run(resumed, 2)
    assert contents(resumed.target) == contents(optimizer.target)
    assert contents(resumed) == contents(optimizer)


def test_a_failed_load_changes_nothing(both: Any, backend: Backend) -> None:
    save, load = both
    source = model(backend, 1)
    source.rest.W.array = backend.xp.zeros((3, 2), dtype=backend.native_dtype("float32"))
    file, target = io.BytesIO(), model(backend, 2)
    save(file, source)
    before = contents(target)
    with pytest.raises(ValueError, match=r"'rest/W': expected shape \(2, 3\), the file has \(3, 2\)"):
        load(file, target)
    assert contents(target) == before


def test_the_numbering_is_kept_in_the_file(both: Any, backend: Backend) -> None:
    save, load = both
    file = io.BytesIO()
    with kusari.using_config("sequential_numbering", "legacy"):
        save(file, model(backend, 1))
    target = model(backend, 2)
    load(file, target)
    assert contents(target) == contents(model(backend, 1))
    file = io.BytesIO()
    save(file, model(backend, 1))
    with kusari.using_config("sequential_numbering", "legacy"):
        load(file, target)
    assert contents(target) == contents(model(backend, 1))
    with (
        kusari.using_config("sequential_numbering", "other"),
        pytest.raises(ValueError, match="expected 'native' or 'legacy'"),
    ):
        save(file, target)


@settings(max_examples=40)
@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", "u2", "i4", "u8", "e", "f", "d", "F", ">f4"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(sorted(FORMATS)),
)
def test_any_array_comes_back(array: Any, kind: str) -> None:
    if kind != "npz":
        pytest.importorskip(kind, reason=f"needs {kind}")
    save, load = FORMATS[kind]
    file, holder = io.BytesIO(), Holder(None)
    save(file, {"x": array})
    load(file, holder)
    np.testing.assert_array_equal(holder.x, array)
    assert (holder.x.dtype, holder.x.shape) == (
        array.dtype.newbyteorder("=") if kind == "safetensors" else array.dtype,
        array.shape,
    )


class Holder:
    """An object with one value."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def serialize(self, serializer: Any) -> None:
        value = serializer("x", self.x)
        if not getattr(serializer, "rehearsing", False):
            self.x = value


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_bfloat16_comes_back(both: Any, shape: tuple[int, ...]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 on the host needs ml_dtypes")
    array = np.random.default_rng(0).standard_normal(shape).astype(ml_dtypes.bfloat16)
    file = io.BytesIO()
    both[0](file, {"x": array})
    for empty, expected in ((None, array), (np.empty(shape, ml_dtypes.bfloat16), array), (np.empty(shape, "f"), array)):
        holder = Holder(empty)
        both[1](file, holder)
        np.testing.assert_array_equal(np.asarray(holder.x, "f"), np.asarray(expected, "f"))
    assert Holder(np.empty(shape, "f")).x.dtype == np.float32


@pytest.mark.parametrize("value", ["", "text", "äöü 鎖", 3, -1, 2.5, True, None, np.float32(1.5)])
def test_single_values_come_back_in_their_type(both: Any, value: Any) -> None:
    file, holder = io.BytesIO(), Holder(None if value is None else type(value)())
    both[0](file, Holder(value))
    both[1](file, holder)
    assert holder.x == value
    assert type(holder.x) is type(value)


def test_what_a_format_cannot_hold_is_refused(both: Any) -> None:
    with pytest.raises(TypeError, match="'x': a object cannot be saved"):
        both[0](io.BytesIO(), {"x": object()})
    if both[0] is save_safetensors:
        for value in (np.ones(2, "D"), np.asarray(["a", "b"])):
            with pytest.raises(TypeError, match=r"'x': safetensors files have no .* use save_npz\(\)"):
                save_safetensors(io.BytesIO(), {"x": value})


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("h5py", "hdf5", lambda path: save_hdf5(path, {"x": 1})),
        ("h5py", "hdf5", lambda path: load_hdf5(path, Link())),
        ("h5py", "hdf5", HDF5Serializer),
        ("h5py", "hdf5", HDF5Deserializer),
        ("safetensors", "safetensors", lambda path: save_safetensors(path, {"x": 1})),
        ("safetensors", "safetensors", lambda path: load_safetensors(path, Link())),
    ],
)
def test_a_missing_package_is_named(
    package: str, extra: str, call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (package, f"{package}.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match=rf"needs the package {package}: pip install kusari\[{extra}\]"):
        call(tmp_path / "file")
    assert os.listdir(tmp_path) == []


# HDF5 by itself. -----------------------------------------------------------------------------------------------------
def test_the_layout_of_hdf5_files(h5py: Any, backend: Backend, tmp_path: Path) -> None:
    save_hdf5(tmp_path / "model.h5", model(backend, 1))
    with h5py.File(tmp_path / "model.h5") as file:
        assert sorted(file) == ["body", "rest"]
        assert (file["rest/W"].compression, file["rest/W"].compression_opts) == ("gzip", 4)
        assert file["rest/W"].shape == (2, 3)
        assert file["rest/count"].compression is None
        assert file["rest/count"].shape == ()
        assert file["rest/nothing"].shape is None
        assert not file["rest/label"].dtype.hasobject
    save_hdf5(tmp_path / "model.h5", model(backend, 1), compression=None)
    with h5py.File(tmp_path / "model.h5") as file:
        assert file["rest/W"].compression is None


def test_a_part_without_values_is_a_group(h5py: Any) -> None:
    class Empty:
        def serialize(self, serializer: Any) -> None:
            serializer["a"]["b"]

    file = io.BytesIO()
    save_hdf5(file, Empty())
    load_hdf5(file, Empty())
    with h5py.File(file) as root:
        assert list(root["a"]) == ["b"]


def test_a_part_that_saves_nothing_needs_no_group(h5py: Any) -> None:
    """A snapshot is written from a dictionary, in which nothing says that there was such a part."""

    class Parts:
        n = 1

        def serialize(self, serializer: Any) -> None:
            serializer["nothing"]["below"]
            self.n = serializer["something"]("n", self.n)

    file, loaded = io.BytesIO(), Parts()
    loaded.n = 0
    save_hdf5(file, Flattened(Parts()))
    with h5py.File(file) as root:
        assert list(root) == ["something"]
    load_hdf5(file, loaded)
    assert loaded.n == 1
    save_hdf5(file, {"unrelated": 1})
    with pytest.raises(ValueError, match="'something' is not in the file, where 'something/n' should be"):
        load_hdf5(file, loaded)
    save_hdf5(file, {"something/m": 1})
    with pytest.raises(KeyError, match="'something/n' is not in the file; it has 'something/m'"):
        load_hdf5(file, loaded)


def test_serializers_of_groups(h5py: Any) -> None:
    link = Link()
    link.add_persistent("x", 3)
    with h5py.File(io.BytesIO(), "w") as file:
        HDF5Serializer(file.create_group("deep"))["/link/"].save(link)
        assert file["deep/link/x"][()] == 3
        link.x = 0
        HDF5Deserializer(file)["deep"]["link"].load(link)
        assert link.x == 3
        with pytest.raises(ValueError, match="'other' is not in the file"):
            HDF5Deserializer(file)["other"]("y", 1)
        with pytest.raises(KeyError, match="'deep/y' is not in the file"):
            HDF5Deserializer(file)["deep"]("y", 1)
        lenient = HDF5Deserializer(file, strict=False)
        assert lenient["other"]["below"]("y", 5) == 5
        assert lenient["other"].group is None
        assert HDF5Deserializer(None, strict=False)("y", 5) == 5


def test_a_failed_save_leaves_the_old_file(both: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    both[0](path, {"x": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError, match="'x'"):
        both[0](path, {"a": np.ones(3), "x": object()})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


def test_files_that_are_not_there_or_something_else(both: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        both[1](tmp_path / "missing", Link())
    (tmp_path / "text").write_text("hello, this is no model")
    with pytest.raises(ValueError, match="text: not a"):
        both[1](tmp_path / "text", Link())


def test_a_safetensors_file_of_another_program() -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    link = Link()
    with link.init_scope():
        link.W = Parameter(0, (2, 3))
    load_safetensors(io.BytesIO(numpy.save({"a.b/W": np.ones((2, 3), "d")}, {"format": "pt"})), link, path="a.b/")
    assert (link.W.array == 1).all()


def test_other_programs_read_our_safetensors_files(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors", reason="needs safetensors")
    link = Link()
    with link.init_scope():
        link.W = Parameter(0.5, (2, 3))
    save_safetensors(tmp_path / "file", Chain(l=link))
    with safetensors.safe_open(tmp_path / "file", "np") as file:
        assert list(file.keys()) == ["l/W"]
        assert (file.get_tensor("l/W") == 0.5).all()
        assert file.metadata()["format"] == "kusari"
        assert file.metadata()["sequential_numbering"] == "native"
