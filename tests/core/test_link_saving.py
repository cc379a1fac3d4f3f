"""What a link saves and loads, shown by the simplest serializers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from tests.core.example_links import Scale

from kusari.backend import Backend
from kusari.model import Chain, ChainList, Link
from kusari.serializer import Deserializer, Serializer

# Saving and loading.


class Saving(Serializer):
    """Saves into a dict of paths."""

    def __init__(self, store: dict[str, Any], path: str = "") -> None:
        self.store, self.path = store, path

    def __getitem__(self, key: str) -> Saving:
        return Saving(self.store, f"{self.path}{key}/")

    def __call__(self, key: str, value: Any) -> Any:
        self.store[self.path + key] = None if value is None else copy.deepcopy(value)
        return value


class Loading(Deserializer):
    """Loads from one; fills arrays in place, or returns what is stored."""

    def __init__(self, store: dict[str, Any], in_place: bool = True, path: str = "") -> None:
        self.store, self.in_place, self.path = store, in_place, path

    def __getitem__(self, key: str) -> Loading:
        return Loading(self.store, self.in_place, f"{self.path}{key}/")

    def __call__(self, key: str, value: Any) -> Any:
        stored = self.store[self.path + key]
        if self.in_place and stored is not None and hasattr(value, "shape"):
            value[...] = value.__class__(stored) if not isinstance(value, np.ndarray) else stored
            return value
        return stored


def saved_tree(value: float) -> Chain:
    chain = Chain(b=Scale(value), a=ChainList(Link(V=None)))
    chain.add_persistent("n", 3)
    return chain


def test_saving_walks_parameters_persistents_and_children_in_order() -> None:
    store: dict[str, Any] = {}
    chain = saved_tree(2)
    versions = [param.version for param in chain.params()]
    chain.serialize(Saving(store))
    assert list(store) == ["n", "a/0/V", "b/W", "b/b"]
    assert store["a/0/V"] is None
    assert store["b/W"].tolist() == [2, 2]
    assert [param.version for param in chain.params()] == versions


@pytest.mark.parametrize("in_place", [True, False])
def test_loading_fills_in_place_raises_versions_and_initializes(in_place: bool) -> None:
    store = {"n": 7, "a/0/V": np.arange(3.0), "b/W": np.asarray([4.0, 5.0]), "b/b": np.zeros(2)}
    chain = saved_tree(2)
    W, array, version = chain.b.W, chain.b.W.array, chain.b.W.version
    chain.serialize(Loading(store, in_place))
    assert chain.n == 7
    assert chain.b.W is W
    assert W.array is array
    assert array.tolist() == [4, 5]
    assert array.dtype == np.float32
    assert chain.b.W.version > version
    assert chain.a[0].V.array.tolist() == [0, 1, 2]
    assert np.isnan(chain.a[0].V.grad).all()


def test_loading_onto_a_device(strict: Backend) -> None:
    link = Link(V=None)
    link.to_device("strict")
    link.serialize(Loading({"V": np.arange(3.0)}))
    assert strict.to_host(link.V.array).tolist() == [0, 1, 2]


def test_a_stored_none_clears_nothing() -> None:
    link = Scale(2)
    link.serialize(Loading({"W": None, "b": None}))
    assert link.W.array.tolist() == [2, 2]


def test_loading_takes_exact_shapes_only() -> None:
    with pytest.raises(ValueError, match="stored one"):
        Scale().serialize(Loading({"W": np.ones(1), "b": np.ones(2)}, in_place=False))


def test_a_rehearsal_changes_nothing() -> None:
    class Rehearsing(Loading):
        rehearsing = True

        def __getitem__(self, key: str) -> Rehearsing:
            return Rehearsing(self.store, self.in_place, f"{self.path}{key}/")

        def __call__(self, key: str, value: Any) -> Any:
            _ = self.store[self.path + key]
            return value

    chain = saved_tree(2)
    version = chain.b.W.version
    chain.serialize(Rehearsing({"n": 7, "a/0/V": np.ones(3), "b/W": np.ones(2), "b/b": np.ones(2)}))
    assert not chain.a[0].V.is_initialized
    assert (chain.n, chain.b.W.version) == (3, version)
