"""Bad files: damaged, cut off, hostile. Each is a clear error, nothing is unpickled, and the model stays as it was."""

from __future__ import annotations

import io
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, get_backend
from kusari.model import Chain, Link
from kusari.serializers import DictionarySerializer, NpzDeserializer, load_npz, save_npz
from kusari.serializers.pickled_none import is_pickled_none


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


def rewound(file: io.BytesIO) -> io.BytesIO:
    file.seek(0)
    return file


def check_untouched(file: Any, target: Any, error: type[Exception], match: str) -> None:
    before = contents(target)
    with pytest.raises(error, match=match):
        load_npz(file, target)
    assert contents(target) == before


# Files of the original, and pickles. ---------------------------------------------------------------------------------
NONE = np.array(None, dtype=object)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("module", [b"numpy.core.", b"numpy._core."])
def test_the_pickle_of_none_is_recognized(protocol: int, module: bytes) -> None:
    if protocol < 4:
        data = pickle.dumps(NONE, protocol).replace(b"numpy._core.", module)
    else:
        data = renamed(pickle.dumps(NONE, protocol), module)
    assert is_pickled_none(data)
    if module == b"numpy._core.":
        assert pickle.loads(data).item() is None


def renamed(data: bytes, module: bytes) -> bytes:
    """Return a pickle of protocol 4 in which the module of NumPy's arrays is another: its length is written, too."""
    old, new = b"numpy._core.multiarray", module + b"multiarray"
    data = data.replace(bytes([0x8C, len(old)]) + old, bytes([0x8C, len(new)]) + new)
    frame = len(data) - 11
    return data[:3] + frame.to_bytes(8, "little") + data[11:]


class Exploding:
    """Tells on who unpickles it."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    "value",
    [
        None,
        np.array([None], dtype=object),
        np.array(Exploding(), dtype=object),
        np.array(3, dtype=object),
        np.array("None", dtype=object),
        np.zeros((), "f"),
        Exploding(),
    ],
    ids=["none", "array of none", "array of object", "array of int", "array of text", "number", "object"],
)
def test_other_pickles_are_not(value: Any) -> None:
    assert not is_pickled_none(pickle.dumps(value))


@given(st.binary(max_size=300))
def test_other_bytes_are_not(data: bytes) -> None:
    assert not is_pickled_none(data)


@settings(max_examples=300)
@given(st.data())
def test_one_changed_byte_is_enough(data: Any) -> None:
    original = pickle.dumps(NONE, 4)
    position = data.draw(st.integers(0, len(original) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != original[position]))
    mutated = original[:position] + bytes([value]) + original[position + 1 :]
    if is_pickled_none(mutated):
        # What is left: the version and frame length, which change nothing of the opcodes that follow.
        assert position < 11
    assert not is_pickled_none(original + b".")
    assert not is_pickled_none(original + original)
    assert not is_pickled_none(original[:-1])


def test_a_file_of_the_original_with_none_loads(backend: Backend) -> None:
    file = io.BytesIO()
    serializer = DictionarySerializer()
    serializer.save(model(backend, 1))
    assert serializer.target["first/nothing"].dtype == object
    np.savez_compressed(file, **serializer.target)  # as the original writes: None is a pickled array
    target = model(backend, 2)
    load_npz(rewound(file), target)
    assert contents(target) == contents(model(backend, 1))
    assert target.first.nothing is None
    assert NpzDeserializer(np.load(rewound(file)))("first/nothing", 3) is None


@pytest.mark.parametrize(
    "value",
    [np.array(Exploding(), dtype=object), np.array([1, None], dtype=object), np.array(3, dtype=object)],
    ids=["exploding", "list", "number"],
)
@pytest.mark.parametrize("name", ["first/W", "second/W", "second/nothing", "second/count"])
def test_a_pickled_object_is_refused(backend: Backend, value: Any, name: str) -> None:
    file, serializer = io.BytesIO(), DictionarySerializer()
    serializer.save(model(backend, 1))
    np.savez(file, **(serializer.target | {name: value}))
    check_untouched(rewound(file), model(backend, 2), ValueError, f"'{name}' is a pickled Python object")


# Damaged files. ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compression", [True, False])
def test_a_file_that_was_cut_off(backend: Backend, compression: bool) -> None:
    file = io.BytesIO()
    save_npz(file, model(backend, 1), compression)
    data, target = file.getvalue(), model(backend, 2)
    for length in range(0, len(data), max(1, len(data) // 40)):
        check_untouched(io.BytesIO(data[:length]), target, ValueError, "cut off|damaged")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_bit_is_found_or_harmless(data: Any) -> None:
    backend = get_backend("numpy")
    file, expected = FILES[data.draw(st.booleans())], contents(model(backend, 1))
    position = data.draw(st.integers(0, 8 * len(file) - 1))
    flipped = bytearray(file)
    flipped[position // 8] ^= 1 << position % 8
    target = model(backend, 2)
    before = contents(target)
    try:
        load_npz(io.BytesIO(flipped), target)
    except (ValueError, KeyError, TypeError):
        assert contents(target) == before
    else:
        # Bits that carry nothing: times, flags, comments of the zip.
        assert contents(target) == expected


def _files() -> dict[bool, bytes]:
    files = {}
    for compression in (True, False):
        file = io.BytesIO()
        save_npz(file, model(get_backend("numpy"), 1), compression)
        files[compression] = file.getvalue()
    return files


FILES = _files()


def entry(header: str, payload: bytes = b"", version: bytes = b"\x01\x00") -> io.BytesIO:
    """Return a zip with one entry ``first/W`` made of a header as given."""
    text = header.encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("W.npy", b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + payload)
    return rewound(file)


@pytest.mark.parametrize(
    "file",
    [
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"),
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", bytes(24)),
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", bytes(23)),
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", bytes(25)),
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", bytes(24)),
        entry("{'descr': 'what', 'fortran_order': False, 'shape': (2, 3), }", bytes(24)),
        entry("{'descr': '<f4', 'shape': (2, 3), }", bytes(24)),
        entry("__import__('os').abort()"),
        entry("(" * 5000),
        entry("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", bytes(24), version=b"\x09\x00"),
        entry(""),
    ],
    ids=["huge", "negative", "short", "long", "scalar shape", "dtype", "no order", "call", "deep", "version", "empty"],
)
def test_a_crafted_header_is_refused(file: io.BytesIO) -> None:
    check_untouched(file, model(get_backend("numpy"), 1).first, ValueError, "'W' cannot be read, the file is damaged")


def test_no_memory_is_taken_for_what_a_file_cannot_have() -> None:
    file = entry("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,), }", bytes(24))
    with pytest.raises(ValueError, match=r"it says shape \(1000000000,\) of float32, and has \d+ bytes"):
        load_npz(file, model(get_backend("numpy"), 1).first)


def test_what_is_no_npz_file(tmp_path: Path) -> None:
    target = model(get_backend("numpy"), 1)
    for name, data in [("empty", b""), ("text", b"hello"), ("npy", b"\x93NUMPY\x01\x00")]:
        (tmp_path / name).write_bytes(data)
        check_untouched(tmp_path / name, target, ValueError, f"{name}: not an npz file, or one that was cut off")
    with pytest.raises(FileNotFoundError):
        load_npz(tmp_path / "missing", target)


# Writing. ------------------------------------------------------------------------------------------------------------
class Failing:
    """An object whose second value cannot be saved."""

    def serialize(self, serializer: Any) -> None:
        serializer("first", np.ones(1000))
        serializer("second", object())


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "model.npz"
    save_npz(path, {"x": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError, match="'second'"):
        save_npz(path, Failing())

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(OSError, match="no space left"):
                save_npz(path, {"x": 2})
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model.npz"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: Any) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed_file(source: str, target: str) -> None:
        order.append("rename")
        assert Path(source).parent == Path(target).parent == tmp_path
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed_file)
    save_npz(tmp_path / "model.npz", {"x": 1})
    assert order[:2] == ["file", "rename"]
    assert order[2:] in (["folder"], [])


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")
    save_npz(tmp_path / "link", {"x": 1})
    assert (tmp_path / "link").is_symlink()
    assert NpzDeserializer(np.load(tmp_path / "real"))("x", 0) == 1
