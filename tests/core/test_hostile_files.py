"""Hostile files: an error that is documented or a correct load, a model that stays as it was, no hang, little memory.

KUSARI_FUZZ_FILES is how many files of each format are tried; 100 unless it is set.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.autograd.parameter import Parameter
from kusari.model import Link
from kusari.serializers import load_hdf5, load_npz, load_safetensors, save_hdf5, save_npz, save_safetensors, stored

COUNT = int(os.environ.get("KUSARI_FUZZ_FILES", "100"))
SCRIPT = Path(__file__).with_name("mutate_files.py")
MOST_MEMORY = 400 * 1024
"""Kilobytes; the models are a few hundred bytes, Python with NumPy and h5py some 80 MB."""


@pytest.mark.parametrize("kind", ["npz", "stored npz", "hdf5", "safetensors"])
def test_damaged_and_hostile_files(kind: str) -> None:
    pytest.importorskip("resource", reason="limits a process's memory; only on Unix")
    if kind in ("hdf5", "safetensors"):
        pytest.importorskip("h5py" if kind == "hdf5" else kind, reason=f"needs the package for {kind}")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(COUNT), str(COUNT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + COUNT,  # a file takes some milliseconds: this is for those that never end
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outcomes"].keys() <= {"loaded", "ValueError", "KeyError", "TypeError"}, found
    assert found["outcomes"]["ValueError"] > COUNT / 10
    assert found["memory"] < MOST_MEMORY


def link(shape: tuple[int, ...] | None = (2, 3)) -> Link:
    """Return a link with one parameter W; without a shape, without data."""
    made = Link()
    with made.init_scope():
        made.W = Parameter(0.5) if shape is None else Parameter(0.5, shape)
    return made


def refused(load: Any, file: Any, match: str, target: Link | None = None) -> None:
    target = target or link()
    with pytest.raises(ValueError, match=match):
        load(file, target)
    assert target.W.array is None or (target.W.array == 0.5).all()


# npz. ----------------------------------------------------------------------------------------------------------------
def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file


def test_names_that_are_paths_are_names_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = npy(np.ones((2, 3), "f"))
    names = ["../W.npy", "/W.npy", "C:\\W.npy", "a/../W.npy"]
    target = link()
    load_npz(zipped(*[(name, value) for name in names], ("W.npy", value)), target)
    assert (target.W.array == 1).all()
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError, match="'W' is not in the file"):
        load_npz(zipped(*[(name, value) for name in names]), link())


def test_two_entries_of_one_name() -> None:
    refused(load_npz, zipped(("W.npy", npy(np.ones((2, 3), "f"))), ("W", b"")), "there are two entries 'W'")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method: int) -> None:
    """They inflate without a limit, bzip2 a thousand times further than deflate."""
    refused(load_npz, zipped(("W.npy", npy(np.ones((2, 3), "f"))), method=method), "another method than deflate")


def test_more_than_the_model_has_a_place_for_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    file = zipped(("W.npy", npy(np.zeros(1 << 20, "f"))))
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    refused(load_npz, file, r"expected shape \(2, 3\), the file has \(1048576,\)")


def test_what_says_no_size_may_not_ask_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_ALWAYS", 1 << 16)
    file = zipped(("W.npy", npy(np.zeros((1024, 1024), "f"))))  # 4 kB for 4 MB
    assert len(file.getvalue()) < 10_000
    refused(load_npz, file, "'W': 4194304 bytes, far more than a file of this size", link(None))
    load_npz(file, link((1024, 1024)))  # the model has that shape
    noise = np.random.default_rng(0).standard_normal((1024, 64))
    load_npz(zipped(("W.npy", npy(noise.astype("f")))), link(None))  # 262 kB: as large as the file


def test_a_type_that_does_not_fit_leaves_a_parameter_without_data() -> None:
    with pytest.raises(TypeError, match="'W': complex64 in the file cannot become float32"):
        load_npz(zipped(("W.npy", npy(np.ones((2, 3), "F")))), link(None))
    with pytest.raises(TypeError, match="'W': a number in the file is too large for float32"):
        load_npz(zipped(("W.npy", npy(np.full((2, 3), 1e300)))), link())


# HDF5. ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def h5py() -> Any:
    return pytest.importorskip("h5py", reason="needs h5py")


def test_what_lies_in_another_file_is_not_read(h5py: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(24))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["W"] = np.ones((2, 3), "f")
    layout = h5py.VirtualLayout((2, 3), "f")
    layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "W", (2, 3))

    def written(write: Any) -> Path:
        with h5py.File(tmp_path / "file.h5", "w") as file:
            write(file)
        return tmp_path / "file.h5"

    def external(file: Any) -> None:
        file.create_dataset("W", (2, 3), "f", external=[(str(secret), 0, 24)])

    refused(load_hdf5, written(external), "its elements are in another file")
    refused(load_hdf5, written(lambda file: file.create_virtual_dataset("W", layout)), "its elements are in another")
    for node in (h5py.ExternalLink("other.h5", "/W"), h5py.SoftLink("/V")):
        refused(load_hdf5, written(lambda file, node=node: file.__setitem__("W", node)), "it is a link")


def chunked(h5py: Any, stored_chunk: bytes, shape: tuple[int, ...] = (2, 3), **options: Any) -> io.BytesIO:
    """Return a file whose one chunk has these bytes."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        dataset = root.create_dataset("W", shape, "f", chunks=shape, compression=4, **options)
        dataset.id.write_direct_chunk((0,) * len(shape), stored_chunk)
    return file


def test_a_chunk_that_inflates_to_more_or_less_than_it_should(h5py: Any) -> None:
    target = link()
    load_hdf5(chunked(h5py, zlib.compress(np.ones(6, "f").tobytes())), target)
    assert (target.W.array == 1).all()
    for size in (1 << 25, 28, 20):
        file = chunked(h5py, zlib.compress(bytes(size)))
        refused(load_hdf5, file, "does not inflate to its 24 bytes|a chunk of .* bytes for 24 of data")


def test_other_filters_and_types_of_hdf5_are_refused(h5py: Any) -> None:
    def file(**options: Any) -> io.BytesIO:
        made = io.BytesIO()
        with h5py.File(made, "w") as root:
            root.create_dataset("W", **options)
        return made

    ones = np.ones((2, 3), "f")
    load_hdf5(file(data=ones, compression=9, shuffle=True, fletcher32=True), link())
    refused(load_hdf5, file(data=ones, compression="lzf"), "it went through the filters")
    refused(load_hdf5, file(data=ones, chunks=(1000, 1000), maxshape=(None, None)), "chunks of .* are larger than")
    refused(load_hdf5, file(data=["variable"] * 6), "it is of variable length")
    refused(load_hdf5, file(shape=(1 << 20, 1 << 20), dtype="f"), "far more than a file of this size", link(None))


# safetensors. --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "a header of 0 bytes"),
        (b"\xff" * 8, "not a safetensors file: a header of"),
        ((1 << 25).to_bytes(8, "little") + b"{}", "a header of 33554432 bytes"),
        ((20).to_bytes(8, "little") + b"{}", "not a safetensors file, or a damaged one"),
        ((2).to_bytes(8, "little") + b"[]", "not a safetensors file, or a damaged one"),
        ((5000).to_bytes(8, "little") + b"[" * 5000, "not a safetensors file, or a damaged one"),
    ],
    ids=["empty", "all ones", "32 MiB", "cut off", "a list", "deep"],
)
def test_headers_of_safetensors(data: bytes, match: str) -> None:
    pytest.importorskip("safetensors", reason="needs safetensors")
    refused(load_safetensors, io.BytesIO(data), match)


def test_any_flipped_bit_of_a_safetensors_file_is_found() -> None:
    pytest.importorskip("safetensors", reason="needs safetensors")
    file = io.BytesIO()
    save_safetensors(file, link())
    data = file.getvalue()
    for position in range(8 * (len(data) - 24), 8 * len(data), 5):  # the elements: the format has no checksum for them
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        refused(load_safetensors, io.BytesIO(flipped), "its checksum is another")


@pytest.mark.parametrize(("save", "load"), [(save_npz, load_npz), (save_hdf5, load_hdf5)])
def test_any_flipped_bit_of_a_number_is_found(save: Any, load: Any) -> None:
    if save is save_hdf5:
        pytest.importorskip("h5py", reason="needs h5py")
    number = np.asarray(1.2345678)
    file = io.BytesIO()
    save(file, {"W": number}) if save is save_hdf5 else save(file, {"W": number}, compression=False)
    data = file.getvalue()
    place = data.index(number.tobytes())
    for bit in range(64):
        flipped = bytearray(data)
        flipped[place + bit // 8] ^= 1 << bit % 8
        refused(load, io.BytesIO(flipped), "checksum|CRC", link(()))
