"""Link: registration, traversal, bulk operations, copies, saving, and every documented error."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kusari.autograd import Variable
from kusari.backend import Backend, Device, get_device
from kusari.configuration import using_config
from kusari.initializers import Normal
from kusari.links.connection.parameter import Parameter as ParameterLink
from kusari.model import Chain, ChainList, Link, LinkHook, Parameter, Sequential
from kusari.serializer import Deserializer, Serializer


class Scale(Link):
    """y = W x + b, elementwise."""

    def __init__(self, value: Any = 2.0, size: int | None = 2) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(value, size)
            self.b = Parameter(0, 2)

    def forward(self, x: Any) -> Variable:
        return self.W * x + self.b


class Forgetful(Link):
    """A link whose __init__ does not call super's."""

    def __init__(self) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x


def paths(link: Link, **arguments: Any) -> list[str]:
    return [path for path, _ in link.namedparams(**arguments)]


# Construction.


def test_keywords_become_parameters() -> None:
    link = Link(W=(2, 3), b=((3,), "float64"), n=4, later=None, scalar=())
    assert [(link.W.shape, link.W.dtype), (link.b.shape, link.b.dtype)] == [((2, 3), "float32"), ((3,), "float64")]
    assert link.n.shape == (4,)
    assert link.scalar.shape == ()
    assert not link.later.is_initialized
    assert np.isnan(link.W.array).all()


def test_a_shape_alone_means_float32_whatever_is_configured() -> None:
    with using_config("dtype", "float16"):
        assert Link(W=(2,)).W.dtype == np.float32


@pytest.mark.parametrize("spec", ["x", (2.5, 3), object(), ((2,), "f", 1)])
def test_a_keyword_that_is_no_shape_is_refused(spec: Any) -> None:
    with pytest.raises(TypeError, match="expected a shape"):
        Link(W=spec)


def test_a_fresh_link_is_empty() -> None:
    link = Link()
    assert (link.name, link.within_init_scope, link.update_enabled) == (None, False, False)
    assert list(link.params()) == list(link.children()) == []
    assert link.local_link_hooks == {}
    assert link.device is get_device("numpy")
    assert link.xp is np
    assert str(link) == "Link()"
    assert repr(link).startswith("<kusari.model.link.Link object")


def test_printable_specs_are_shown() -> None:
    class Named(Link):
        @property
        def printable_specs(self) -> Any:
            yield "size", 3
            yield "bias", None

    assert str(Named()) == "Named(size=3, bias=None)"


def test_from_params_is_for_layers() -> None:
    with pytest.raises(NotImplementedError, match="Scale"):
        Scale.from_params(1)


# Registration.


def test_init_scope_nests_and_ends_with_an_error() -> None:
    link = Link()
    with link.init_scope():
        with link.init_scope():
            pass
        assert link.within_init_scope
    with pytest.raises(ZeroDivisionError), link.init_scope():
        _ = 1 / 0
    assert not link.within_init_scope


def test_within_init_scope_parameters_are_registered_and_named() -> None:
    link = Link()
    link.add_persistent("x", 1)
    with link.init_scope():
        link.W = Parameter(0, (1,))
        link.x = Parameter(0, (1,))
        link.n, link.v, link.a = 3, Variable(np.ones(1)), np.ones(1)
    assert paths(link) == ["/W", "/x"]
    assert link.W.name == "W"
    assert link._persistent == set()


def test_outside_init_scope_a_parameter_is_an_ordinary_attribute() -> None:
    link = Link()
    link.W = Parameter(0, (1,))
    assert paths(link) == []
    assert link.W.name is None


def test_replacing_a_registered_parameter_outside_keeps_it_registered_and_names_the_new_one() -> None:
    link = Link(W=(2,))
    new = Parameter(0, (3,))
    link.W = new
    assert list(link.params()) == [new]
    assert new.name == "W"


@pytest.mark.parametrize("value", [None, 3, np.ones(2), "x"])
@pytest.mark.parametrize("scope", [True, False])
def test_a_registered_parameter_does_not_become_something_else(value: Any, scope: bool) -> None:
    link = Link(W=(2,))
    link._within_init_scope = scope
    with pytest.raises(TypeError, match=r"W is registered.*del link\.W"):
        link.W = value
    assert paths(link) == ["/W"]


def test_a_variable_may_stand_in_for_a_parameter_for_a_while() -> None:
    link = Scale()
    original = link.W
    link.W = Variable(np.ones(2, "f"))
    assert link(np.ones(2, "f")).array.tolist() == [1, 1]
    link.W = original
    assert list(link.params()) == [original, link.b]


def test_deleting_unregisters() -> None:
    link = Link(W=(2,))
    link.add_persistent("n", 1)
    del link.W, link.n
    assert paths(link) == []
    assert link._persistent == set()
    link.W = 3
    assert link.W == 3


def test_a_link_assigned_in_the_scope_of_a_plain_link_is_warned_of() -> None:
    link = Link()
    with link.init_scope(), pytest.warns(UserWarning, match="only a Chain"):
        link.child = Link(W=(1,))
    assert paths(link) == []


def test_add_param_fills_with_nan_in_its_dtype_or_as_the_initializer_says() -> None:
    link = Link()
    assert link.add_param("a", (2,), "float16") is None
    link.add_param("b", 2, "float16", initializer=3)
    link.add_param("c", (2,), "float16", initializer=Normal(dtype="float64"))
    link.add_param("d", (2,), initializer=np.ones(2, "float16"))
    link.add_param("e", initializer=np.ones(3, "float16"))
    link.add_param("f")
    with using_config("dtype", "float64"):
        link.add_param("g", (2,), "float16", initializer=Normal())
    dtypes = {name: getattr(link, name).dtype.name for name in "abcdefg"}
    assert dtypes == dict(
        zip("abcdefg", "float16 float32 float64 float32 float16 float32 float64".split(), strict=True)
    )
    assert np.isnan(link.a.array).all()
    assert link.b.shape == (2,)
    assert link.e.shape == (3,)
    assert not link.f.is_initialized
    assert paths(link) == [f"/{name}" for name in "abcdefg"]


def test_class_attributes_do_not_block_names_of_parameters() -> None:
    link = Link()
    link.add_param("copy", (1,))
    link.add_persistent("params_", 1)
    assert paths(link) == ["/copy"]


def test_register_persistent_demotes_a_parameter() -> None:
    link = Link(W=(2,))
    link.register_persistent("W")
    assert paths(link) == []
    assert link._persistent == {"W"}


# Traversal.


def test_names_come_in_lexical_order_not_in_that_of_creation() -> None:
    link = Link(b=(1,), a=(1,), B=(1,))
    assert paths(link) == ["/B", "/a", "/b"]


def test_own_parameters_come_before_those_of_children() -> None:
    chain = Chain(a=Link(V=(1,)), z=ChainList(Link(V=(1,))))
    with chain.init_scope():
        chain.m = Parameter(0, (1,))
    assert paths(chain) == ["/m", "/a/V", "/z/0/V"]
    assert [path for path, _ in chain.namedlinks()] == ["/", "/a", "/z", "/z/0"]
    assert [path for path, _ in chain.namedlinks(skipself=True)] == ["/a", "/z", "/z/0"]
    assert list(chain.links()) == [chain, chain.a, chain.z, chain.z[0]]
    assert list(chain.links(skipself=True)) == [chain.a, chain.z, chain.z[0]]
    assert list(chain.children()) == [chain.a, chain.z]
    assert list(chain.params()) == [chain.m, chain.a.V, chain.z[0].V]


def test_parameters_without_data_can_be_left_out() -> None:
    chain = Chain(a=Link(U=None, V=(1,)))
    assert paths(chain, include_uninit=False) == ["/a/V"]
    assert [param.name for param in chain.params(False)] == ["V"]


def test_what_two_paths_reach_comes_and_counts_twice() -> None:
    shared = Link(W=(3,))
    chain = Chain(a=shared, b=shared)
    assert paths(chain) == ["/a/W", "/b/W"]
    assert chain.count_params() == 6


def test_cleargrads_reaches_parameters_without_data_and_cancels_their_nan() -> None:
    chain = Chain(a=Link(U=None, V=(1,)))
    chain.cleargrads()
    chain.a.U.initialize((2,))
    assert chain.a.U.grad is None
    assert chain.a.V.grad is None


def test_zerograds_fills_with_zeros() -> None:
    chain = Chain(a=Link(U=None, V=(2,)))
    with pytest.warns(DeprecationWarning, match="cleargrads"):
        chain.zerograds()
    chain.a.U.initialize((1,))
    assert chain.a.V.grad.tolist() == [0, 0]
    assert chain.a.U.grad.tolist() == [0]


def test_count_params_warns_of_each_without_data() -> None:
    with pytest.warns(UserWarning, match="/a/U is not initialized"):
        assert Chain(a=Link(U=None, V=(2, 3))).count_params() == 6


def test_update_rules_are_switched_where_there_are_some() -> None:
    link = Link(W=(1,), b=(1,))
    link.enable_update()
    assert not link.update_enabled
    link.W.update_rule = SimpleNamespace(enabled=True)
    assert link.update_enabled
    link.disable_update()
    assert not link.update_enabled
    assert not link.W.update_rule.enabled
    link.enable_update()
    assert link.W.update_rule.enabled


# Copying parameters, adding gradients.


def test_copyparams_copies_in_place_across_devices_and_leaves_gradients(strict: Backend) -> None:
    source, target = Chain(a=Scale(3)), Chain(a=Scale(2))
    source.to_device("strict")
    array = target.a.W.array
    target.copyparams(source)
    assert target.a.W.array is array
    assert target.a.W.array.tolist() == [3, 3]
    assert np.isnan(target.a.W.grad).all()
    source.copyparams(Chain(a=Scale(4)))
    assert strict.to_host(source.a.W.array).tolist() == [4, 4]


def test_copyparams_leaves_out_what_only_the_source_has() -> None:
    source = Link(W=(1,), extra=(1,))
    source.W.array[...] = 5
    target = Link(W=(1,))
    target.copyparams(source)
    assert target.W.array.tolist() == [5]


def test_copyparams_initializes_a_destination_and_passes_over_a_source_without_data() -> None:
    source, target = Link(W=(2,), V=None), Link(W=None, V=(2,))
    source.W.array[...] = 5
    target.V.array[...] = 6
    target.copyparams(source)
    assert target.W.array.tolist() == [5, 5]
    assert target.V.array.tolist() == [6, 6]
    assert not source.V.is_initialized


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (3, 2)])
def test_copyparams_takes_exact_shapes_only(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        Link(W=(2, 3)).copyparams(Link(W=shape))


def test_copyparams_copies_persistent_arrays_by_element_and_the_rest_deeply(backend: Backend) -> None:
    source, target = Link(), Link()
    for link, number in ((source, 1.0), (target, 2.0)):
        link.add_persistent("array", backend.from_host(np.full(2, number)))
        link.add_persistent("list", [number])
    array = target.array
    target.copyparams(source)
    assert target.array is array
    assert backend.to_host(array).tolist() == [1, 1]
    assert target.list == [1.0]
    assert target.list is not source.list
    source.array[...] = 9.0
    source.list[0] = 9.0
    target.copyparams(source, copy_persistent=False)
    assert backend.to_host(array).tolist() == [1, 1]
    assert target.list == [1.0]


def test_copyparams_refuses_persistent_arrays_of_another_shape() -> None:
    source, target = Link(), Link()
    source.add_persistent("n", np.ones(1))
    target.add_persistent("n", np.zeros(3))
    with pytest.raises(ValueError, match="'n' has shape"):
        target.copyparams(source)


def test_addgrads_walks_both_trees() -> None:
    source, target = Chain(a=ChainList(Scale())), Chain(a=ChainList(Scale()))
    for link, number in ((source, 1.0), (target, 10.0)):
        link.cleargrads()
        link.a[0].W.grad = np.full(2, number, "f")
    target.addgrads(source)
    assert target.a[0].W.grad.tolist() == [11, 11]
    assert target.a[0].b.grad is None


def test_nan_gradients_that_nobody_cleared_spread() -> None:
    source, target = Scale(), Scale()
    target.cleargrads()
    target.addgrads(source)
    assert np.isnan(target.W.grad).all()


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


# Calling.


def test_a_link_without_forward_fails_when_it_is_called() -> None:
    with pytest.raises(AttributeError, match="forward"):
        Link()(1)


def test_an_instance_s_own_forward_is_called() -> None:
    link = Scale()
    link.forward = lambda x: x + 1
    assert link(1) == 2


def test_a_base_s_call_goes_before_forward() -> None:
    class Mixin:
        def __call__(self, x: Any) -> Any:
            return ("mixin", x)

    class Mixed(Link, Mixin):
        def forward(self, x: Any) -> Any:
            return ("forward", x)

    class Below(Mixed):
        pass

    assert Mixed()(1) == Below()(1) == ("mixin", 1)


def test_an_error_says_which_link_it_passed_through() -> None:
    class Broken(Link):
        def forward(self, x: Any) -> Any:
            raise ValueError("broken")

    model = Chain(block1=Sequential(Broken()))
    model.forward = model.block1
    with pytest.raises(ValueError, match="broken") as caught:
        model(1)
    assert caught.value.__notes__ == ["at link /block1/0 (Broken)"]
    with pytest.raises(ValueError, match="broken") as alone:
        Broken()(1)
    assert alone.value.__notes__ == ["at link / (Broken)"]


def test_a_function_s_error_keeps_its_own_note() -> None:
    link = Scale()
    with pytest.raises(Exception, match="operands of one dtype") as caught:
        Sequential(link)(Variable(np.ones(2)))
    assert caught.value.__notes__[-1] == "at link /0 (Scale)"


def test_debug_mode_checks_a_link_s_parameters_when_it_is_called() -> None:
    link = Scale()
    with using_config("debug", True):
        link(np.ones(2, "f"))
        link.W.array[0] = 7
        with pytest.raises(RuntimeError, match="'W' was changed in place") as caught:
            link(np.ones(2, "f"))
        assert caught.value.__notes__ == ["at link / (Scale)"]
        link.W.touch()
        assert link(np.ones(2, "f")).array.tolist() == [7, 2]


# links.Parameter.


def test_a_parameter_link_holds_the_array_itself_and_returns_it(backend: Backend) -> None:
    array = backend.from_host(np.arange(3.0))
    link = ParameterLink(array)
    assert link.W.array is array
    assert link.device is Device(backend)
    assert paths(link) == ["/W"]
    link.cleargrads()
    y = link()
    assert y is not link.W
    assert backend.to_host(y.array).tolist() == [0, 1, 2]
    (y * 2).sum().backward()
    assert backend.to_host(link.W.grad).tolist() == [2, 2, 2]
    assert link("on").array is array
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        link(volatile="off")


def test_a_parameter_link_takes_integers_and_needs_a_shape() -> None:
    assert ParameterLink(np.arange(3)).W.dtype == np.int64
    with pytest.raises(AttributeError):
        ParameterLink([1, 2])


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
    ("to_chx", lambda: Link().to_chx(), RuntimeError),
    ("get_device of a bad @ name", lambda: get_device("@cupy"), ValueError),
    ("get_device of a wrong type", lambda: get_device(None), TypeError),
    ("overriding to_device", lambda: subclass("to_device"), TypeError),
    ("overriding to_chx", lambda: subclass("to_chx"), TypeError),
    ("overriding from_chx", lambda: subclass("from_chx"), TypeError),
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
