"""Write the golden files: what the original, Chainer 7.8.1, saves, computes and does.

It is run as a black box, in an environment of its own (Python 3.11):

    pip install wheel "setuptools<70" numpy==1.23.5
    pip install --no-build-isolation --no-deps chainer==7.8.1
    pip install protobuf==3.20.3 six filelock typing_extensions "h5py<3.12"
    python tests/golden/generate.py

The folder original/ is what it saves. The folder ours/ is what write_ours.py saved with Kusari; what the original
computes from that is recorded in reverse.npz. behaviour.json has its answers to behaviour.py. HDF5 files are kept
deflated: they are nine parts empty.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import behaviour
import chainer
import numpy as np
import recipes

HERE = Path(__file__).parent
ORIGINAL, OURS = HERE / "original", HERE / "ours"


def save_hdf5(name: str, obj: Any) -> None:
    """Save as HDF5, deflated."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.h5")
        chainer.serializers.save_hdf5(str(path), obj)
        (ORIGINAL / f"{name}.h5.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def load_hdf5(path: Path, obj: Any) -> None:
    """Load a deflated HDF5 file."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "file.h5")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        chainer.serializers.load_hdf5(str(plain), obj)


def write_models() -> dict[str, Any]:
    """Save every model as npz and as HDF5; return inputs and outputs."""
    results: dict[str, Any] = {}
    for index, (name, (build, shape)) in enumerate(recipes.MODELS.items()):
        model = recipes.fill(build(chainer), float(index))
        x = recipes.wave(shape, 0.5)
        chainer.serializers.save_npz(ORIGINAL / f"{name}.npz", model)
        save_hdf5(f"{name}", model)
        results[f"{name}/x"], results[f"{name}/y"] = x, model(x).array
    late = recipes.fill(recipes.late(chainer), 3.0)
    chainer.serializers.save_npz(ORIGINAL / "late.npz", late)
    save_hdf5("late", late)
    return results


def write_optimizers() -> dict[str, Any]:
    """Save model and optimizer after some steps; return the parameters after some more."""
    results: dict[str, Any] = {}
    for name, make in recipes.OPTIMIZERS.items():
        kind = "sequential" if name == "Adam" else "linear"
        model = recipes.fill(recipes.MODELS[kind][0](chainer), 1.0)
        optimizer = make(chainer).setup(model)
        for number in range(recipes.STEPS_BEFORE):
            recipes.step(model, optimizer, number)
        optimizer.new_epoch()
        chainer.serializers.save_npz(ORIGINAL / f"{name}_model.npz", model)
        chainer.serializers.save_npz(ORIGINAL / f"{name}.npz", optimizer)
        save_hdf5(f"{name}", optimizer)
        for number in range(recipes.STEPS_AFTER):
            recipes.step(model, optimizer, recipes.STEPS_BEFORE + number)
        for index, param in enumerate(recipes.parameters_in_order(model)):
            results[f"{name}/{index}"] = param.array
    unused = chainer.optimizers.Adam().setup(recipes.MODELS["linear"][0](chainer))
    chainer.serializers.save_npz(ORIGINAL / "unused_optimizer.npz", unused)
    return results


def read_ours() -> dict[str, Any]:
    """Load what Kusari saved, and return what the original computes from it."""
    results: dict[str, Any] = {}
    for name, (build, shape) in recipes.MODELS.items():
        for suffix, load in (("npz", chainer.serializers.load_npz), ("h5.gz", load_hdf5)):
            model = recipes.fill(build(chainer), 90.0)
            load(OURS / f"{name}.{suffix}", model)
            results[f"{name}/{suffix.partition('.')[0]}"] = model(recipes.wave(shape, 0.5)).array
    for name, make in recipes.OPTIMIZERS.items():
        kind = "sequential" if name == "Adam" else "linear"
        model = recipes.fill(recipes.MODELS[kind][0](chainer), 90.0)
        optimizer = make(chainer).setup(model)
        chainer.serializers.load_npz(OURS / f"{name}_model.npz", model)
        chainer.serializers.load_npz(OURS / f"{name}.npz", optimizer)
        results[f"{name}/t"], results[f"{name}/epoch"] = np.asarray(optimizer.t), np.asarray(optimizer.epoch)
        for number in range(recipes.STEPS_AFTER):
            recipes.step(model, optimizer, recipes.STEPS_BEFORE + number)
        for index, param in enumerate(recipes.parameters_in_order(model)):
            results[f"{name}/{index}"] = param.array
    return results


def answers() -> dict[str, Any]:
    """Return the answers to every question of behaviour.py; of errors only the class itself."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: probe(chainer, Path(folder)) for name, probe in behaviour.PROBES.items()}
    for table in found.values():
        for entry in table.values() if isinstance(table, dict) else ():
            if isinstance(entry, dict) and isinstance(entry.get("error"), list):
                entry["error"] = entry["error"][0]
    return found


def main() -> None:
    """Write everything."""
    ORIGINAL.mkdir(exist_ok=True)
    np.savez_compressed(HERE / "computed.npz", **write_models(), **write_optimizers())
    np.savez_compressed(HERE / "reverse.npz", **read_ours())
    text = json.dumps(answers(), indent=1, sort_keys=True, default=float)
    (HERE / "behaviour.json").write_text(text + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
