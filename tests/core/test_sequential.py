"""Sequential: callables one after another, and the numbers of the links among them."""

from __future__ import annotations

import copy
import functools
import operator
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kusari.configuration import using_config
from kusari.initializers import Normal
from kusari.model import Chain, Link, Parameter, Sequential


class Add(Link):
    """y = x + W."""

    def __init__(self, value: Any = 1.0) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(value, (1,))

    def forward(self, x: Any) -> Any:
        return self.W + x


def double(x: Any) -> Any:
    return x * 2


def letters(sequential: Sequential, links: dict[str, Link]) -> str:
    """Return the children in order, by the letters they have in ``links``."""
    by_id = {id(link): letter for letter, link in links.items()}
    return "".join(by_id[id(child)] for child in sequential.children())


def keys(sequential: Sequential, links: dict[str, Link]) -> str:
    """Return the children in the order of the names that they have in files."""
    by_id = {id(link): letter for letter, link in links.items()}
    return "".join(by_id[id(child)] for _, child in sequential._children_in_files())


def four() -> dict[str, Link]:
    return {letter: Link() for letter in "ABCD"}


# Running.


def test_each_layer_gets_what_the_one_before_returned() -> None:
    model = Sequential(Add(1.0), double, Add(3.0))
    assert model(np.ones(1, "f")).array.tolist() == [7]


def test_a_tuple_is_the_next_layer_s_arguments_and_a_list_is_one() -> None:
    assert Sequential(lambda a, b: (b, a), lambda a, b: a - b)(1, 5) == 4
    assert Sequential(lambda x: [x, x])(3) == [3, 3]
    assert Sequential(lambda *x: x)((1, 2)) == ((1, 2),)
    assert Sequential(lambda a, b: (b, a))(1, 2) == (2, 1)


def test_gradients_reach_the_links() -> None:
    model = Sequential(Add(), double)
    model.cleargrads()
    model(np.ones(1, "f")).sum().backward()
    assert model[0].W.grad.tolist() == [2]


# Names.


def test_children_are_numbered_among_links_by_place() -> None:
    links = four()
    model = Sequential(links["A"], double, links["B"], links["C"], double, links["D"])
    assert letters(model, links) == "ABCD"
    assert [links[letter].name for letter in "ABCD"] == ["0", "1", "2", "3"]
    assert [path for path, _ in model.namedlinks(skipself=True)] == ["/0", "/1", "/2", "/3"]


@pytest.mark.parametrize(
    ("build", "native", "legacy"),
    [
        (lambda a, b, c, d: Sequential(a, b), "AB", "AB"),
        (lambda a, b, c, d: Sequential(a, double, b), "AB", "AB"),
        (lambda a, b, c, d: Sequential(a, b, c), "ABC", "ACB"),
        (Sequential, "ABCD", "ADCB"),
        (lambda a, b, c, d: Sequential(double, a, b, c, d), "ABCD", "ABDC"),
        (lambda a, b, c, d: Sequential(a, b) + Sequential(c, d), "ABCD", "ADCB"),
        (lambda a, b, c, d: edited(Sequential(a, b, c), lambda q: q.__setitem__(1, d)), "ADC", "ADC"),
        (lambda a, b, c, d: edited(Sequential(a, b, c, d), lambda q: q.__delitem__(0)), "BCD", "DCB"),
        (lambda a, b, c, d: edited(Sequential(a, double, c), lambda q: q.insert(1, b)), "ABC", "ABC"),
    ],
)
def test_legacy_numbering_is_what_old_files_have(build: Callable[..., Sequential], native: str, legacy: str) -> None:
    links = four()
    model = build(*links.values())
    assert keys(model, links) == letters(model, links) == native
    with using_config("sequential_numbering", "legacy"):
        assert keys(model, links) == legacy
        assert letters(model, links) == native


def edited(sequential: Sequential, edit: Callable[[Sequential], Any]) -> Sequential:
    edit(sequential)
    return sequential


def test_legacy_numbering_is_used_to_load_old_files() -> None:
    class Old:
        """Reads the keys of a file with three links."""

        values: ClassVar = {"0": 10.0, "1": 30.0, "2": 20.0}

        def __init__(self, key: str = "") -> None:
            self.key = key

        def __getitem__(self, key: str) -> Old:
            return Old(key)

        def __call__(self, key: str, value: Any) -> Any:
            return np.full_like(value, self.values[self.key])

    model = Sequential(Add(), Add(), Add())
    with using_config("sequential_numbering", "legacy"):
        model.serialize(Old())
    assert [link.W.array.item() for link in model] == [10, 20, 30]


# The list.


@given(
    st.lists(
        st.tuples(st.sampled_from(["insert", "set", "delete", "pop"]), st.integers(-5, 5), st.booleans()), max_size=15
    )
)
def test_any_edits_leave_what_a_list_would_be(edits: list[tuple[str, int, bool]]) -> None:
    model, plain = Sequential(), []  # type: Sequential, list[Any]
    for kind, index, is_link in edits:
        layer: Any = Link() if is_link else functools.partial(double)
        size = len(plain)
        if kind == "insert":
            if -size <= index <= size:
                plain.insert(index, layer)
                model.insert(index, layer)
            else:
                with pytest.raises(IndexError, match="expected"):
                    model.insert(index, layer)
        elif -size <= index < size:
            if kind == "set":
                plain[index] = model[index] = layer
            elif kind == "delete":
                del plain[index], model[index]
            else:
                assert plain.pop(index) is model.pop(index)
        else:
            with pytest.raises(ValueError if kind == "set" and index >= size else IndexError):
                model[index] = layer if kind == "set" else model.pop(index)
    assert list(model) == plain
    links = [layer for layer in plain if isinstance(layer, Link)]
    assert list(model.children()) == links
    assert [link.name for link in links] == [str(i) for i in range(len(links))]
    assert sorted(map(id, model._legacy_order)) == sorted(map(id, links))


def test_clear_leaves_no_child_registered() -> None:
    model = Sequential(Link(), Link(), double, Link())
    model.clear()
    assert len(model) == 0
    assert list(model.children()) == []
    model.append(Link())
    assert [path for path, _ in model.namedlinks(skipself=True)] == ["/0"]


def test_index_counts_from_the_beginning() -> None:
    model = Sequential(double, len, double, len)
    assert model.index(double) == 0
    assert model.index(double, 1) == 2
    assert model.index(len, 2, 4) == 3
    with pytest.raises(ValueError, match="not in list"):
        model.index(len, 2, 3)


def test_remove_takes_the_first() -> None:
    link = Link()
    model = Sequential(double, link, double)
    model.remove(double)
    assert list(model) == [link, double]
    model.remove(link)
    assert list(model.children()) == []


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda q: q.append(3), ValueError),
        (lambda q: q.insert(0, None), ValueError),
        (lambda q: q.__setitem__(0, "x"), ValueError),
        (lambda q: q.__setitem__(2, len), ValueError),
        (lambda q: q.__setitem__(-3, len), IndexError),
        (lambda q: q.insert(3, len), IndexError),
        (lambda q: q.insert(-3, len), IndexError),
        (lambda q: q.__delitem__(2), IndexError),
        (lambda q: q[2], IndexError),
        (lambda q: q.pop(2), IndexError),
        (lambda q: q.__delitem__(slice(0, 1)), TypeError),
        (lambda q: q.__setitem__(slice(0, 1), [len]), TypeError),
        (lambda q: operator.add(q, [len]), ValueError),
        (lambda q: q.__iadd__([len]), ValueError),
        (lambda q: q.remove(len), ValueError),
        (lambda q: q.index(len), ValueError),
    ],
)
def test_a_refused_edit_changes_nothing(edit: Callable[[Sequential], Any], error: type[Exception]) -> None:
    link = Link()
    model = Sequential(link, double)
    with pytest.raises(error):
        edit(model)
    assert list(model) == [link, double]


def test_a_link_assigned_in_scope_is_refused() -> None:
    model = Sequential()
    with model.init_scope(), pytest.raises(TypeError, match="append"):
        model.a = Link()


def test_slicing_gives_a_plain_list() -> None:
    assert Sequential(double, len)[1:] == [len]


def test_adding_makes_a_new_one_and_extending_does_not() -> None:
    first, second = Sequential(double), Sequential(len)
    assert list(first + second) == [double, len]
    assert len(first) == 1
    same = first
    first += second
    assert same is first
    first.extend([abs])
    first.extend(first)
    assert list(first) == [double, len, abs] * 2


def test_layers_are_counted_and_removed_by_name() -> None:
    model = Sequential(Add(), double, Add(), len)
    assert model.count_by_layer_type("Add") == 2
    assert model.count_by_layer_type("double") == 1
    model.remove_by_layer_type("Add")
    assert list(model) == [double, len]
    assert list(model.children()) == []
    model.append(functools.partial(double))
    with pytest.raises(AttributeError, match="__name__"):
        model.count_by_layer_type("double")


def test_flatten_puts_nested_layers_in_place() -> None:
    a, b, c = Link(), Link(), Link()
    flat = Sequential(a, Sequential(double, Sequential(b)), c).flatten()
    assert type(flat) is Sequential
    assert list(flat) == [a, double, b, c]
    assert [link.name for link in (a, b, c)] == ["0", "1", "2"]


# Copies and texts.


@pytest.mark.parametrize("mode", ["share", "copy", "init"])
def test_copies_hold_links_by_mode_and_other_callables_by_copy(mode: str) -> None:
    class Named(Sequential):
        pass

    class Identity:
        def __call__(self, x: Any) -> Any:
            return x

    model = Named(Add(Normal(1.0)), double, Identity())
    model.name = "name"
    with model.init_scope():
        model.own = Parameter(0, (1,))
    copied = model.copy(mode)
    assert type(copied) is Sequential
    assert copied.name is None
    assert [path for path, _ in copied.namedparams()] == ["/0/W"]
    assert copied[1] is double
    assert copied[2] is not model[2]
    assert (copied[0].W.array is model[0].W.array) == (mode == "share")
    assert (copied[0].W.array == model[0].W.array).all() == (mode != "init")


def test_a_sequential_in_a_chain_is_copied_with_it() -> None:
    chain = Chain(a=Sequential(Add(), double))
    for mode in ("share", "copy", "init"):
        copied = chain.copy(mode)
        assert copied.a is not chain.a
        assert copied.a.name == "a"
        assert copied.a[0] is not chain.a[0]
        assert copied.a[0] in list(copied.a.children())


def test_copyparams_needs_a_sequential() -> None:
    target = Sequential(Add(1.0), double)
    target.copyparams(Sequential(Add(5.0), double))
    assert target[0].W.array.item() == 5
    with pytest.raises(ValueError, match="expected a Sequential"):
        target.copyparams(Link())


def test_pickles_without_lambdas() -> None:
    model = Sequential(Add(3.0), functools.partial(np.multiply, 2))
    twin = pickle.loads(pickle.dumps(model))
    assert [path for path, _ in twin.namedparams()] == ["/0/W"]
    assert twin[0] is next(twin.children())
    with pytest.raises(ValueError, match=r"functools\.partial"):
        pickle.dumps(Chain(a=Sequential(lambda x: x)))


def test_deep_copies_with_lambdas() -> None:
    model = Chain(a=Sequential(Add(3.0), lambda x: x))
    for twin in (copy.deepcopy(model), model.copy("copy")):
        assert twin.a[0].W.array.item() == 3
        assert twin.a[0] is not model.a[0]
        assert twin.a[0] is next(twin.a.children())


def test_text_shows_every_layer_and_a_lambda_s_source() -> None:
    model = Sequential(
        Link(),
        double,
        lambda x: x + 1,
    )
    lines = str(model).splitlines()
    assert lines[0] == "Sequential("
    assert lines[1] == "  (0): Link(),"
    assert lines[2].startswith("  (1): <function double at ")
    assert lines[3] == "  (2): lambda x: x + 1,"
    assert str(Sequential()) == "Sequential()"
    made = eval("lambda x: x")
    assert "(0): <lambda>," in str(Sequential(made))
