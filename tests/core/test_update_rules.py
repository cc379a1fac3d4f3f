"""Update rules and optimizers: grouping, overriding, hooks, hyperparameters, epochs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kusari import optimizers
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, Device
from kusari.model import Chain, Link
from kusari.optimizer import GradientMethod, Hyperparameter, Optimizer, UpdateRule
from kusari.optimizers.adam import AdamRule
from kusari.optimizers.sgd import SGDRule


def link_of(**params: Parameter) -> Link:
    link = Link()
    with link.init_scope():
        for name, param in params.items():
            setattr(link, name, param)
    return link


class Counting(Backend):
    """Counts what `foreach` is asked for."""

    def __init__(self, base: Backend) -> None:
        super().__init__(f"counting-{base.name}", base.xp, base=base)
        self.groups: list[tuple[str, int, list[tuple[float, ...]]]] = []

    def foreach(self, kernel: Any, columns: Sequence[Sequence[Any]], scalar_rows: Sequence[Sequence[float]]) -> Any:
        self.groups.append((kernel.__name__, len(scalar_rows), [tuple(row) for row in scalar_rows]))
        assert {len(column) for column in columns} == {len(scalar_rows)}
        return super().foreach(kernel, columns, scalar_rows)


@pytest.fixture
def counting(backend: Backend) -> Counting:
    return Counting(backend)


def parameters(backend: Backend, count: int, dtype: str = "float64") -> dict[str, Parameter]:
    made = {}
    for index in range(count):
        param = Parameter(backend.from_host(np.full(index + 1, 1.0, dtype)))
        param.to_device(Device(backend))
        param.grad = backend.from_host(np.full(index + 1, 1.0, dtype))
        made[f"p{index}"] = param
    return made


# Grouping. -----------------------------------------------------------------------------------------------------------
def test_rules_of_one_kernel_run_as_one_group(counting: Counting, host: Any) -> None:
    params = parameters(counting, 4)
    optimizer = optimizers.SGD(lr=0.5).setup(link_of(**params))
    params["p1"].update_rule.hyperparam.lr = 0.25
    versions = {name: param.version for name, param in params.items()}
    optimizer.update()
    assert counting.groups == [("sgd", 4, [(0.5,), (0.25,), (0.5,), (0.5,)])]
    for name, param in params.items():
        np.testing.assert_array_equal(host(param), np.full(param.shape, 0.75 if name == "p1" else 0.5))
        assert param.version > versions[name]


def test_groups_are_split_by_kernel_and_dtype(counting: Counting) -> None:
    params = parameters(counting, 3)
    params |= {f"f{name}": param for name, param in parameters(counting, 2, "float32").items()}
    optimizer = optimizers.Adam().setup(link_of(**params))
    params["p2"].update_rule = SGDRule(lr=0.1)
    optimizer.update()
    assert sorted((name, count) for name, count, _ in counting.groups) == [("adam", 2), ("adam", 2), ("sgd", 1)]


def test_an_overridden_rule_falls_out_of_its_group(counting: Counting, host: Any) -> None:
    class Core(SGDRule):
        def update_core(self, param: Any) -> None:
            param.array = param.array * 7

    class Cpu(SGDRule):
        def update_core_cpu(self, param: Any) -> None:
            super().update_core_cpu(param)
            param.array = param.array * 10

        update_core_gpu = update_core_cpu

    class Whole(SGDRule):
        def update(self, param: Any) -> None:
            param.array = param.array * 3

    params = parameters(counting, 6)
    optimizer = optimizers.SGD(lr=0.5).setup(link_of(**params))
    params["p0"].update_rule = Core()
    params["p1"].update_rule = Cpu(lr=0.5)
    params["p2"].update_rule = Whole()
    params["p3"].update_rule.update_core = lambda param: setattr(param, "array", param.array * 9)
    optimizer.update()
    assert [(name, count) for name, count, _ in counting.groups] == [("sgd", 1), ("sgd", 2)]
    assert [host(param)[0] for param in params.values()] == [7, 5, 3, 9, 0.5, 0.5]
    assert [param.update_rule.t for param in params.values()] == [1, 1, 0, 1, 1, 1]


def test_an_update_in_place_by_a_user_s_rule_raises_the_version(backend: Backend, host: Any) -> None:
    class InPlace(UpdateRule):
        def update_core(self, param: Any) -> None:
            param.array[...] = 5

    params = parameters(backend, 1)
    optimizer = optimizers.SGD().setup(link_of(**params))
    params["p0"].update_rule = InPlace()
    before = params["p0"].version
    optimizer.update()
    assert params["p0"].version > before
    assert host(params["p0"]) == [5]


def test_a_parameter_s_own_update_is_called(backend: Backend, host: Any) -> None:
    class Mine(Parameter):
        def update(self) -> None:
            self.array = self.array * 4

    param = Mine(backend.from_host(np.ones(2)))
    param.grad = backend.from_host(np.ones(2))
    optimizers.SGD(lr=0.5).setup(link_of(W=param)).update()
    np.testing.assert_array_equal(host(param), [4, 4])


def test_a_shared_parameter_is_updated_once_per_path(counting: Counting, host: Any) -> None:
    shared = parameters(counting, 1)["p0"]
    chain = Chain(a=link_of(W=shared), b=link_of(W=shared))
    optimizer = optimizers.MomentumSGD(lr=1.0, momentum=0.5).setup(chain)
    optimizer.update()
    # v = −1, −1.5; p = 1 − 1 − 1.5.
    assert host(shared) == [-1.5]
    assert shared.update_rule.t == 2
    assert [count for _, count, _ in counting.groups] == [1, 1]


def test_copies_that_share_data_are_updated_in_turn(counting: Counting, host: Any) -> None:
    link = link_of(W=parameters(counting, 1)["p0"])
    twin = link.copy("share")
    optimizer = optimizers.SGD(lr=0.25).setup(Chain(a=link, b=twin))
    link.W.grad = counting.from_host(np.ones(1))
    twin.W.grad = counting.from_host(np.ones(1))
    optimizer.update()
    assert host(link.W) == host(twin.W) == [0.5]


def test_disabled_rules_rest(counting: Counting, host: Any) -> None:
    params = parameters(counting, 2)
    link = link_of(**params)
    optimizer = optimizers.Adam().setup(link)
    params["p0"].update_rule.enabled = False
    optimizer.update()
    assert (params["p0"].update_rule.t, params["p0"].update_rule.state) == (0, None)
    np.testing.assert_array_equal(host(params["p0"]), [1.0])
    assert params["p1"].update_rule.t == 1
    link.disable_update()
    optimizer.update()
    assert optimizer.t == 2
    assert params["p1"].update_rule.t == 1


def test_a_parameter_without_gradient_gets_zeros_and_one_without_data_waits(backend: Backend, host: Any) -> None:
    params = parameters(backend, 1) | {"late": Parameter(0.5)}
    link = link_of(**params)
    optimizer = optimizers.MomentumSGD(lr=1.0, momentum=0.5).setup(link)
    optimizer.update((params["p0"] * 1.0).sum)
    link.cleargrads()
    optimizer.update()
    assert host(params["p0"]) == [1 - 1 - 0.5]  # the momentum goes on
    np.testing.assert_array_equal(host(params["p0"].grad), [0])
    assert params["late"].array is None
    assert params["late"].update_rule.state is None
    params["late"].initialize((2,))
    params["late"].grad = np.ones(2, "f")
    optimizer.update()
    np.testing.assert_array_equal(params["late"].array, [-0.5, -0.5])


def test_a_parameter_without_a_rule_stays(backend: Backend, host: Any) -> None:
    params = parameters(backend, 2)
    optimizer = optimizers.SGD(lr=1.0).setup(link_of(**params))
    params["p0"].update_rule = None
    optimizer.update()
    assert [host(param)[0] for param in params.values()] == [1, 0]


def test_the_state_follows_its_parameter_to_another_device(strict: Backend) -> None:
    param = Parameter(strict.from_host(np.ones(2)))
    link = link_of(W=param)
    optimizer = optimizers.Adam().setup(link)
    for index in (0, 1):
        link.to_device(Device(strict, index))
        param.grad = strict.from_host(np.ones(2), index)
        optimizer.update()
        assert [strict.index_of(state) for state in param.update_rule.state.values()] == [index, index]
        assert strict.index_of(param.array) == index
    reference = Parameter(np.ones(2))
    optimizer = optimizers.Adam().setup(link_of(W=reference))
    for _ in range(2):
        reference.grad = np.ones(2)
        optimizer.update()
    np.testing.assert_allclose(strict.to_host(param.array), reference.array)


# Rules. --------------------------------------------------------------------------------------------------------------
def test_a_rule_takes_its_own_numbers_and_no_others() -> None:
    rule = AdamRule(alpha=0.5, beta1=None)
    assert (rule.hyperparam.alpha, rule.hyperparam.beta1) == (0.5, 0.9)
    with pytest.raises(TypeError, match=r"AdamRule\(lr=...\): its hyperparameters are alpha, beta1"):
        AdamRule(lr=0.5)


def test_a_rule_without_an_update_says_so(backend: Backend) -> None:
    (param,) = parameters(backend, 1).values()
    rule = UpdateRule()
    assert (rule.t, rule.enabled, rule.state) == (0, True, None)
    with pytest.raises(NotImplementedError, match=r"override update_core\(param\), or kernel\(\)"):
        rule.update(param)
    with pytest.raises(NotImplementedError, match="create_update_rule"):
        GradientMethod().setup(link_of(W=param))
    with pytest.raises(NotImplementedError, match="does not define update"):
        Optimizer().update()


def test_a_user_s_rule_has_a_state_and_hooks(backend: Backend, host: Any) -> None:
    class Slow(UpdateRule):
        """p ← p − the mean of all gradients."""

        def init_state(self, param: Any) -> None:
            self.state["sum"] = param.xp.zeros_like(param.array)  # type: ignore[index]

        def update_core(self, param: Any) -> None:
            assert self.state is not None
            self.state["sum"] = self.state["sum"] + param.grad
            param.array = param.array - self.state["sum"] / self.t

    (param,) = parameters(backend, 1).values()
    param.update_rule = rule = Slow()
    order: list[Any] = []
    rule.add_hook(lambda rule, param: order.append(("after", host(param)[0])), name="after", timing="post")
    rule.add_hook(lambda rule, param: order.append(("before", rule.t)), name="before")
    for gradient in (1.0, 3.0):
        param.grad = backend.from_host(np.full(1, gradient))
        param.update()
    assert host(param) == [1 - 1 - 2]
    assert order == [("before", 1), ("after", 0), ("before", 2), ("after", -2)]
    rule.remove_hook("after")
    param.update()
    assert len(order) == 5


def test_rules_are_copied_and_pickled(backend: Backend, host: Any) -> None:
    link = link_of(**parameters(backend, 1))
    optimizer = optimizers.Adam(alpha=0.5).setup(link)
    optimizer.update()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert twin.t == 1
        assert twin.hyperparam.get_dict() == optimizer.hyperparam.get_dict()
        twin.target.p0.grad = backend.from_host(np.ones(1))
        twin.update()
        assert host(twin.target.p0) != host(link.p0)
        assert host(link.p0) == pytest.approx([0.5])


# Hyperparameters. ----------------------------------------------------------------------------------------------------
def test_numbers_fall_back_to_the_parent() -> None:
    parent = Hyperparameter()
    parent.lr, parent.momentum = 0.1, 0.9
    own = Hyperparameter(parent)
    own.lr = 0.5
    assert (own.lr, own.momentum, own.parent) == (0.5, 0.9, parent)
    assert own.get_dict() == {"lr": 0.5, "momentum": 0.9}
    assert repr(own) == "Hyperparameter(lr=0.5, momentum=0.9)"
    del own.lr
    assert own.lr == 0.1
    with pytest.raises(AttributeError, match=r"no hyperparameter 'alpha' is set.*set are: lr, momentum"):
        _ = own.alpha
    assert copy.deepcopy(own).get_dict() == own.get_dict()


def test_an_optimizer_s_number_reaches_every_rule_without_its_own(backend: Backend) -> None:
    params = parameters(backend, 2)
    optimizer = optimizers.SGD(lr=0.1).setup(link_of(**params))
    params["p0"].update_rule.hyperparam.lr = 0.3
    optimizer.lr = 0.2
    assert [param.update_rule.hyperparam.lr for param in params.values()] == [0.3, 0.2]
    assert optimizer.hyperparam.lr == 0.2


# Optimizers. ---------------------------------------------------------------------------------------------------------
def test_setup_wants_a_link_and_everything_else_wants_setup() -> None:
    optimizer = optimizers.SGD()
    with pytest.raises(TypeError, match="expected a Link, got int"):
        optimizer.setup(3)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"call optimizer.setup\(link\) first"):
        optimizer.update()
    with pytest.raises(RuntimeError, match=r"comes after optimizer.setup\(link\)"):
        optimizer.add_hook(print)


def test_setup_starts_from_the_beginning(backend: Backend) -> None:
    link = link_of(**parameters(backend, 1))
    optimizer = optimizers.SGD().setup(link)
    optimizer.add_hook(lambda opt: None, name="nothing")
    optimizer.update()
    optimizer.new_epoch()
    rule = link.p0.update_rule
    assert optimizer.setup(link) is optimizer
    assert (optimizer.t, optimizer.epoch) == (0, 0)
    optimizer.target = other = Link()
    assert optimizer.target is other
    assert link.p0.update_rule is not rule
    optimizer.add_hook(lambda opt: None, name="nothing")


def test_epochs_are_counted_by_one_side_only() -> None:
    optimizer = optimizers.SGD().setup(Link())
    optimizer.new_epoch()
    assert optimizer.epoch == 1
    with pytest.raises(RuntimeError, match="use_auto_new_epoch = True first"):
        optimizer.new_epoch(auto=True)
    optimizer.use_auto_new_epoch = True
    optimizer.new_epoch(auto=True)
    assert optimizer.epoch == 2
    with pytest.raises(RuntimeError, match="the updater counts epochs already"):
        optimizer.new_epoch()


def test_hooks_run_before_and_after_once_or_for_each_parameter(backend: Backend) -> None:
    class Each:
        name = "each"
        call_for_each_param = True
        timing = "post"

        def __call__(self, rule: Any, param: Any) -> None:
            order.append((param.name, rule.t))

    order: list[Any] = []
    params = parameters(backend, 2)
    optimizer = optimizers.SGD().setup(link_of(**params))
    params["p0"].update_rule.add_hook(lambda rule, param: order.append("rule"), name="rule")
    optimizer.add_hook(Each())
    optimizer.add_hook(lambda opt: order.append(("first", opt.t)), name="first")
    optimizer.add_hook(lambda opt: order.append(("second", opt.t)), name="second", timing="pre")
    optimizer.update()
    assert order == [("first", 0), ("second", 0), "rule", ("p0", 1), ("p1", 1)]
    optimizer.call_hooks("post")
    assert order[5:] == [("p0", 1), ("p1", 1)]
    with pytest.raises(ValueError, match="expected 'pre' or 'post'"):
        optimizer.call_hooks("now")


def test_wrong_hooks_are_refused() -> None:
    optimizer = optimizers.SGD().setup(Link())
    with pytest.raises(TypeError, match="expected a callable, got int"):
        optimizer.add_hook(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 'pre', 'post' or 'auto'"):
        optimizer.add_hook(print, timing="now")
    optimizer.add_hook(print)
    with pytest.raises(KeyError, match="'print' is registered already"):
        optimizer.add_hook(print)
    with pytest.raises(KeyError, match="no hook 'other' is registered; there are: print"):
        optimizer.remove_hook("other")

    class Nameless:
        def __call__(self, opt: Any) -> None: ...

    with pytest.raises(ValueError, match="has no name"):
        optimizer.add_hook(Nameless())


def test_gradients_that_a_hook_cleared_are_zeros_again(backend: Backend, host: Any) -> None:
    link = link_of(**parameters(backend, 1))
    optimizer = optimizers.SGD(lr=1.0).setup(link)
    optimizer.add_hook(lambda opt: opt.target.cleargrads(), name="clear")
    optimizer.update()
    assert host(link.p0) == [1]
    assert host(link.p0.grad) == [0]


def test_zeroed_gradients_on_request(backend: Backend) -> None:
    link = link_of(**parameters(backend, 1))
    optimizer = optimizers.SGD().setup(link)
    optimizer.use_cleargrads(False)
    with pytest.warns(DeprecationWarning, match="zerograd"):
        optimizer.update((link.p0 * 1.0).sum)
