"""Launches of normalization, softmax and LSTMs without a GPU: arguments are packed as real machine code takes them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from tests.backend_triton.test_gpu import PRELUDE

Run = Callable[[str], "subprocess.CompletedProcess[str]"]

NORMALIZATION = """
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.kernels.activation import RELU

backend, cupy = gpu_backend()
x, gy, gamma, beta = array(2, 19, 9, 7), array(2, 19, 9, 7), array(19), array(19)
problem = NormalizationProblem(x.shape, x.dtype, x.dtype, (0, 2, 3), 1e-5, x.strides, None, RELU)
plan = Normalization.plan(backend, problem)
y, mean, var = plan.forward(x, gamma, beta)
assert y.shape == x.shape and mean.shape == var.shape == (19,)
plan.backward(x, gamma, mean, var, y, gy)
check(cupy)
names = [launch[0] for launch in cupy.launched]
assert names == [
    "partial_moments", "combine_moments", "normalize", "partial_sums", "combine_sums", "gradient_of_normalized"
], names
assert [value for value in cupy.launched[2][3] if isinstance(value, np.float32)] == [np.float32(1e-5)]
# Again: nothing is compiled or loaded.
plan.forward(x, gamma, beta)
assert len(cupy.loaded) == 6 and len(cupy.launched) == 9
# Without an activation, and one channel of one number: many arguments are 1 and become constants.
one, each = array(1, 1), array(1)
plan = Normalization.plan(backend, NormalizationProblem((1, 1), one.dtype, one.dtype, (0,), 1e-5, one.strides))
y, mean, var = plan.forward(one, each, each)
plan.backward(one, each, mean, var, y, one)
del cupy.launched[6:9]
check(cupy)
"""

SOFTMAX = """
from kusari.kernels import softmax as kernels

for shape in ((7, 19), (2, 5, 3, 4), (1, 1)):
    backend, cupy = gpu_backend()
    x = array(*shape)
    for kernel in (kernels.softmax, kernels.log_softmax):
        assert kernel(backend, x, 1).shape == shape
    for kernel in (kernels.softmax_grad, kernels.log_softmax_grad):
        assert kernel(backend, x, x, 1).shape == shape
    for reduce in ("mean", "no"):
        problem = kernels.SoftmaxCrossEntropyProblem(shape, x.dtype, reduce=reduce, weighted=reduce == "no")
        plan = kernels.SoftmaxCrossEntropy.plan(backend, problem)
        t = array(shape[0], *shape[2:], dtype=np.int32)
        with np.errstate(all="ignore"):  # nothing is computed here, so that the mean is over 0 labels
            loss, kept = plan.forward(x, t, array(shape[1]) if reduce == "no" else None)
        assert loss.shape == (() if reduce == "mean" else t.shape)
        assert plan.grad_input(kept, loss).shape == shape
    check(cupy)
    names = [launch[0] for launch in cupy.launched]
    assert names == ["softmax_rows"] * 2 + ["softmax_gradient_rows"] * 2 + [
        "cross_entropy", "mean_of_losses", "cross_entropy_gradient", "cross_entropy", "cross_entropy_gradient"
    ], names
"""

LSTM = """
from kusari.kernels.rnn import LSTM, LSTMProblem

backend, cupy = gpu_backend()
for shape, n in (((5, 7), 3), ((1, 1), 1), ((2, 3, 4, 5), 2)):
    c, x = array(*shape), array(n, 4 * shape[1], *shape[2:])
    plan = LSTM.plan(backend, LSTMProblem(shape, x.shape, x.dtype))
    new, y, kept = plan.forward(c, x)
    assert new.shape == shape and y.shape == (n, *shape[1:])
    plan.backward(kept, c, x, new, y)
gc, gx = plan.backward(kept, c, x, None, y)
assert gc.shape == c.shape and gx.shape == x.shape
plan.backward(kept, c, x, new, None)
check(cupy)
assert [launch[0] for launch in cupy.launched] == ["lstm", "lstm_gradient"] * 3 + ["lstm_gradient"] * 2
"""


@pytest.mark.processes
@pytest.mark.parametrize("code", [NORMALIZATION, SOFTMAX, LSTM], ids=["normalization", "softmax", "lstm"])
def test_arguments_are_packed_as_the_machine_code_takes_them(compiling: Run, code: str) -> None:
    done = compiling(PRELUDE + code)
    assert done.returncode == 0, done.stderr
