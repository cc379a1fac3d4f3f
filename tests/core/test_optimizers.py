"""Optimizers: each rule's numbers over several steps, against the published formula in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari import optimizers
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, Device
from kusari.backend.expression import trace
from kusari.backend.expression.evaluate import evaluate
from kusari.kernels import update
from kusari.model import Link

Numbers = dict[str, Any]
State = dict[str, np.ndarray[Any, Any]]
Step = Callable[[Any, Any, State, int, Any], Any]


def link_of(**params: Parameter) -> Link:
    link = Link()
    with link.init_scope():
        for name, param in params.items():
            setattr(link, name, param)
    return link


# The formulas, as they are published: p, g, state, t, hyperparameters -> p. ------------------------------------------
def sgd(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    return p - h.lr * g


def momentum_sgd(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["v"] = h.momentum * s["v"] - h.lr * g
    return p + s["v"]


def corrected_momentum_sgd(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["v"] = h.momentum * s["v"] - g
    return p + h.lr * s["v"]


def nesterov_ag(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    before = s["v"]
    s["v"] = h.momentum * before - h.lr * g
    return p + h.momentum**2 * before - (1 + h.momentum) * h.lr * g


def adam(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["m"] = h.beta1 * s["m"] + (1 - h.beta1) * g
    s["v"] = h.beta2 * s["v"] + (1 - h.beta2) * g**2
    alpha = h.alpha * np.sqrt(1 - h.beta2**t) / (1 - h.beta1**t)
    second = s["v"]
    if h.amsgrad:
        second = s["vhat"] = np.maximum(s["vhat"], s["v"])
    step = alpha / (np.sqrt(second) + h.eps)
    if h.adabound:
        final = h.final_lr * h.alpha / s["first alpha"]
        step = np.clip(step, final * (1 - 1 / (h.gamma * t + 1)), final * (1 + 1 / (h.gamma * t)))
    return p - h.eta * (step * s["m"] + h.weight_decay_rate * p)


def ada_delta(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["msg"] = h.rho * s["msg"] + (1 - h.rho) * g**2
    step = np.sqrt(s["msdx"] + h.eps) / np.sqrt(s["msg"] + h.eps) * g
    s["msdx"] = h.rho * s["msdx"] + (1 - h.rho) * step**2
    return p - step


def ada_grad(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["h"] = s["h"] + g**2
    return p - h.lr * g / (np.sqrt(s["h"]) + h.eps)


def rmsprop(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["ms"] = h.alpha * s["ms"] + (1 - h.alpha) * g**2
    return p - h.lr * g / (np.sqrt(s["ms"] + h.eps) if h.eps_inside_sqrt else np.sqrt(s["ms"]) + h.eps)


def rmsprop_graves(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["n"] = h.alpha * s["n"] + (1 - h.alpha) * g**2
    s["g"] = h.alpha * s["g"] + (1 - h.alpha) * g
    s["delta"] = h.momentum * s["delta"] - h.lr * g / np.sqrt(s["n"] - s["g"] ** 2 + h.eps)
    return p + s["delta"]


def smorms3(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    r = 1 / (s.setdefault("memory", np.ones_like(g)) + 1)
    s["g"] = (1 - r) * s["g"] + r * g
    s["g2"] = (1 - r) * s["g2"] + r * g**2
    x = s["g"] ** 2 / (s["g2"] + h.eps)
    s["memory"] = 1 + s["memory"] * (1 - x)
    return p - g * np.minimum(h.lr, x) / (np.sqrt(s["g2"]) + h.eps)


def msvag(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    s["m"] = h.beta * s["m"] + (1 - h.beta) * g
    s["v"] = h.beta * s["v"] + (1 - h.beta) * g**2
    mean, square = s["m"] / (1 - h.beta**t), s["v"] / (1 - h.beta**t)
    rho = (1 - h.beta) * (1 + h.beta**t) / ((1 + h.beta) * (1 - h.beta**t))
    noise = (square - mean**2) / (1 - rho) if t > 1 else 0 * square
    return p - h.eta * (h.lr * mean**2 / (mean**2 + rho * noise) * mean + h.weight_decay_rate * p)


def lion(p: Any, g: Any, s: State, t: int, h: Any) -> Any:
    step = h.lr * np.sign(h.beta1 * s["m"] + (1 - h.beta1) * g)
    s["m"] = h.beta2 * s["m"] + (1 - h.beta2) * g
    return p - h.eta * (step + h.weight_decay_rate * p)


RULES: list[tuple[Any, Step, Numbers]] = [
    (optimizers.SGD, sgd, {"lr": 0.1}),
    (optimizers.MomentumSGD, momentum_sgd, {"lr": 0.1, "momentum": 0.8}),
    (optimizers.CorrectedMomentumSGD, corrected_momentum_sgd, {"lr": 0.1, "momentum": 0.8}),
    (optimizers.NesterovAG, nesterov_ag, {"lr": 0.1, "momentum": 0.8}),
    (optimizers.Adam, adam, {}),
    (optimizers.Adam, adam, {"alpha": 0.1, "beta1": 0.7, "beta2": 0.9, "eps": 0.1, "eta": 0.5}),
    (optimizers.Adam, adam, {"amsgrad": True, "adabound": True, "final_lr": 0.01, "weight_decay_rate": 0.1}),
    (optimizers.AdamW, adam, {"alpha": 0.1, "weight_decay_rate": 0.2, "eta": 0.5}),
    (optimizers.AMSGrad, adam, {"alpha": 0.1, "beta2": 0.5}),
    (optimizers.AdaBound, adam, {"alpha": 0.1, "gamma": 0.5, "final_lr": 0.3}),
    (optimizers.AMSBound, adam, {"alpha": 0.1, "gamma": 2.0, "beta2": 0.5}),
    (optimizers.AdaDelta, ada_delta, {"rho": 0.8, "eps": 1e-3}),
    (optimizers.AdaGrad, ada_grad, {"lr": 0.1}),
    (optimizers.RMSprop, rmsprop, {"lr": 0.1, "alpha": 0.8}),
    (optimizers.RMSprop, rmsprop, {"lr": 0.1, "eps": 0.1, "eps_inside_sqrt": True}),
    (optimizers.RMSpropGraves, rmsprop_graves, {"lr": 0.1, "alpha": 0.8, "momentum": 0.5}),
    (optimizers.SMORMS3, smorms3, {"lr": 0.1}),
    (optimizers.Lion, lion, {"lr": 0.1}),
    (optimizers.Lion, lion, {"lr": 0.1, "beta1": 0.5, "beta2": 0.8, "eta": 0.5, "weight_decay_rate": 0.1}),
    (optimizers.MSVAG, msvag, {"lr": 0.1, "beta": 0.8}),
    (optimizers.MSVAG, msvag, {"eta": 0.5, "weight_decay_rate": 0.1}),
]
IDS = [f"{kind.__name__}-{'-'.join(numbers)}" for kind, _, numbers in RULES]

ADAM = {"alpha": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "eta": 1.0, "weight_decay_rate": 0}
BOUNDS = {"final_lr": 0.1, "gamma": 0.001}
DEFAULTS: dict[str, Numbers] = {
    "SGD": {"lr": 0.01},
    "MomentumSGD": {"lr": 0.01, "momentum": 0.9},
    "CorrectedMomentumSGD": {"lr": 0.01, "momentum": 0.9},
    "NesterovAG": {"lr": 0.01, "momentum": 0.9},
    "Adam": ADAM | BOUNDS | {"amsgrad": False, "adabound": False},
    "AdamW": ADAM | BOUNDS | {"amsgrad": False, "adabound": False},
    "AMSGrad": ADAM | BOUNDS | {"amsgrad": True, "adabound": False},
    "AdaBound": ADAM | BOUNDS | {"amsgrad": False, "adabound": True},
    "AMSBound": ADAM | BOUNDS | {"amsgrad": True, "adabound": True},
    "AdaDelta": {"rho": 0.95, "eps": 1e-6},
    "AdaGrad": {"lr": 0.001, "eps": 1e-8},
    "RMSprop": {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "eps_inside_sqrt": False},
    "RMSpropGraves": {"lr": 1e-4, "alpha": 0.95, "momentum": 0.9, "eps": 1e-4},
    "SMORMS3": {"lr": 0.001, "eps": 1e-16},
    "Lion": {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "eta": 1.0, "weight_decay_rate": 0},
    "MSVAG": {"lr": 0.1, "beta": 0.9, "eta": 1.0, "weight_decay_rate": 0},
}


@pytest.mark.parametrize(("name", "numbers"), DEFAULTS.items())
def test_hyperparameters_are_the_documented_ones(name: str, numbers: Numbers) -> None:
    optimizer = getattr(optimizers, name)()
    assert optimizer.hyperparam.get_dict() == numbers
    rule = type(optimizer.create_update_rule())()  # a rule without an optimizer
    assert rule.hyperparam.get_dict().keys() == numbers.keys()


def expected(step: Step, start: Any, gradients: list[Any], hyperparam: Any) -> Any:
    """Return where the formula leads, in float64, element by element."""
    p = np.asarray(start, dtype="d")
    names = ("v", "m", "vhat", "msg", "msdx", "h", "ms", "n", "g", "g2", "delta")
    state: State = {name: np.zeros_like(p) for name in names}
    if hasattr(hyperparam, "alpha"):
        state["first alpha"] = hyperparam.alpha
    for t, gradient in enumerate(gradients, start=1):
        p = step(p, gradient, state, t, hyperparam)
    return p


@pytest.mark.parametrize(("kind", "step", "numbers"), RULES, ids=IDS)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 3e-5)])
def test_steps_follow_the_formula(
    kind: Any, step: Step, numbers: Numbers, dtype: str, rtol: float, array: Any, host: Any
) -> None:
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal((3, 4)) for _ in range(5)]
    start = rng.standard_normal((3, 4))
    param = Parameter(array(start, dtype))
    optimizer = kind(**numbers).setup(link_of(W=param))
    for gradient in gradients:
        param.grad = array(gradient, dtype)
        optimizer.update()
    np.testing.assert_allclose(
        host(param), expected(step, start, gradients, optimizer.hyperparam), rtol=rtol, atol=rtol
    )
    assert param.array.dtype == array(0, dtype).dtype
    assert all(state.dtype == param.array.dtype for state in param.update_rule.state.values())


@pytest.mark.parametrize(("kind", "step", "numbers"), RULES, ids=IDS)
def test_a_0_d_parameter_stays_an_array(kind: Any, step: Step, numbers: Numbers, array: Any, host: Any) -> None:
    param = Parameter(array(2.0))
    optimizer = kind(**numbers).setup(link_of(W=param))
    for _ in range(3):
        param.grad = array(0.5)
        optimizer.update()
    np.testing.assert_allclose(
        host(param), expected(step, 2.0, [np.asarray(0.5)] * 3, optimizer.hyperparam), rtol=1e-10
    )
    assert param.array.shape == ()
    assert isinstance(param.array, type(array(0.0)))


@pytest.mark.parametrize(("kind", "step", "numbers"), RULES, ids=IDS)
def test_a_gradient_of_zeros_is_no_danger(kind: Any, step: Step, numbers: Numbers, array: Any, host: Any) -> None:
    param = Parameter(array(np.ones(3)))
    optimizer = kind(**numbers).setup(link_of(W=param))
    for _ in range(3):
        param.grad = array(np.zeros(3))
        optimizer.update()
    decay = numbers.get("weight_decay_rate", 0) * numbers.get("eta", 1)
    np.testing.assert_allclose(host(param), (1 - decay) ** 3 * np.ones(3))


def test_final_lr_follows_alpha(array: Any, host: Any) -> None:
    param = Parameter(array(np.zeros(1)))
    optimizer = optimizers.AdaBound(alpha=0.01, final_lr=0.1, gamma=1e9).setup(link_of(W=param))
    steps = []
    for alpha in (0.01, 0.001):
        optimizer.alpha = alpha
        param.grad = array(np.ones(1))
        optimizer.update()
        steps.append(host(param).item())
    # The bounds have met: steps are final_lr · m, and m goes 0.1, 0.19.
    np.testing.assert_allclose(steps, [-0.1 * 0.1, -0.1 * 0.1 - 0.01 * 0.19], rtol=1e-6)


def test_adams_learning_rate_is_the_corrected_one(array: Any) -> None:
    param = Parameter(array(np.zeros(1)))
    optimizer = optimizers.Adam(alpha=0.1, beta1=0.5, beta2=0.75).setup(link_of(W=param))
    with pytest.raises(RuntimeError, match="there has been none yet"):
        _ = optimizer.lr
    param.grad = array(np.ones(1))
    optimizer.update()
    assert optimizer.lr == pytest.approx(0.1 * 0.25**0.5 / 0.5)
    assert optimizer.alpha_t == param.update_rule.alpha_t == optimizer.lr


def test_an_epsilon_that_vanishes_in_float16_is_refused(backend: Backend) -> None:
    if "float16" not in backend.dtypes:
        pytest.skip(f"{backend} has no float16")
    param = Parameter(backend.from_host(np.ones(2, "e")))
    optimizer = optimizers.Adam().setup(link_of(W=param))
    param.grad = param.array
    with pytest.raises(ValueError, match=r"eps=1e-08 is 0 in float16; .*use_fp32_update"):
        optimizer.update()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_16_bit_parameter_is_updated_in_float32(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 on the host needs ml_dtypes")
    from kusari.dtypes import host_dtype

    param = Parameter(np.ones(2, host_dtype(dtype)))
    optimizer = optimizers.SGD(lr=1.0).setup(link_of(W=param))
    optimizer.use_fp32_update()
    seen: list[Any] = []
    param.update_rule.add_hook(lambda rule, p: seen.append((p.dtype, p.name)), name="look")
    for _ in range(10):
        param.grad = np.full(2, 1e-3, host_dtype(dtype))
        optimizer.update()
    small = float(np.asarray(1e-3, host_dtype(dtype)))
    np.testing.assert_array_equal(param.array, np.full(2, 1 - 10 * small).astype(host_dtype(dtype)))
    assert seen == [(np.dtype("f"), "W")] * 10
    param.array = np.full(2, 4, host_dtype(dtype))  # a new value replaces the float32 copy, too
    param.grad = np.full(2, 1, host_dtype(dtype))
    optimizer.update()
    np.testing.assert_array_equal(param.array, np.full(2, 3, host_dtype(dtype)))


def test_bfloat16_stays_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 on the host needs ml_dtypes")
    param = Parameter(np.ones(2, ml_dtypes.bfloat16))
    optimizer = optimizers.Adam(alpha=0.5).setup(link_of(W=param))
    param.grad = np.ones(2, ml_dtypes.bfloat16)
    optimizer.update()
    assert param.array.dtype == ml_dtypes.bfloat16
    assert {str(state.dtype) for state in param.update_rule.state.values()} == {"bfloat16"}
    np.testing.assert_allclose(param.array.astype("f"), 0.5, rtol=0.01)


def test_update_runs_the_loss_clears_gradients_and_backpropagates(array: Any, host: Any) -> None:
    param = Parameter(array([1.0, 2.0]))
    optimizer = optimizers.SGD(lr=0.25).setup(link_of(W=param))
    param.grad = array([100.0, 100.0])

    def loss(scale: float, *, power: int) -> Variable:
        return (scale * param**power).sum()

    optimizer.update(loss, 1.0, power=2)
    np.testing.assert_allclose(host(param), [0.5, 1.0])
    assert optimizer.t == 1


KERNELS = sorted({kernel for kernel in vars(update).values() if hasattr(kernel, "portable")}, key=lambda k: k.__name__)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_every_kernel_can_be_compiled_and_donates_what_it_returns(kernel: Any, backend: Backend) -> None:
    expression = trace(kernel.portable, kernel.__name__, (), kernel.donates)
    assert len(expression.outputs) == len(kernel.donates)
    assert expression.arrays[:2] == ("p", "g")
    assert kernel.donates == ("p", *expression.arrays[2:])
    rng = np.random.default_rng(0)
    arrays = [backend.from_host(rng.random(5)) for _ in expression.arrays]
    scalars = [0.1 + 0.1 * index for index, _ in enumerate(expression.scalars)]
    for found, expected in zip(
        evaluate(expression, backend.xp, arrays, scalars), kernel(backend, *arrays, *scalars), strict=True
    ):
        np.testing.assert_allclose(backend.to_host(found), backend.to_host(expected))


def test_updates_run_under_the_kernels_in_force(device: Device, array: Any, host: Any) -> None:
    from kusari.backend import use_backend

    called = []
    other = Backend("update-test", device.xp, base=device.backend)

    @other.implements(update.sgd)
    def counted(backend: Backend, p: Any, g: Any, learning_rate: float) -> tuple[Any]:
        called.append(learning_rate)
        return update.sgd.portable(backend, p, g, learning_rate)  # type: ignore[no-any-return]

    param = Parameter(array([1.0]))
    optimizer = optimizers.SGD(lr=0.5).setup(link_of(W=param))
    param.grad = array([1.0])
    with use_backend(other):
        optimizer.update()
    optimizer.update()
    assert called == [0.5]
    np.testing.assert_allclose(host(param), [0.0])
