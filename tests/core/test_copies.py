"""Pickles and deep copies of everything: links, optimizers, Variables, hooks' states; and of what was trained."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import optimizers
from kusari.autograd import Variable
from kusari.model import Link

OPTIMIZERS = sorted(
    name for name, one in vars(optimizers).items() if inspect.isclass(one) and issubclass(one, kusari.Optimizer)
)
TWINS = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "deepcopy": copy.deepcopy}

# What the constructors of links take where they need something: by the names of their parameters.
ARGUMENTS: dict[str, Any] = {
    "in_size": 4, "out_size": 3, "in_channels": 3, "out_channels": 4, "ksize": 3, "size": 4, "n_vocab": 5, "n_units": 4,
    "n_in": 3, "n_out": 2, "channels": 4, "n_layers": 1, "dropout": 0.0, "num_filters": 4, "groups": 2, "array": None,
    "left_size": 3, "right_size": 4, "pool_size": 2, "in_dims": (3, 4), "counts": [3, 2, 1], "sample_size": 2,
    "n_hidden_channels": 3, "shape": (3,), "num_groups": 2, "axis": 1, "label": 0, "predictor": None, "n_label": 3,
    "channel_multiplier": 2, "lossfun": None, "ratio": 0.5, "n_dim": 3, "link": None, "ndim": 2,
    "proj3": 3, "proj5": 3, "out1": 2, "out3": 2, "out5": 2, "proj_pool": 2, "out33": 2, "proj33": 2, "pooltype": "max",
    "in_out_size": 3, "n_inputs": 3, "beta_shape": (3,),
    "n_ary": 2, "num_layers": 1, "multiplier": 2, "bias_shape": (3,), "width": 2, "height": 2,
}  # fmt: skip

SPECIAL: dict[str, Callable[[], Link]] = {
    "BinaryHierarchicalSoftmax": lambda: L.BinaryHierarchicalSoftmax(3, ((0, 1), 2)),
    "Classifier": lambda: L.Classifier(L.Linear(3, 2)),
    "DecorrelatedBatchNormalization": lambda: L.DecorrelatedBatchNormalization(4, groups=2),
    "GoogLeNet": lambda: L.GoogLeNet(pretrained_model=None),
    "InceptionBN": lambda: L.InceptionBN(3, 2, 3, 3, 3, 3, "max", 2),
    "LocalConvolution2D": lambda: L.LocalConvolution2D(3, 4, (5, 5), 3),
    "MLPConvolution2D": lambda: L.MLPConvolution2D(3, (4, 2), 3),
    "Parameter": lambda: L.Parameter(np.arange(3.0)),
    "ResNet50Layers": lambda: L.ResNet50Layers(pretrained_model=None),
}
HUNDREDS_OF_MEGABYTES = "hundreds of megabytes of weights, in layers that are tested one by one"
LEFT_OUT: dict[str, str] = {
    "ResNet101Layers": HUNDREDS_OF_MEGABYTES,
    "ResNet152Layers": HUNDREDS_OF_MEGABYTES,
    "TheanoFunction": "needs the library Theano, which has ended",
    "VGG16Layers": HUNDREDS_OF_MEGABYTES,
    "VGG19Layers": HUNDREDS_OF_MEGABYTES,
}


def links() -> dict[str, type[Link]]:
    """Every link that `kusari.links` exports."""
    return {
        name: one
        for name, one in vars(L).items()
        if inspect.isclass(one) and issubclass(one, Link) and not name.startswith("_")
    }


def make(kind: type[Link]) -> Link:
    """Return a link with small sizes."""
    if kind.__name__ in LEFT_OUT:
        pytest.skip(f"{kind.__name__}: {LEFT_OUT[kind.__name__]}")
    if kind.__name__ in SPECIAL:
        return SPECIAL[kind.__name__]()
    required = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is parameter.empty and parameter.kind in (0, 1)
    ]
    return kind(*[ARGUMENTS[name] for name in required])


def same_state(one: Link, other: Link) -> None:
    """Assert that two links have equal parameters and persistent values, of memory of their own."""
    assert type(one) is type(other)
    mine, others = dict(one.namedparams()), dict(other.namedparams())
    assert list(mine) == list(others)
    for path, param in mine.items():
        assert param.name == others[path].name
        if param.array is None:
            assert others[path].array is None
            continue
        np.testing.assert_array_equal(param.array, others[path].array)
        assert not np.shares_memory(param.array, others[path].array)
    for (_, a), (_, b) in zip(one.namedlinks(), other.namedlinks(), strict=True):
        assert a._persistent == b._persistent
        for name in a._persistent:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_the_tables_name_links_that_exist() -> None:
    assert set(SPECIAL) | set(LEFT_OUT) <= set(links())


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
@pytest.mark.parametrize("name", sorted(links()))
def test_every_link(name: str, twin: Callable[[Any], Any]) -> None:
    link = make(links()[name])
    same_state(link, twin(link))


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_where_it_was(name: str, twin: Callable[[Any], Any]) -> None:
    kind = getattr(optimizers, name)
    model = kusari.Sequential(L.Linear(3, 4), F.tanh, L.Linear(4, 2))
    optimizer = kind().setup(model)
    x = np.ones((2, 3), "f")

    def step(optimizer: Any) -> None:
        optimizer.update(lambda: F.sum(optimizer.target(x) ** 2))

    step(optimizer)
    second = twin(optimizer)
    assert second.t == 1
    assert second.target is not model
    for _ in range(3):
        step(optimizer)
        step(second)
    same_state(optimizer.target, second.target)


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_variables(twin: Callable[[Any], Any]) -> None:
    x = Variable(np.asarray([1.0, 2.0], "f"), name="x")
    y = x * 2
    y.grad = np.ones(2, "f")
    other = twin(y)
    np.testing.assert_array_equal(other.array, [2, 4])
    np.testing.assert_array_equal(other.grad, [1, 1])
    assert other.creator_node is None  # the graph stays behind
    assert other.requires_grad


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_parameters_keep_their_rule_and_sharing(twin: Callable[[Any], Any]) -> None:
    model = kusari.Sequential(L.Linear(3, 4), L.Linear(3, 4))
    model[1].W = model[0].W
    optimizers.Adam().setup(model)
    other = twin(model)
    assert other[0].W is other[1].W
    assert other[0].W.update_rule is not model[0].W.update_rule
    assert type(other[0].W.update_rule) is type(model[0].W.update_rule)


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_hooks_go_with_their_link(twin: Callable[[Any], Any]) -> None:
    link = L.Linear(3, 4).add_hook(kusari.link_hooks.SpectralNormalization())
    other = twin(link)
    x = np.ones((1, 3), "f")
    np.testing.assert_array_equal(other(x).array, link(x).array)


def test_a_configuration_is_none_of_a_pickle_s_business() -> None:
    with kusari.using_config("train", False):
        twin = pickle.loads(pickle.dumps(L.Linear(3, 4)))
    assert kusari.config.train
    assert twin(np.ones((1, 3), "f")).shape == (1, 4)
