"""Write the folder ours/ with Kusari: the files that generate.py gives to the original to load."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import kusari
from kusari.serializers import save_hdf5, save_npz

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import recipes  # noqa: E402 - found once its folder is on the path


def write(folder: Path) -> None:
    """Save the models, and optimizers after some steps, by the original's numbering of Sequentials."""
    with kusari.using_config("sequential_numbering", "legacy"):
        for index, (name, (build, _)) in enumerate(recipes.MODELS.items()):
            model = recipes.fill(build(kusari), 20.0 + index)
            save_npz(folder / f"{name}.npz", model)
            file = io.BytesIO()
            save_hdf5(file, model)
            (folder / f"{name}.h5.gz").write_bytes(gzip.compress(file.getvalue(), mtime=0))
        for name, make in recipes.OPTIMIZERS.items():
            model = recipes.fill(recipes.MODELS["sequential" if name == "Adam" else "linear"][0](kusari), 30.0)
            optimizer = make(kusari).setup(model)
            for number in range(recipes.STEPS_BEFORE):
                recipes.step(model, optimizer, number)
            optimizer.new_epoch()
            save_npz(folder / f"{name}_model.npz", model)
            save_npz(folder / f"{name}.npz", optimizer)


if __name__ == "__main__":
    (HERE / "ours").mkdir(exist_ok=True)
    write(HERE / "ours")
