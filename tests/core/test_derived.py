"""Values derived from a parameter's array: made once per version, dropped with the parameter."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend
from kusari.backend.derived import Derived, Storage


class Counter:
    """Make something of an array, and count how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, array: Any) -> Any:
        self.calls += 1
        return array + 0


@pytest.fixture
def make() -> Counter:
    return Counter()


def test_made_once_per_key_and_version(backend: Backend, array: Callable[..., Any], make: Counter) -> None:
    weight = array([1.0, 2.0])
    storage = Storage(weight)
    first = backend.derived(weight, "packed", make)
    assert backend.derived(weight, "packed", make) is first
    assert backend.derived(weight, ("packed", 2), make) is not first
    assert make.calls == 2

    weight += 1
    assert backend.derived(weight, "packed", make) is first  # nobody said so yet
    storage.touch()
    second = backend.derived(weight, "packed", make)
    np.testing.assert_array_equal(backend.to_host(second), [2, 3])


def test_what_is_made_once_is_not_kept_until_its_version_is_asked_for_again(make: Counter) -> None:
    derived, weight, once = Derived(), np.ones(2), Counter()
    storage = Storage(weight)
    for version in range(1, 4):
        derived(weight, "packed", make, once)
        assert (once.calls, make.calls) == (version, 0)
        storage.touch()
    derived(weight, "packed", make, once)
    kept = derived(weight, "packed", make, once)
    assert derived(weight, "packed", make, once) is kept
    assert derived(weight, "packed", make) is kept
    assert (once.calls, make.calls) == (4, 1)
    assert derived(np.zeros(2), "packed", make, once)[0] == 0  # no parameter's
    assert (once.calls, make.calls) == (5, 1)


def test_another_array_of_the_same_parameter_is_another_version(make: Counter) -> None:
    derived, old, new = Derived(), np.ones(2), np.zeros(2)
    storage = Storage(old)
    derived(old, "packed", make)
    version = storage.version
    storage.array = new
    assert storage.version > version
    np.testing.assert_array_equal(derived(new, "packed", make), [0, 0])
    derived(old, "packed", make)  # no parameter's array any more: not remembered
    derived(old, "packed", make)
    assert make.calls == 4


def test_assigning_the_same_array_raises_the_version_too(make: Counter) -> None:
    derived, weight = Derived(), np.ones(2)
    storage = Storage(weight)
    derived(weight, "packed", make)
    storage.array = weight
    derived(weight, "packed", make)
    assert make.calls == 2


def test_a_bare_array_is_not_remembered(make: Counter) -> None:
    derived, bare = Derived(), np.ones(2)
    derived(bare, "packed", make)
    derived(bare, "packed", make)
    assert make.calls == 2


def test_backends_remember_by_themselves(make: Counter) -> None:
    weight = np.ones(2)
    storage = Storage(weight)
    one, other = Derived(), Derived()
    one(weight, "packed", make)
    other(weight, "packed", make)
    assert make.calls == 2
    assert storage.version == 1


def test_what_was_made_dies_with_the_parameter() -> None:
    class Packed:
        pass

    derived, weight = Derived(), np.ones(2)
    storage = Storage(weight)
    gone = weakref.ref(derived(weight, "packed", lambda array: Packed()))
    assert gone() is not None
    del storage
    gc.collect()
    assert gone() is None


def test_an_address_used_again_is_not_mistaken_for_the_parameter(make: Counter) -> None:
    derived = Derived()
    for _ in range(50):  # each array is likely to get the memory of the one before
        weight = np.ones(3)
        storage = Storage(weight)
        derived(weight, "packed", make)
        del storage, weight
        bare = np.ones(3)
        derived(bare, "packed", make)
        del bare
    assert make.calls == 100


def test_two_holders_of_one_array(make: Counter) -> None:
    # A tied weight: the later holder is the one whose version counts; the earlier one's end changes nothing.
    derived, weight = Derived(), np.ones(2)
    first = Storage(weight)
    second = Storage(weight)
    derived(weight, "packed", make)
    del first
    derived(weight, "packed", make)
    assert make.calls == 1
    second.touch()
    derived(weight, "packed", make)
    assert make.calls == 2


def test_a_pickled_holder_counts_for_its_own_array(make: Counter) -> None:
    derived, storage = Derived(), Storage(np.ones(2))
    twin: Storage = pickle.loads(pickle.dumps(storage))
    assert twin.array is not storage.array
    derived(twin.array, "packed", make)
    derived(twin.array, "packed", make)
    assert make.calls == 1


def test_a_holder_without_an_array() -> None:
    storage = Storage()
    assert storage.array is None
    assert storage.version == 0
    storage.array = np.ones(1)
    storage.array = None
    assert storage.array is None
    assert storage.version == 2
