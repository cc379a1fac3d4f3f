"""What each wrong or deprecated use results in: the table of errors and warnings, a row each."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.core.example_links import Forgetful

import kusari.functions as F
import kusari.links as L
from kusari.autograd import Variable
from kusari.backend import get_device
from kusari.link_hooks import SpectralNormalization
from kusari.model import Chain, ChainList, Link, LinkHook, Sequential
from kusari.serializers import load_npz, save_npz

# What a trigger results in.


def with_link() -> Link:
    link = Link(W=(2,))
    link.add_persistent("n", 1)
    return link.add_hook(LinkHook(), "hook")


class LocalOnly(LinkHook):
    name = "local"

    def added(self, link: Link | None) -> None:
        if link is None:
            raise NotImplementedError("only for one link")


def nested_hooks() -> None:
    first, second = LinkHook(), LinkHook()
    with first:
        try:
            with second:
                pass
        finally:
            from kusari.configuration import current_state

            assert [hook for _, hook in current_state().link_hooks] == [first]


def in_scope(link: Link, name: str, value: Any) -> None:
    with link.init_scope():
        setattr(link, name, value)


def entered(context: Any) -> None:
    with context:
        pass


def subclass(name: str) -> type:
    return type("Overriding", (Link,), {name: lambda self, *args: self})


def block(*arguments: Any, **keywords: Any) -> Any:
    return L.MLPConvolution2D(*arguments, **keywords)


def quietly(deprecated: Callable[[], Any]) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        deprecated()


def loaded(source: Link, target: Link, **keywords: Any) -> Link:
    file = io.BytesIO()
    save_npz(file, source)
    file.seek(0)
    load_npz(file, target, **keywords)
    return target


def plus(first: Any, second: Any) -> Any:
    return first + second


ERRORS: list[tuple[str, Callable[[], Any], type[BaseException]]] = [
    ("init_scope before __init__", lambda: entered(Forgetful().init_scope()), RuntimeError),
    ("call before __init__", lambda: Forgetful()(1), RuntimeError),
    ("add_param before __init__", lambda: Forgetful().add_param("W"), RuntimeError),
    ("add_param of an existing name", lambda: with_link().add_param("n"), AttributeError),
    ("add_persistent of an existing name", lambda: with_link().add_persistent("W", 1), AttributeError),
    ("register_persistent of a missing name", lambda: with_link().register_persistent("m"), AttributeError),
    ("add_link of a non-link", lambda: Chain().add_link("a", 1), TypeError),  # type: ignore[arg-type]
    ("Chain of a non-link", lambda: Chain(a=1), TypeError),  # type: ignore[arg-type]
    ("add_link of an existing name", lambda: Chain(a=Link()).add_link("a", Link()), AttributeError),
    ("add_link of a method's name", lambda: Chain().add_link("copy", Link()), AttributeError),
    ("a link assigned in a ChainList's scope", lambda: in_scope(ChainList(), "a", Link()), TypeError),
    ("append of a non-link", lambda: ChainList().append(1), TypeError),
    ("copy in an unknown mode", lambda: Link().copy("other"), ValueError),
    ("copy of an empty list in an unknown mode", lambda: ChainList().copy("other"), ValueError),
    ("copy of a Sequential in an unknown mode", lambda: Sequential().copy("other"), ValueError),
    ("repeat in an unknown mode", lambda: Link().repeat(1, "other"), ValueError),
    ("copyparams with a missing name", lambda: Link(W=(1,)).copyparams(Link()), KeyError),
    ("copyparams with a missing persistent", lambda: with_link().copyparams(Link(W=(2,))), KeyError),
    ("copyparams with a missing child", lambda: Chain(a=Link()).copyparams(Chain()), KeyError),
    ("copyparams with a shorter list", lambda: ChainList(Link()).copyparams(ChainList()), KeyError),
    ("copyparams of a wrong shape", lambda: Link(W=(2,)).copyparams(Link(W=(3,))), ValueError),
    ("copyparams of a shape that broadcasts", lambda: Link(W=(2,)).copyparams(Link(W=(1,))), ValueError),
    ("addgrads with a missing name", lambda: Link(W=(1,)).addgrads(Link()), KeyError),
    ("add_hook of a wrong type", lambda: Link().add_hook(3), TypeError),  # type: ignore[arg-type]
    ("add_hook of a taken name", lambda: with_link().add_hook(LinkHook(), "hook"), KeyError),
    ("delete_hook of an unknown name", lambda: with_link().delete_hook("other"), KeyError),
    ("two hooks of one name", nested_hooks, KeyError),
    ("with a hook for one link only", lambda: entered(LocalOnly()), NotImplementedError),
    ("Sequential of a non-callable", lambda: Sequential(3), ValueError),  # type: ignore[arg-type]
    ("Sequential + list", lambda: plus(Sequential(), [len]), ValueError),
    ("Sequential.remove of a missing layer", lambda: Sequential(len).remove(abs), ValueError),
    ("call of an empty Sequential", lambda: Sequential()(1), RuntimeError),
    ("pickle of a Sequential with a lambda", lambda: pickle.dumps(Sequential(lambda x: x)), ValueError),
    ("MLPConvolution2D with one argument too many", lambda: block(3, (4,), 3, 1, 0, F.relu, None), TypeError),
    ("MLPConvolution2D(wscale=)", lambda: block(3, (4,), 3, wscale=1), ValueError),
    ("MLPConvolution2D(unknown=)", lambda: block(3, (4,), 3, foo=1), TypeError),
    ("MLPConvolution2D of one number of channels", lambda: block(3, 4, 3), TypeError),
    ("MLPConvolution2D of no channels", lambda: block(3, (), 3), AssertionError),
    ("with SpectralNormalization", lambda: entered(SpectralNormalization()), NotImplementedError),
    ("SpectralNormalization of what is not there", lambda: Link().add_hook(SpectralNormalization()), ValueError),
    ("to_chx", lambda: Link().to_chx(), RuntimeError),
    ("to_intel64", lambda: quietly(Link().to_intel64), RuntimeError),
    ("get_device of a bad @ name", lambda: get_device("@cupy"), ValueError),
    ("get_device of an unknown word", lambda: get_device("nosuch"), RuntimeError),
    ("get_device of a wrong type", lambda: get_device(None), TypeError),
    ("overriding to_device", lambda: subclass("to_device"), TypeError),
    ("overriding to_chx", lambda: subclass("to_chx"), TypeError),
    ("overriding from_chx", lambda: subclass("from_chx"), TypeError),
    ("load_npz of a missing key", lambda: loaded(Link(), Link(W=(2,))), KeyError),
    ("load_npz of another shape", lambda: loaded(Link(W=(3,)), Link(W=(2,))), ValueError),
    ("load_npz of a shape that broadcasts", lambda: loaded(Link(W=(1,)), Link(W=(2,))), ValueError),
    ("load_npz with a number as ignore_names", lambda: loaded(Link(), Link(), ignore_names=3), ValueError),
    ("Variable of a list", lambda: Variable([1]), TypeError),
    ("Variable(volatile=)", lambda: Variable(np.ones(1), volatile=True), ValueError),
    ("Variable(unknown=)", lambda: Variable(np.ones(1), foo=1), TypeError),
]


@pytest.mark.parametrize(("trigger", "error"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_each_wrong_use_raises_its_error(trigger: Callable[[], Any], error: type[BaseException]) -> None:
    with pytest.raises(error) as caught:
        trigger()
    assert len(str(caught.value)) > 10, "an error says what was wrong"


WARNINGS: list[tuple[str, Callable[[], Any], type[Warning], int]] = [
    ("count_params without data", lambda: Link(V=None, W=None).count_params(), UserWarning, 2),
    ("zerograds", lambda: Link(V=(1,), W=(1,)).zerograds(), DeprecationWarning, 1),
    ("overriding to_cpu", lambda: subclass("to_cpu"), DeprecationWarning, 1),
    ("overriding to_gpu", lambda: subclass("to_gpu"), DeprecationWarning, 1),
    ("to_cpu", lambda: Link().to_cpu(), DeprecationWarning, 1),
    ("_device_id", lambda: Link()._device_id, DeprecationWarning, 1),
]


@pytest.mark.parametrize(
    ("trigger", "warning", "count"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS]
)
def test_each_deprecated_use_warns(trigger: Callable[[], Any], warning: type[Warning], count: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trigger()
    assert [item.category for item in caught] == [warning] * count
    assert {item.filename for item in caught} == {__file__}


@pytest.mark.parametrize("mode", ["other", "init"])
def test_repeating_no_times_asks_nothing_of_the_mode(mode: str) -> None:
    assert len(Link().repeat(0, mode)) == 0


def test_load_npz_without_strict_keeps_what_is_not_in_the_file() -> None:
    target = Link(W=(2,))
    target.W.array[...] = 3
    assert loaded(Link(), target, strict=False).W.array.tolist() == [3, 3]


def test_what_an_unknown_word_names_may_be_a_plugin_s_device(strict: Any) -> None:
    assert get_device("strict").backend is strict
