"""Copies of links: own and child × data, gradient, persistent × mode; deep copies, pickles, repeat."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.core.example_links import Scale, paths

from kusari.configuration import using_config
from kusari.initializers import Normal
from kusari.model import Chain, ChainList, Link, LinkHook, Parameter, Sequential

# Copies: own and child × data, gradient, persistent × mode.


def tree() -> Chain:
    chain = Chain(child=Link())
    chain.name = "someone's child"
    for link in (chain, chain.child):
        with link.init_scope():
            link.W = Parameter(Normal(1.0), (50,))
        link.W.grad = np.ones(50, "f")
        link.add_persistent("n", np.arange(3))
    return chain


@pytest.mark.parametrize("kind", [Chain, ChainList])
@pytest.mark.parametrize("level", ["own", "child"])
@pytest.mark.parametrize("mode", ["share", "copy", "init"])
def test_what_each_copy_mode_does_to_data_gradients_and_persistents(kind: type, level: str, mode: str) -> None:
    original = tree()
    if kind is ChainList:
        chain, original = original, ChainList(original.child)
        with original.init_scope():
            original.W = chain.W
        original.add_persistent("n", chain.n)
        original.name = chain.name
    copied = original.copy(mode)
    old, new = (link if level == "own" else next(link.children()) for link in (original, copied))
    assert type(copied) is kind
    assert new is not old
    assert new.W is not old.W
    assert new.W.name == "W"
    assert new.name == (None if level == "own" else old.name)
    if mode == "share":
        assert new.W.array is old.W.array
        assert new.W.grad is None
        assert new.n is old.n
    else:
        assert not np.shares_memory(new.W.array, old.W.array)
        assert (new.W.array == old.W.array).all() == (mode == "copy")
        assert new.n is not old.n
        assert new.n.tolist() == old.n.tolist()
        if mode == "copy":
            assert new.W.grad.tolist() == old.W.grad.tolist()
            assert new.W.grad is not old.W.grad
        else:
            assert np.isnan(new.W.grad).all()
    assert old.W.grad.tolist() == [1.0] * 50


def test_registrations_of_a_copy_are_its_own() -> None:
    original = Chain(a=Link())
    original.add_persistent("n", 1)
    copied = original.copy()
    with copied.init_scope():
        copied.W = Parameter(0, (1,))
        copied.b = Link()
    copied.add_persistent("m", 1)
    assert (original._params, original._persistent, original._children) == (set(), {"n"}, {"a"})


def test_a_hook_added_to_a_shared_copy_does_not_appear_on_the_original() -> None:
    original = Link()
    original.add_hook(LinkHook(), "first")
    copied = original.copy()
    copied.add_hook(LinkHook(), "second")
    assert list(original.local_link_hooks) == ["first"]
    assert copied.local_link_hooks["first"] is original.local_link_hooks["first"]
    assert original.copy("copy").local_link_hooks["first"] is not original.local_link_hooks["first"]


def test_update_rules_are_shared_or_copied_like_the_rest() -> None:
    link = Link(W=(1,))
    link.W.update_rule = SimpleNamespace(enabled=True)
    assert link.copy("share").W.update_rule is link.W.update_rule
    assert link.copy("copy").W.update_rule is not link.W.update_rule


def test_a_shared_copy_is_initialized_with_its_original() -> None:
    original = Link(W=None)
    copied = original.copy()
    original.W.initialize((2,))
    assert copied.W.array is original.W.array


def test_init_leaves_parameters_without_data_and_keeps_given_arrays() -> None:
    link = Link(W=None)
    with link.init_scope():
        link.given = Parameter(np.arange(3.0))
    copied = link.copy("init")
    assert not copied.W.is_initialized
    assert copied.given.array.tolist() == [0, 1, 2]
    assert np.isnan(copied.given.grad).all()
    assert not np.shares_memory(copied.given.array, link.given.array)


class Counting(Normal):
    """Counts how often it draws, copies included."""

    draws = 0

    def __call__(self, array: Any) -> None:
        Counting.draws += 1
        super().__call__(array)


@pytest.mark.parametrize(("legacy", "draws"), [(False, [1, 1, 1]), (True, [1, 2, 3])])
def test_init_draws_once_for_each_parameter_or_in_legacy_behavior_once_for_each_level(
    legacy: bool, draws: list[int]
) -> None:
    def drawing() -> Link:
        link = Link()
        with link.init_scope():
            link.W = Parameter(Counting(), (2,))
        return link

    for depth, expected in enumerate(draws):
        link = drawing()
        for _ in range(depth):
            link = Chain(child=link)
        Counting.draws = 0
        with using_config("legacy_behavior", legacy):
            link.copy("init")
        assert Counting.draws == expected


def test_a_parameter_that_two_links_share_is_still_shared_in_a_copy() -> None:
    chain = Chain(a=Scale(), b=Scale())
    chain.b.W = chain.a.W
    for mode in ("copy", "init"):
        copied = chain.copy(mode)
        assert copied.a.W is copied.b.W
        assert copied.a.W is not chain.a.W


def test_a_parameter_that_two_links_share_is_drawn_once() -> None:
    chain = Chain(a=Scale(Counting()), b=Scale())
    chain.b.W = chain.a.W
    Counting.draws = 0
    chain.copy("init")
    assert Counting.draws == 1
    chain.a.alias = chain.a.W
    chain.a.register_persistent("alias")
    assert chain.copy("copy").a.alias.array.tolist() == chain.a.W.array.tolist()


def test_a_child_s_own_copy_method_is_called() -> None:
    class Stateful(Scale):
        state: Any = None

        def copy(self, mode: str = "share") -> Any:
            made = super().copy(mode)
            made.state = None
            return made

    chain = Chain(a=Stateful())
    chain.a.state = "old"
    for mode in ("share", "copy", "init"):
        assert chain.copy(mode).a.state is None


def test_other_references_to_a_child_follow_it_into_a_deep_copy() -> None:
    chain = Chain(a=Scale())
    chain.alias = chain.a
    chain.owner = chain
    copied = chain.copy("copy")
    assert copied.alias is copied.a
    assert copied.owner is copied


@pytest.mark.parametrize("how", [copy.deepcopy, lambda link: pickle.loads(pickle.dumps(link))])
def test_links_are_deep_copied_and_pickled(how: Callable[[Any], Any]) -> None:
    chain = Chain(a=Scale(3), b=ChainList(Scale(4)))
    chain.add_persistent("n", np.arange(2))
    twin = how(chain)
    assert paths(twin) == paths(chain)
    assert [param.array.tolist() for param in twin.params()] == [param.array.tolist() for param in chain.params()]
    assert twin.n.tolist() == [0, 1]
    assert (twin.b.name, twin.b[0].name) == ("b", "0")
    twin.a.W.array[...] = 0
    assert chain.a.W.array.tolist() == [3, 3]


@pytest.mark.parametrize("mode", ["init", "copy", "share"])
def test_repeat_makes_a_sequential_of_distinct_links(mode: str) -> None:
    link = Scale(Normal(1.0))
    link.name = "original"
    repeated = link.repeat(3, mode)
    assert type(repeated) is Sequential
    assert [child.name for child in repeated] == ["0", "1", "2"]
    assert len({id(child) for child in (*repeated, link)}) == 4
    assert len({id(param) for child in (*repeated, link) for param in child.params()}) == 8
    arrays = {id(child.W.array) for child in (*repeated, link)}
    assert len(arrays) == (1 if mode == "share" else 4)
    values = {tuple(child.W.array.tolist()) for child in (*repeated, link)}
    assert len(values) == (4 if mode == "init" else 1)


@pytest.mark.parametrize("n_repeat", [0, -1])
def test_repeating_no_times_gives_an_empty_sequential(n_repeat: int) -> None:
    assert len(Link().repeat(n_repeat)) == 0
