"""Load thousands of damaged and hostile files, and print what became of them: ``mutate_files.py FORMAT COUNT SEED``.

A process of its own, so that a parser that hangs, crashes or takes all memory is seen as such.
"""

from __future__ import annotations

import collections
import io
import json
import resource
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kusari import Chain, Link, Parameter
from kusari.serializers import (
    DictionarySerializer,
    load_hdf5,
    load_npz,
    load_safetensors,
    save_hdf5,
    save_npz,
    save_safetensors,
)

DOCUMENTED = (ValueError, KeyError, TypeError)
MOST_MEMORY = 3 << 30


def model(seed: int) -> Chain:
    """Return a chain with parameters, one of them without data, and persistent values of every type."""
    rng = np.random.default_rng(seed)
    chain = Chain()
    with chain.init_scope():
        chain.scale = Parameter(np.asarray(rng.standard_normal(), "f"))
        chain.late = Parameter(0.5)
        for name in ("first", "second"):
            link = Link()
            with link.init_scope():
                link.W = Parameter(rng.standard_normal((2, 3)).astype("f"))
            link.add_persistent("mean", rng.standard_normal(3))
            link.add_persistent("count", int(rng.integers(100)))
            link.add_persistent("label", f"link {seed}")
            link.add_persistent("nothing", None)
            setattr(chain, name, link)
    if seed == 1:  # the one that is saved
        chain.late.initialize((2, 2))
    return chain


def flat(obj: Any) -> dict[str, Any]:
    """Return what a file would hold."""
    serializer = DictionarySerializer()
    serializer.save(obj)
    return serializer.target


def comparable(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: (value.dtype.name, value.shape, value.tolist()) for name, value in arrays.items()}


# Files as other programs could write them. ---------------------------------------------------------------------------
def foreign_npz(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in arrays.items():
            entry = io.BytesIO()
            np.save(entry, value)  # pickles what it must
            archive.writestr(f"{name}.npy", entry.getvalue())
    return file.getvalue()


def foreign_hdf5(arrays: dict[str, Any]) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for name, value in arrays.items():
            value = np.asarray(value)
            if value.dtype == object:
                root.create_dataset(name, data="a text of variable length")
            else:
                value = np.strings.encode(value) if value.dtype.kind == "U" else value
                root.create_dataset(name, data=value, compression=4 if value.size > 1 else None)
    return file.getvalue()


def foreign_safetensors(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    known = {name: np.asarray(value) for name, value in arrays.items()}
    save_safetensors(
        file, {name: value for name, value in known.items() if value.tolist() is None or not value.dtype.hasobject}
    )
    return file.getvalue()


FORMATS: dict[str, tuple[Any, Any, Any]] = {
    "npz": (save_npz, load_npz, foreign_npz),
    "stored npz": (lambda file, obj: save_npz(file, obj, compression=False), load_npz, foreign_npz),
    "hdf5": (save_hdf5, load_hdf5, foreign_hdf5),
    "safetensors": (save_safetensors, load_safetensors, foreign_safetensors),
}


class Callback:
    """What a pickle could run."""

    def __reduce__(self) -> Any:
        return print, ("a pickle was run",)


def hostile_value(rng: np.random.Generator) -> Any:
    """Return something that no model asks for."""
    values = [
        np.zeros((1 << 20,), "f"),
        np.zeros((0,), "f"),
        np.full((2, 3), 1e300),
        np.zeros((2, 3), "F"),
        np.zeros((3, 2), "f"),
        np.zeros((1, 1), "i8"),
        np.zeros((), "?"),
        np.asarray(-1, "i8"),
        np.asarray("text" * 1000),
        np.asarray(Callback(), dtype=object),
        np.asarray([None], dtype=object),
        np.asarray(None, dtype=object),
    ]
    return values[rng.integers(len(values))]


def hostile_name(name: str, rng: np.random.Generator) -> str:
    """Return a name that means another place to those who take names for paths."""
    return [f"../{name}", f"/{name}", f"./{name}", f"{name}/../{name}", f"C:\\{name}", f"{name}/{name}", name.upper()][
        rng.integers(7)
    ]


def built(write: Any, arrays: dict[str, Any], rng: np.random.Generator) -> tuple[bytes, str]:
    """Return a well-formed file with one hostile entry, and that entry's name."""
    name = list(arrays)[rng.integers(len(arrays))]
    changed = dict(arrays)
    value = changed.pop(name)
    if rng.integers(3):
        changed[name] = hostile_value(rng)
    else:
        changed[hostile_name(name, rng)] = value
    return write(changed), name


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with bits flipped, bytes replaced or repeated, or its end cut off."""
    bytes_ = bytearray(data)
    place, length = int(rng.integers(len(data))), int(rng.integers(1, 30))
    match rng.integers(5):
        case 0:
            for _ in range(rng.integers(1, 4)):
                bytes_[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        case 1:
            del bytes_[place:]
        case 2:
            bytes_[place : place + length] = rng.integers(0, 256, length, np.uint8).tobytes()
        case 3:
            source = int(rng.integers(len(data)))
            bytes_[place : place + length] = bytes_[source : source + length]
        case 4:  # a length or an offset that is far too large
            bytes_[place : place + 8] = b"\xff" * 7 + b"\x7f"
    return bytes(bytes_)


def main(kind: str, count: int, seed: int) -> dict[str, Any]:
    save, load, write_foreign = FORMATS[kind]
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    save(file, model(1))
    expected, before = comparable(flat(model(1))), comparable(flat(model(2)))
    sources = [file.getvalue(), write_foreign(flat(model(1)))]
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    for number in range(count):
        free = ""
        if number % 4 == 3:
            data, free = built(write_foreign, flat(model(1)), rng)
        else:
            data = damaged(sources[number % 8 == 0], rng)
        target, start = model(2), time.perf_counter()
        try:
            load(io.BytesIO(data), target)
        except DOCUMENTED as error:
            after = comparable(flat(target))
            outcomes[type(error).__name__ if after == before and str(error) else "model changed by a failed load"] += 1
        except BaseException as error:  # noqa: BLE001 - any other is what is looked for
            outcomes[f"undocumented {type(error).__name__}: {error}"] += 1
        else:
            after = comparable(flat(target))
            wrong = {name for name in expected if after[name] != expected[name]} - {free}
            # Without checksums of its own, another program's file cannot be known to be damaged.
            unprotected = number % 8 == 0 and kind == "hdf5"
            outcomes["loaded" if not wrong or unprotected else f"loaded wrong: {sorted(wrong)}"] += 1
        slowest = max(slowest, time.perf_counter() - start)
    return {"outcomes": outcomes, "slowest": slowest, "memory": peak_memory()}


def peak_memory() -> int:
    """Return this program's largest memory in KiB: ``ru_maxrss`` would count the parent's before the exec, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
