"""Tables and their views: against plain lists of rows, and against what is asked of the table below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kusari.dataset import TabularDataset
from kusari.dataset.tabular import DelegateDataset, from_data
from kusari.iterators import SerialIterator

KEYS = ("a", "b", "c")
ROWS = np.arange(18).reshape(6, 3)


class Table(TabularDataset):
    """Six rows of three columns; remembers what it was asked for."""

    keys = KEYS

    def __init__(self, mode=tuple):
        self._mode = mode
        self.asked = []

    def __len__(self):
        return len(ROWS)

    @property
    def mode(self):
        return self._mode

    def get_examples(self, indices, key_indices):
        self.asked.append((indices, key_indices))
        rows = ROWS if indices is None else ROWS[indices]
        return tuple(rows.T if key_indices is None else rows.T[list(key_indices)])


def rows_of(table):
    """Return a table's rows as plain tuples, by three ways that must agree."""
    by_column = [tuple(row) for row in zip(*table.astuple().fetch(), strict=True)]
    assert [tuple(row) for row in table.astuple()] == by_column == [tuple(row) for row in table.astuple()[:]]
    return [tuple(int(value) for value in row) for row in by_column]


@given(st.data())
def test_a_slice_of_a_slice_is_that_of_the_rows(data):
    table, plain, keys = Table(), [tuple(row) for row in ROWS.tolist()], list(KEYS)
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["slice", "list", "mask"] if plain else ["slice"]))
        if kind == "slice":
            index = data.draw(st.slices(len(plain)))
            plain = plain[index]
        elif kind == "mask":
            index = data.draw(st.lists(st.booleans(), min_size=len(plain), max_size=len(plain)))
            plain = [row for row, chosen in zip(plain, index, strict=True) if chosen]
        else:
            index = data.draw(st.lists(st.integers(-len(plain), len(plain) - 1), max_size=5))
            plain = [plain[i] for i in index]
        columns = data.draw(st.lists(st.sampled_from(range(-len(keys), len(keys))), min_size=1, max_size=3))
        columns = list({c % len(keys): c for c in columns}.values())  # each column once
        names = tuple(keys[c] if data.draw(st.booleans()) else c for c in columns)
        table = table.slice[index, names]
        keys = [keys[c] for c in columns]
        plain = [tuple(row[c] for c in columns) for row in plain]
        assert table.keys == tuple(keys)
        assert len(table) == len(plain)
        assert rows_of(table) == plain


def test_a_view_asks_for_no_more_than_it_shows():
    table = Table()
    table.slice[[4, 1], ("c", "a")].fetch()
    assert table.asked == [([4, 1], (2, 0))]
    table.asked.clear()
    table.join(from_data({"d": range(6)})).slice[2:4, ("d",)].fetch()
    assert table.asked == []
    table.concat(table).slice[[7], "b"].fetch()
    assert table.asked == [([1], (1,))]


def test_modes():
    table = Table()
    assert table.asdict()[1] == {"a": 3, "b": 4, "c": 5}
    assert table.asdict()[:1] == [{"a": 0, "b": 1, "c": 2}]
    assert (table.slice[:, "b"].mode, table.slice[:, "b"][2]) == (None, 7)
    assert (table.slice[:, ("b",)].mode, table.slice[:, ("b",)][2]) == (tuple, (7,))
    assert table.slice[:, "b"].astuple()[2] == (7,)
    assert table.slice[:, "b"].asdict()[2] == {"b": 7}
    assert list(table.asdict().fetch()) == list(KEYS)


def test_wrong_slices():
    table = Table()
    with pytest.raises(KeyError, match="no column 'z'; there are a, b, c"):
        table.slice[:, "z"]
    with pytest.raises(IndexError, match="column 3 is out of bounds for 3"):
        table.slice[:, 3]
    with pytest.raises(IndexError, match="index 6 is out of bounds for 6"):
        table.slice[[6]]
    with pytest.raises(IndexError, match="index 9 is out of bounds"):
        table[9]


def test_concatenated_and_joined():
    table = Table()
    both = table.concat(table.slice[:2], table)
    assert rows_of(both) == [tuple(row) for row in np.concatenate([ROWS, ROWS[:2], ROWS]).tolist()]
    assert both.slice[[13, 0, 7], "a"].fetch() == [15, 0, 3]
    other = from_data({"d": list(range(6)), "e": np.arange(6) * 10})
    beside = table.join(other)
    assert (beside.keys, beside.mode, beside[2]) == (("a", "b", "c", "d", "e"), tuple, (6, 7, 8, 2, 20))
    assert beside.slice[[5], ("e", "a", "d")].astuple()[0] == (50, 15, 5)
    with pytest.raises(ValueError, match="same keys"):
        table.concat(other)
    with pytest.raises(ValueError, match="keys differ"):
        table.join(table)
    with pytest.raises(ValueError, match="one length"):
        table.join(from_data({"d": [1]}))
    assert from_data([1, 2]).join(from_data([3, 4]))[1] == (2, 4)  # columns without names do not clash


@pytest.mark.parametrize("mode", [tuple, dict])
def test_transforms(mode):
    table = Table(mode)
    for view in (table.transform(("s", "d"), _sums), table.transform_batch(("s", "d"), _sums)):
        assert (view.keys, view.mode, len(view)) == (("s", "d"), tuple, 6)
        assert rows_of(view) == [(a + b, c - a) for a, b, c in ROWS.tolist()]
        assert rows_of(view.slice[[3], ("d",)]) == [(2,)]
    named = table.transform(("x", "y"), lambda a, b, c: {"y": a, "x": b})
    assert (named.mode, named[1]) == (dict, {"x": 4, "y": 3})
    single = table.transform("x", lambda a, b, c: a)
    assert (single.mode, single[2], single.fetch()) == (None, 6, [0, 3, 6, 9, 12, 15])
    assert table.slice[:0].transform(("x",), lambda a, b, c: (a,)).mode is tuple
    with pytest.raises(ValueError, match=r"expected a tuple or a dict for \('x', 'y'\)"):
        table.transform(("x", "y"), lambda a, b, c: (a,))[0]
    with pytest.raises(ValueError, match=r"returned keys \('z',\)"):
        table.transform(("x",), lambda a, b, c: {"z": a})[0]
    with pytest.raises(ValueError, match="returned 1 rows of 'x' for 2 rows"):
        table.transform_batch("x", lambda a, b, c: [1])[:2]


def _sums(a, b, c):
    return a + b, c - a


def test_converting():
    table = Table()
    arrays = table.convert(([1, 2], [3.0, 4.0], [np.zeros(2), np.ones(2)]))
    assert [array.shape for array in arrays] == [(2,), (2,), (2, 2)]
    assert table.convert({"a": [1, 2]})["a"].tolist() == [1, 2]
    assert table.convert([1, 2]).tolist() == [1, 2]
    view = table.with_converter(lambda *columns, **named: (columns, sorted(named)))
    assert view.convert((1, 2)) == ((1, 2), [])
    assert view.asdict().slice[:2].convert({"b": 1}) == ((), ["b"])
    assert DelegateDataset(view).convert(5) == ((5,), [])
    assert table.concat(view).convert([1]).tolist() == [1]  # the first one's


@pytest.mark.parametrize(
    ("data", "size", "keys", "mode", "example"),
    [
        ([1, 2, 3], None, None, None, 2),
        (("a", [1, 2, 3]), None, ("a",), None, 2),
        (([1, 2, 3], np.arange(3)), None, None, tuple, (2, 1)),
        ((("a", [1, 2]), ("b", lambda i: -i)), None, ("a", "b"), tuple, (2, -1)),
        (("a", lambda i: 2 * i), 3, ("a",), None, 2),
        ((("a", "b"), lambda i: (i, -i)), 3, ("a", "b"), tuple, (1, -1)),
        ((("a", "b"), lambda i: {"b": i, "a": -i}), 3, ("a", "b"), dict, {"a": -1, "b": 1}),
        ({"a": [1, 2], "b": lambda i: i, ("c", "d"): lambda i: (i, i)}, None, ("a", "b", "c", "d"), dict, None),
        ({"a": range(3)}, 3, ("a",), dict, {"a": 1}),
    ],
)
def test_tables_of_data(data, size, keys, mode, example):
    table = from_data(data, size=size)
    assert table.mode is mode
    assert keys is None or table.keys == keys
    assert table[1] == (example if example is not None else {"a": 2, "b": 1, "c": 1, "d": 1})
    assert list(table)[-1] == table[-1] == table[len(table) - 1]


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        (("a", len), {}, "give size"),
        (([1], [1, 2]), {}, r"lengths \[1, 2\]"),
        ([1, 2], {"size": 3}, r"lengths \[2, 3\]"),
        ((len, [1]), {}, "needs the name"),
        (len, {"size": 1}, "needs the name"),
    ],
)
def test_wrong_data(data, options, text):
    with pytest.raises(ValueError, match=text):
        from_data(data, **options)


def test_a_delegate_is_what_it_delegates_to():
    delegate = DelegateDataset(Table())
    assert (delegate.keys, delegate.mode, len(delegate)) == (KEYS, tuple, 6)
    assert rows_of(delegate) == rows_of(Table())


def test_iterators_take_tables():
    assert next(SerialIterator(Table(), 2, shuffle=False)) == [(0, 1, 2), (3, 4, 5)]


def test_bases_say_what_to_define():
    for what in ("keys", "mode"):
        with pytest.raises(NotImplementedError, match=what):
            getattr(TabularDataset(), what)
    with pytest.raises(NotImplementedError, match="get_examples"):
        TabularDataset().get_examples(None, None)


@pytest.mark.parametrize("kind", [tuple, dict])
def test_a_function_is_called_once_for_a_row(kind):
    called = []

    def function(i):
        called.append(i)
        return {"a": i, "b": -i} if kind is dict else (i, -i)

    table = from_data((("a", "b"), function), size=5)
    rows = [table[i] for i in (3, 1)]
    assert rows == ([{"a": 3, "b": -3}, {"a": 1, "b": -1}] if kind is dict else [(3, -3), (1, -1)])
    assert table.mode is kind
    assert called == [3, 1]
