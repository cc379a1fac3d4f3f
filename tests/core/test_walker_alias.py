"""Drawing by the alias method."""

from __future__ import annotations

import pickle
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from kusari.backend import Backend, Device, seed
from kusari.utils import WalkerAlias
from kusari.utils.walker_alias import WalkerAlias as Documented


def chances(sampler: WalkerAlias) -> Any:
    """Return how likely each integer is, from the table: half the even draws' share goes its own way."""
    kept = np.asarray(sampler.threshold, np.float64)
    found = kept.copy()
    np.add.at(found, np.asarray(sampler.alias), 1 - kept)
    return found / len(kept)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60).filter(lambda probs: sum(probs) > 1e-3))
def test_the_table_holds_the_distribution(probs: list[float]) -> None:
    sampler = WalkerAlias(probs)
    np.testing.assert_allclose(chances(sampler), np.asarray(probs) / np.sum(probs), atol=1e-7)
    assert all(p > 0 for p, k in zip(probs, sampler.threshold.tolist(), strict=True) if k > 0)


def test_what_has_no_probability_is_never_drawn() -> None:
    seed(0)
    drawn = WalkerAlias(np.asarray([0, 3, 0, 1, 0], "f")).sample(20000)
    counts = np.bincount(drawn, minlength=5)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]
    # 15000 expected, with a standard deviation of 61
    assert abs(counts[1] - 15000) < 5 * 61


def test_draws_follow_the_seed_and_have_the_shape_asked_for() -> None:
    sampler = Documented([1, 2, 3])
    seed(3)
    first = sampler.sample((2, 3))
    seed(3)
    np.testing.assert_array_equal(sampler.sample((2, 3)), first)
    assert first.dtype == np.int32
    assert sampler.sample(4).shape == (4,)
    assert sampler.sample(()).shape == ()
    assert sampler.sample_gpu((0, 2)).shape == (0, 2)
    assert pickle.loads(pickle.dumps(sampler)).alias.tolist() == sampler.alias.tolist()


def test_the_table_moves_and_draws_come_from_the_device(strict: Backend) -> None:
    sampler = WalkerAlias([1, 2, 0])
    assert not sampler.use_gpu
    device = Device(strict)
    assert sampler.to_device(device) is sampler
    drawn = sampler.sample((50,))
    assert device.holds(drawn)
    assert set(strict.to_host(drawn).tolist()) == {0, 1}
    assert device.holds(sampler.sample_xp(strict.xp, 3))
    with pytest.raises(ValueError, match="to_device"):
        sampler.sample_xp(np, 3)


def test_counts_on_a_device_are_taken(strict: Backend) -> None:
    sampler = WalkerAlias(strict.from_host(np.asarray([1.0, 3.0])))
    np.testing.assert_allclose(chances(sampler), [0.25, 0.75], atol=1e-7)


@pytest.mark.parametrize("probs", [[], [0, 0], [-1, 2], [np.nan, 1], [np.inf, 1]])
def test_what_is_no_distribution_is_refused(probs: list[float]) -> None:
    with pytest.raises(ValueError, match="expected numbers"):
        WalkerAlias(probs)
