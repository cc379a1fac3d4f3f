"""Chain and ChainList: children by name and in a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kusari.model import Chain, ChainList, Link, Parameter


def names(chain: Link) -> list[str]:
    return [path for path, _ in chain.namedlinks(skipself=True)]


def marked(*marks: str) -> list[Link]:
    """Return links that can be told apart."""
    links = []
    for mark in marks:
        link = Link()
        link.mark = mark
        links.append(link)
    return links


def marks(chain: ChainList) -> str:
    return "".join(link.mark for link in chain)


# Chain.


def test_keywords_become_children_in_lexical_order() -> None:
    chain = Chain(l2=Link(), l10=Link(), A=Link())
    assert names(chain) == ["/A", "/l10", "/l2"]
    assert [link.name for link in chain.children()] == ["A", "l10", "l2"]


def test_links_assigned_in_scope_are_children_and_other_values_are_not() -> None:
    chain = Chain()
    with chain.init_scope():
        chain.a = Link()
        chain.f = len
        chain.none = None
    chain.outside = Link()
    assert names(chain) == ["/a"]
    assert chain.outside.name is None


def test_getitem_is_getattr() -> None:
    chain = Chain(a=Link())
    chain.size = 3
    assert chain["a"] is chain.a
    assert chain["size"] == 3
    with pytest.raises(AttributeError, match="missing"):
        chain["missing"]


@pytest.mark.parametrize("name", ["a", "W", "copy", "links", "size"])
def test_in_scope_a_link_takes_no_name_that_exists_anywhere(name: str) -> None:
    chain = Chain(a=Link())
    chain.size = 3
    chain.add_param("W", (1,))
    with chain.init_scope(), pytest.raises(AttributeError, match=f"'{name}'"):
        setattr(chain, name, Link())


def test_a_deleted_child_is_unregistered_and_its_name_is_free() -> None:
    chain = Chain(a=Link())
    del chain.a
    assert names(chain) == []
    new = Link()
    with chain.init_scope():
        chain.a = new
    assert list(chain.children()) == [new]


def test_a_child_replaced_outside_scope_stays_registered_and_the_new_one_is_named() -> None:
    chain = Chain(a=Link())
    new = Link(W=(1,))
    chain.a = new
    assert [path for path, _ in chain.namedparams()] == ["/a/W"]
    assert new.name == "a"


@pytest.mark.parametrize("value", [None, 5, len, Parameter(0, (1,))])
@pytest.mark.parametrize("scope", [True, False])
def test_a_child_does_not_become_something_else(value: Any, scope: bool) -> None:
    chain = Chain(a=Link())
    chain._within_init_scope = scope
    with pytest.raises(TypeError, match="del"):
        chain.a = value
    assert names(chain) == ["/a"]


def test_a_parameter_does_not_become_a_link() -> None:
    for chain in (Chain(), ChainList(), Link()):
        chain.add_param("W", (1,))
        with pytest.raises(TypeError, match="cannot become a link"):
            chain.W = Link()
    with pytest.raises(TypeError, match="is a child"):
        Chain(a=Link()).register_persistent("a")


def test_registering_renames_a_child_that_another_chain_has() -> None:
    shared = Link()
    first, second = Chain(a=shared), Chain(b=shared)
    assert shared.name == "b"
    assert names(first) == ["/a"]
    assert names(second) == ["/b"]


def test_chains_print_a_child_a_line() -> None:
    chain = Chain(a=Link(), b=Chain(z=ChainList(Link(), Chain())))
    assert str(chain) == (
        "Chain(\n  (a): Link(),\n  (b): Chain(\n    (z): ChainList(\n      (0): Link(),\n      (1): Chain(),\n"
        "    ),\n  ),\n)"
    )


# ChainList.


def test_children_are_named_by_their_places() -> None:
    chain = ChainList(Link(W=(1,)), ChainList(Link(W=(1,))))
    assert [path for path, _ in chain.namedparams()] == ["/0/W", "/1/0/W"]
    assert chain[1][0].name == "0"


def test_own_parameters_come_before_children() -> None:
    chain = ChainList(Link(W=(1,)))
    with chain.init_scope():
        chain.z = Parameter(0, (1,))
    assert [path for path, _ in chain.namedparams()] == ["/z", "/0/W"]


EDITS: list[tuple[str, Callable[[ChainList], Any], str]] = [
    ("append", lambda chain: chain.append(*marked("x")), "abcx"),
    ("add_link", lambda chain: chain.add_link(*marked("x")), "abcx"),
    ("extend", lambda chain: chain.extend(marked("x", "y")), "abcxy"),
    ("+=", lambda chain: chain.__iadd__(marked("x")), "abcx"),
    ("insert at 0", lambda chain: chain.insert(0, *marked("x")), "xabc"),
    ("insert at -1", lambda chain: chain.insert(-1, *marked("x")), "abxc"),
    ("insert beyond", lambda chain: chain.insert(100, *marked("x")), "abcx"),
    ("pop", lambda chain: chain.pop(), "ab"),
    ("pop first", lambda chain: chain.pop(0), "bc"),
    ("remove", lambda chain: chain.remove(chain[1]), "ac"),
    ("reverse", lambda chain: chain.reverse(), "cba"),
    ("clear", lambda chain: chain.clear(), ""),
    ("[1] =", lambda chain: chain.__setitem__(1, *marked("x")), "axc"),
    ("[-1] =", lambda chain: chain.__setitem__(-1, *marked("x")), "abx"),
    ("[0:2] =", lambda chain: chain.__setitem__(slice(0, 2), marked("x")), "xc"),
    ("[1:] = iterator", lambda chain: chain.__setitem__(slice(1, None), iter(marked("x", "y"))), "axy"),
    ("[::2] =", lambda chain: chain.__setitem__(slice(None, None, 2), marked("x", "y")), "xby"),
    ("del [1]", lambda chain: chain.__delitem__(1), "ac"),
    ("del [1:]", lambda chain: chain.__delitem__(slice(1, None)), "a"),
]


@pytest.mark.parametrize(("edit", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_after_an_edit_names_follow_places(edit: Callable[[ChainList], Any], expected: str) -> None:
    chain = ChainList(*marked("a", "b", "c"))
    edit(chain)
    assert marks(chain) == expected
    assert [link.name for link in chain] == [str(i) for i in range(len(expected))]
    assert len(chain) == len(expected)


@given(st.lists(st.tuples(st.sampled_from(["insert", "set", "delete"]), st.integers(-4, 4)), max_size=12))
def test_any_edits_leave_what_a_list_would_be(edits: list[tuple[str, int]]) -> None:
    chain, plain = ChainList(), []  # type: ChainList, list[Link]
    for kind, index in edits:
        link = Link()
        outcomes = []
        for target in (chain, plain):
            try:
                if kind == "insert":
                    target.insert(index, link)
                elif kind == "set":
                    target[index] = link
                else:
                    del target[index]
                outcomes.append("")
            except IndexError:
                outcomes.append("IndexError")
        assert outcomes[0] == outcomes[1]
    assert list(chain) == plain
    assert [link.name for link in plain] == [str(i) for i in range(len(plain))]


def test_slicing_gives_a_plain_list() -> None:
    chain = ChainList(*marked("a", "b", "c"))
    assert chain[1:] == [chain[1], chain[2]]
    assert type(chain[:]) is list


def test_membership_is_identity() -> None:
    chain = ChainList(*marked("a", "b", "a"))
    assert chain[1] in chain
    assert Link() not in chain
    assert chain.index(chain[2]) == 2
    assert chain.count(chain[0]) == 1
    with pytest.raises(ValueError):  # noqa: PT011  # MutableSequence gives no text
        chain.remove(Link())


@pytest.mark.parametrize(
    "edit",
    [
        lambda chain: chain.append(1),
        lambda chain: chain.insert(0, len),
        lambda chain: chain.__setitem__(0, None),
        lambda chain: chain.__setitem__(slice(0, 2), [Link(), 1]),
        lambda chain: chain.__setitem__(slice(0, 1), Link()),
        lambda chain: chain.__setitem__("0", Link()),
    ],
)
def test_a_refused_edit_changes_nothing(edit: Callable[[ChainList], Any]) -> None:
    chain = ChainList(*marked("a", "b"))
    with pytest.raises(TypeError):
        edit(chain)
    assert marks(chain) == "ab"


@pytest.mark.parametrize(
    "edit", [lambda chain: chain[2], lambda chain: chain.__setitem__(2, Link()), lambda chain: chain.__delitem__(-3)]
)
def test_out_of_range_is_an_index_error(edit: Callable[[ChainList], Any]) -> None:
    with pytest.raises(IndexError):
        edit(ChainList(*marked("a", "b")))
    with pytest.raises(IndexError):
        ChainList().pop()


def test_indices_are_numbers_or_slices() -> None:
    with pytest.raises(TypeError):
        ChainList(Link())["0"]


def test_lists_are_not_added() -> None:
    with pytest.raises(TypeError):
        _ = ChainList() + ChainList()  # type: ignore[operator]


def test_a_link_that_is_an_attribute_of_a_list_is_ordinary() -> None:
    chain = ChainList()
    chain.other = Link(W=(1,))
    assert names(chain) == []


def test_a_parameter_in_the_scope_of_a_list_is_registered() -> None:
    chain = ChainList()
    with chain.init_scope():
        chain.W = Parameter(0, (1,))
    assert [path for path, _ in chain.namedparams()] == ["/W"]
