"""Link: construction, registration, traversal and bulk operations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.core.example_links import Scale, paths

from kusari.autograd import Variable
from kusari.backend import Backend, get_device
from kusari.configuration import using_config
from kusari.initializers import Normal
from kusari.model import Chain, ChainList, Link, Parameter

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


def test_a_parameter_assigned_in_scope_takes_a_persistent_value_s_name() -> None:
    link = Link()
    link.add_persistent("W", np.ones(2))
    with link.init_scope():
        link.W = Parameter(0, (3,))
    assert paths(link) == ["/W"]
    assert link._persistent == set()


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
