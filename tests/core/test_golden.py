"""Golden files: what the original saved loads here and computes the same, what is saved here did so there.

tests/golden/generate.py wrote them, with the original in an environment of its own.
"""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
from kusari.serializers import DictionarySerializer, NpzDeserializer, load_hdf5, load_npz

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import recipes  # noqa: E402 - found once its folder is on the path
import write_ours  # noqa: E402

FORMATS = ["npz", "h5"]


def load(folder: str, name: str, kind: str, obj: Any) -> None:
    """Load a golden file; the original's way to number Sequentials is asked for, as its users do."""
    with kusari.using_config("sequential_numbering", "legacy"):
        if kind == "npz":
            load_npz(GOLDEN / folder / f"{name}.npz", obj)
        else:
            pytest.importorskip("h5py", reason="needs h5py")
            load_hdf5(io.BytesIO(gzip.decompress((GOLDEN / folder / f"{name}.h5.gz").read_bytes())), obj)


def contents(obj: Any) -> dict[str, Any]:
    with kusari.using_config("sequential_numbering", "legacy"):
        serializer = DictionarySerializer()
        serializer.save(obj)
    return serializer.target


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


def computed() -> Any:
    return np.load(GOLDEN / "computed.npz")


def reverse() -> Any:
    return np.load(GOLDEN / "reverse.npz")


def sized(name: str) -> Any:
    """Return a model with values that are in no file."""
    return recipes.fill(recipes.MODELS[name][0](kusari), 70.0)


# Models. -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", recipes.MODELS)
def test_a_model_of_the_original_computes_what_it_did_there(name: str, kind: str) -> None:
    model = sized(name)
    load("original", name, kind, model)
    with computed() as expected:
        np.testing.assert_allclose(model(expected[f"{name}/x"]).array, expected[f"{name}/y"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", recipes.MODELS)
def test_names_and_dtypes_are_those_of_the_original(name: str) -> None:
    model = sized(name)
    load("original", name, "npz", model)
    with np.load(GOLDEN / "original" / f"{name}.npz", allow_pickle=True) as file:  # None is a pickle there
        assert equal(contents(model), dict(file))


def test_persistent_values_come_back_in_their_types() -> None:
    for kind in FORMATS:
        model = recipes.statistics(kusari)
        model.average[...] = 0
        model.N, model.rate, model.flag = 0, 0.0, False
        load("original", "statistics", kind, model)
        assert (model.N, model.rate, model.flag, model.nothing) == (7, 0.25, True, None)
        assert [type(value) for value in (model.N, model.rate, model.flag)] == [int, float, bool]
        np.testing.assert_array_equal(model.average, recipes.wave((4,), 5.0))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_had_no_data_in_the_original(kind: str) -> None:
    late = recipes.late(kusari)
    load("original", "late", kind, late)
    assert late.layer.W.array is None
    np.testing.assert_array_equal(late.layer.b.array, recipes.wave((2,), 3.0))
    ready = recipes.fill(recipes.late(kusari), 8.0)
    ready.layer(np.ones((1, 3), "f"))
    before = ready.layer.W.array.copy()
    load("original", "late", kind, ready)  # None clears nothing
    np.testing.assert_array_equal(ready.layer.W.array, before)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_has_no_data_here_takes_the_shape_of_the_file(kind: str) -> None:
    links = kusari.links
    late = kusari.Chain(l2=links.Linear(None, 4), l10=links.Linear(None, 2))
    load("original", "linear", kind, late)
    known = sized("linear")
    load("original", "linear", kind, known)
    assert equal(contents(late), contents(known))
    assert np.isnan(late.l2.W.grad).all()


# Optimizers. ---------------------------------------------------------------------------------------------------------
def trained(folder: str, name: str, kind: str) -> tuple[Any, Any]:
    """Return model and optimizer as they were saved."""
    model = sized("sequential" if name == "Adam" else "linear")
    optimizer = recipes.OPTIMIZERS[name](kusari).setup(model)
    load(folder, f"{name}_model", "npz", model)
    load(folder, name, kind, optimizer)
    return model, optimizer


def check_resumed(model: Any, optimizer: Any, name: str, expected: Any) -> None:
    for number in range(recipes.STEPS_AFTER):
        recipes.step(model, optimizer, recipes.STEPS_BEFORE + number)
    params = recipes.parameters_in_order(model)
    assert len(params) == sum(key.startswith(f"{name}/") and key[len(name) + 1 :].isdecimal() for key in expected)
    for index, param in enumerate(params):
        np.testing.assert_allclose(param.array, expected[f"{name}/{index}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_training_begun_with_the_original_goes_on(name: str, kind: str) -> None:
    model, optimizer = trained("original", name, kind)
    assert (optimizer.t, optimizer.epoch) == (recipes.STEPS_BEFORE, 1)
    with computed() as expected:
        check_resumed(model, optimizer, name, expected)


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_an_optimizers_names_are_those_of_the_original(name: str) -> None:
    _, optimizer = trained("original", name, "npz")
    with np.load(GOLDEN / "original" / f"{name}.npz") as file:
        assert equal(contents(optimizer), dict(file))


def test_an_optimizer_that_had_not_run() -> None:
    optimizer = kusari.optimizers.Adam().setup(sized("linear"))
    for number in range(2):
        recipes.step(optimizer.target, optimizer, number)
    load("original", "unused_optimizer", "npz", optimizer)
    assert optimizer.t == 0
    assert all(param.update_rule.t == 0 for param in optimizer.target.params())


# The way back. -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", recipes.MODELS)
def test_the_original_computed_the_same_from_our_files(name: str, kind: str) -> None:
    model = sized(name)
    load("ours", name, kind, model)
    with reverse() as there:
        y = model(recipes.wave(recipes.MODELS[name][1], 0.5)).array
        np.testing.assert_allclose(y, there[f"{name}/{kind}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_the_original_went_on_with_our_training(name: str) -> None:
    model, optimizer = trained("ours", name, "npz")
    with reverse() as there:
        assert (optimizer.t, optimizer.epoch) == (there[f"{name}/t"], there[f"{name}/epoch"])
        check_resumed(model, optimizer, name, there)


def test_what_the_original_was_given_is_what_is_saved_today(tmp_path: Path) -> None:
    """The recorded answers stay true as long as the files do."""
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    write_ours.write(tmp_path)
    names = sorted(path.name for path in (GOLDEN / "ours").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names

    def datasets(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with h5py.File(io.BytesIO(gzip.decompress(path.read_bytes()))) as file:
            found["/"] = dict(file.attrs)
            file.visititems(
                lambda name, node: found.update(
                    {name: (node.dtype, node.shape, node.compression, node[()])} if hasattr(node, "shape") else {}
                )
            )
        return found

    for name in names:
        if name.endswith(".npz"):
            with np.load(GOLDEN / "ours" / name) as old, np.load(tmp_path / name) as new:
                assert old.zip.infolist()[0].comment == new.zip.infolist()[0].comment
                same_arrays(dict(old), dict(new))
        else:
            old, new = datasets(GOLDEN / "ours" / name), datasets(tmp_path / name)
            assert old.pop("/") == new.pop("/") == {"sequential_numbering": b"legacy"}
            assert {key: value[:3] for key, value in old.items()} == {key: value[:3] for key, value in new.items()}
            same_arrays(
                {key: value[3] for key, value in old.items() if value[1] is not None},
                {key: value[3] for key, value in new.items() if value[1] is not None},
            )


def same_arrays(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert old.keys() == new.keys()
    for name, before in old.items():
        assert before.dtype == new[name].dtype
        # Parameters after steps of an optimizer: other versions of NumPy may round the last digit otherwise.
        if before.dtype.kind == "f":
            np.testing.assert_allclose(before, new[name], rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(before, new[name])


# Numbering. ----------------------------------------------------------------------------------------------------------
def test_the_wrong_numbering_of_the_originals_files_is_explained() -> None:
    model = sized("sequential")
    before = contents(model)
    with pytest.raises(ValueError, match="'1/W': expected shape") as caught:
        load_npz(GOLDEN / "original" / "sequential.npz", model)
    assert "using_config('sequential_numbering', 'legacy')" in caught.value.__notes__[0]
    assert equal(contents(model), before)


def test_a_numbering_that_cannot_be_told_is_warned_of() -> None:
    model = sized("sequential_of_equals")
    with pytest.warns(UserWarning, match="does not say how it numbers the links of a Sequential, and both ways fit"):
        load_npz(GOLDEN / "original" / "sequential_of_equals.npz", model)
    x = recipes.wave((2, 3), 0.5)
    with computed() as expected:
        assert abs(model(x).array - expected["sequential_of_equals/y"]).max() > 0.01
    load("original", "sequential_of_equals", "npz", model)


@pytest.mark.parametrize("name", ["sequential", "sequential_of_equals"])
def test_our_files_say_their_numbering(name: str) -> None:
    by_mark, by_configuration = sized(name), sized(name)
    load_npz(GOLDEN / "ours" / f"{name}.npz", by_mark)  # written in legacy numbering, and says so
    load("ours", name, "npz", by_configuration)
    assert equal(contents(by_mark), contents(by_configuration))


def test_a_deserializer_by_itself_goes_by_the_configuration() -> None:
    model = sized("sequential")
    with np.load(GOLDEN / "original" / "sequential.npz") as file:
        with pytest.raises(ValueError, match="expected shape"):
            NpzDeserializer(file).load(model)
        with kusari.using_config("sequential_numbering", "legacy"):
            NpzDeserializer(file).load(model)
