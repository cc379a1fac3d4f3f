"""Stacks of recurrent layers over batches of sequences, and Elman's networks among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from kusari.autograd import Variable, as_variable
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import config, current_state
from kusari.errors import InvalidType
from kusari.functions.activation.relu import relu
from kusari.functions.activation.tanh import tanh
from kusari.functions.arguments import OLD_LIBRARIES, like, refuse_keywords
from kusari.functions.array.concat import concat
from kusari.functions.array.sequences import inputs_of
from kusari.functions.array.stack import stack
from kusari.functions.connection.linear import linear
from kusari.functions.fused import FusedNode
from kusari.functions.noise.drawing import draw_uniform
from kusari.kernels.n_step_rnn import CELLS, LayerWeights, Recurrence, RecurrenceProblem
from kusari.kernels.noise import dropout
from kusari.kernels.time_steps import Sequences, walk
from kusari.types import Array

GONE: Final = {"train": "use using_config('train', ...)", **OLD_LIBRARIES}
"""Keywords of old programs."""


class BaseNStepRNN(FusedNode):
    """The outputs of all steps and the last states, from the first states, the parameters and the inputs of all steps.

    Inputs: hx, cx for cells that have a memory, all matrices, all biases, then one x per step. Outputs: hy, cy for such
    cells, then one y per step.
    """

    cell: ClassVar[str]
    directions: ClassVar[int] = 1

    def __init__(self, n_layers: int, dropout_ratio: float) -> None:
        self.n_layers = n_layers
        self.dropout_ratio = dropout_ratio
        self.memory = CELLS[self.cell].memory
        self.gates = CELLS[self.cell].gates

    @staticmethod
    def plain_step(zx: Variable, zh: Variable, h: Variable, c: Any) -> tuple[Variable, Any]:
        """Return h′ and c′ as plain functions make them, from what inputs and states feed to the gates."""
        raise NotImplementedError

    def sort(self, inputs: Sequence[Any]) -> tuple[Any, Any, tuple[LayerWeights, ...], Sequence[Any]]:
        """Return hx, cx or None, the parameters by layer and direction, and the xs."""
        start, runs, each = 1 + self.memory, self.n_layers * self.directions, 2 * self.gates
        matrices, biases = (inputs[first : first + runs * each] for first in (start, start + runs * each))
        weights = tuple(
            [
                LayerWeights(tuple(matrices[at : at + each]), tuple(biases[at : at + each]))
                for at in range(0, runs * each, each)
            ]
        )
        return inputs[0], inputs[1] if self.memory else None, weights, inputs[start + 2 * runs * each :]

    def check_type_forward(self, in_types: Any) -> None:
        hx, cx, weights, xs = self.sort(tuple(in_types))
        given = (hx, *(() if cx is None else (cx,)), *(p for layer in weights for side in layer for p in side), *xs)
        expect_floating(given, names=_names(self.n_layers * self.directions, 2 * self.gates, self.memory, len(xs)))
        runs = self.n_layers * self.directions
        _require(len(hx.shape) == 3 and hx.shape[0] == runs, f"hx of shape ({runs}, B, U)", hx.shape)
        _require(cx is None or cx.shape == hx.shape, f"cx of hx's shape {hx.shape}", None if cx is None else cx.shape)
        _, batch, units = hx.shape
        size, before = None, batch
        for time, x in enumerate(xs):
            _require(len(x.shape) == 2, f"xs[{time}] of shape (B, I)", x.shape)
            _require(x.shape[0] <= before, f"xs[{time}] of at most {before} rows: longer sequences first", x.shape)
            _require(size in (None, x.shape[1]), f"xs[{time}] with rows of length {size}, as before", x.shape)
            _require(x.dtype == hx.dtype, f"xs[{time}] of dtype {hx.dtype}, as xs[0]", x.dtype)
            before, size = x.shape
        for number, layer in enumerate(weights):
            fed = size if number < self.directions else self.directions * units
            for place, W in enumerate(layer.matrices):
                shape = (units, fed if place < self.gates else units)
                _require(W.shape == shape, f"ws[{number}][{place}] of shape {shape}", W.shape)
            for place, b in enumerate(layer.biases):
                _require(b.shape == (units,), f"bs[{number}][{place}] of shape ({units},)", b.shape)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        xp = self.backend.xp
        hx, cx, weights, xs = self.sort(inputs)
        x = xp.concat(list(xs), axis=0)
        self.batch_sizes = tuple([one.shape[0] for one in xs])
        self.masks = self._draw_masks(x, hx.shape[2])
        problem = RecurrenceProblem(
            self.cell,
            hx.shape,
            x.shape,
            self.batch_sizes,
            self.directions,
            self.backend.host_dtype(x.dtype),
            bool(self.masks),
            self.recording,
        )
        self.plan = Recurrence.plan(self.backend, problem)
        self.retain_inputs(tuple(range(len(inputs))))
        y, hy, cy, kept = self.plan.forward(x, hx, cx, weights, self.masks)
        if self.recording:
            self.kept = kept
        ys = [y[rows, :] for rows in walk(self.batch_sizes, backwards=False)]
        return (hy, cy, *ys) if self.memory else (hy, *ys)

    def _draw_masks(self, x: Array, units: int) -> tuple[Array, ...]:
        """Return what multiplies the inputs of each layer above the first; nothing outside of training."""
        if not config.train or not self.dropout_ratio:
            return ()
        shape = (x.shape[0], self.directions * units)
        ones = self.backend.xp.ones(shape, dtype=x.dtype, device=x.device)
        drawn = [draw_uniform(self, shape) for _ in range(self.n_layers - 1)]
        return tuple([dropout(self.backend, ones, one, self.dropout_ratio)[1] for one in drawn])

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, inputs, grad_outputs)
        xp, hx = self.backend.xp, inputs[0].array
        given = [None if g is None else g.array for g in grad_outputs]
        states = 1 + self.memory
        ghy, *gcy = [xp.zeros_like(hx) if g is None else g for g in given[:states]]
        width = self.directions * hx.shape[2]
        gys = [
            xp.zeros((n, width), dtype=hx.dtype, device=hx.device) if g is None else g
            for g, n in zip(given[states:], self.batch_sizes, strict=True)
        ]
        made = self.plan.backward(self.kept, self.masks, xp.concat(gys, axis=0), ghy, gcy[0] if gcy else None)
        gradients = [made.hx, *([made.cx] if self.memory else [])]
        gradients += [W for layer in made.weights for W in layer.matrices]
        gradients += [b for layer in made.weights for b in layer.biases]
        gradients += [made.x[rows, :] for rows in walk(self.batch_sizes, backwards=False)]
        return tuple([constant(gradients[index], self.device) for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable, ...]:
        """Return the outputs as linear maps, activations and cuts, step by step."""
        hx, cx, weights, xs = self.sort(inputs)
        y = concat(tuple(xs), axis=0)
        hy, cy = [], []
        for first in range(0, len(weights), self.directions):
            if self.masks and first:
                y = y * constant(self.masks[first // self.directions - 1], self.device)
            outputs = []
            for number in range(first, first + self.directions):
                c0 = None if cx is None else cx[number]
                out, h, c = self._plain_run(y, hx[number], c0, weights[number], number % self.directions == 1)
                outputs.append(out)
                hy.append(h)
                cy.append(c)
            y = concat(tuple(outputs), axis=1)
        ys = [y[rows] for rows in walk(self.batch_sizes, backwards=False)]
        return (stack(hy), stack(cy), *ys) if self.memory else (stack(hy), *ys)

    def _plain_run(
        self, x: Variable, h0: Variable, c0: Any, weights: LayerWeights, backwards: bool
    ) -> tuple[Variable, Variable, Any]:
        """Return a layer's outputs, its last states and cells, in one direction."""
        g, parameters = self.gates, weights.matrices + weights.biases
        Wx, Wh, bx, bh = (concat(parameters[at : at + g], axis=0) for at in range(0, 4 * g, g))
        zx = linear(x, Wx, bx)
        states = Sequences(h0, _join)
        cells = None if c0 is None else Sequences(c0, _join)
        outputs = []
        for rows in walk(self.batch_sizes, backwards):
            n = rows.stop - rows.start
            h, c = states.first(n), None if cells is None else cells.first(n)
            states.active, c_next = self.plain_step(zx[rows], linear(h, Wh, bh), h, c)
            if cells is not None:
                cells.active = c_next
            outputs.append(states.active)
        y = _join(outputs[::-1] if backwards else outputs)
        return y, states.all(), None if cells is None else cells.all()


def _join(parts: list[Variable]) -> Variable:
    return concat(tuple(parts), axis=0)


def _require(condition: bool, expect: str, actual: Any) -> None:
    if not condition:
        raise InvalidType(expect, f"{actual}")


def _names(runs: int, each: int, memory: bool, steps: int) -> tuple[str, ...]:
    """Return the inputs' names for messages, layer by layer."""
    parameters = [f"{kind}[{run}][{at}]" for run in range(runs) for kind in ("ws", "bs") for at in range(each)]
    return ("hx", *(["cx"] if memory else []), *parameters, *(f"xs[{time}]" for time in range(steps)))


class NStepRNNTanh(BaseNStepRNN):
    """h′ = tanh(W₀ x + W₁ h + b₀ + b₁)."""

    cell = "tanh"

    @staticmethod
    def plain_step(zx: Variable, zh: Variable, h: Variable, c: Any) -> tuple[Variable, Any]:
        return tanh(zx + zh), None


class NStepBiRNNTanh(NStepRNNTanh):
    """Likewise, in both directions."""

    directions = 2


class NStepRNNReLU(BaseNStepRNN):
    """h′ = max(W₀ x + W₁ h + b₀ + b₁, 0)."""

    cell = "relu"

    @staticmethod
    def plain_step(zx: Variable, zh: Variable, h: Variable, c: Any) -> tuple[Variable, Any]:
        return relu(zx + zh), None


class NStepBiRNNReLU(NStepRNNReLU):
    """Likewise, in both directions."""

    directions = 2


def run_stack(
    function: str,
    node: type[BaseNStepRNN],
    n_layers: int,
    dropout_ratio: float,
    states: tuple[VariableLike, ...],
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    keywords: dict[str, Any],
) -> tuple[Any, ...]:
    """Return the last states (and cells) and the tuple of outputs: what all functions of the family share.

    Args:
        function: Its name, for messages.
        node: What to apply.
        n_layers: How many layers.
        dropout_ratio: Between them.
        states: hx, or hx and cx.
        ws: The matrices, by layer and direction.
        bs: The biases, likewise.
        xs: One input per step.
        keywords: What was passed beyond the signature.
    """
    refuse_keywords(function, keywords, GONE)
    if n_layers < 1:
        raise ValueError(f"{function}(n_layers={n_layers}): expected at least 1")
    if not 0 <= dropout_ratio < 1:
        raise ValueError(f"{function}(dropout_ratio={dropout_ratio}): expected a ratio in the range [0, 1)")
    runs, each = n_layers * node.directions, 2 * CELLS[node.cell].gates
    for name, given in (("ws", ws), ("bs", bs)):
        lengths = [len(parameters) for parameters in given]
        if lengths != [each] * runs:
            raise ValueError(
                f"{function}({name}): expected {runs} lists, one for each layer and direction, of {each} arrays; "
                f"got lists of {lengths}"
            )
    steps = inputs_of(node.__name__, xs)
    first = as_variable(steps[0])
    parameters = [parameter for side in (ws, bs) for layer in side for parameter in layer]
    cast = [like(first, other) for other in (*states, *parameters)]
    outputs = node(n_layers, dropout_ratio).apply((*cast, *steps))
    return (*outputs[: len(states)], outputs[len(states) :])


def choose_activation(function: str, activation: str, tanh_node: Any, relu_node: Any) -> type[BaseNStepRNN]:
    """Return the node for an activation's name.

    Raises:
        ValueError: Neither ``tanh`` nor ``relu``.
    """
    nodes: dict[str, type[BaseNStepRNN]] = {"tanh": tanh_node, "relu": relu_node}
    if activation not in nodes:
        raise ValueError(f"{function}(activation={activation!r}): expected 'tanh' or 'relu'")
    return nodes[activation]


def n_step_rnn(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    activation: str = "tanh",
    **kwargs: Any,
) -> tuple[Variable, tuple[Variable, ...]]:
    """Run stacked Elman networks over a batch of sequences.

    hₜ = activation(W₀ xₜ + W₁ hₜ₋₁ + b₀ + b₁); what a layer gives at step t is the next layer's xₜ.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (layers, B, U): the first states.
        ws: For each layer W₀ (U, I), or (U, U) above the first, and W₁ (U, U).
        bs: For each layer b₀ and b₁ (U,).
        xs: For each step (Bₜ, I): the inputs of the sequences that reach it. Longer sequences come first, so that Bₜ
            never rises; B₁ is at most B. `transpose_sequence` makes such a list.
        activation: ``tanh`` or ``relu``.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy (layers, B, U): each sequence's last states; and a tuple of ys: for each step (Bₜ, U), the last layer's
        states.

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, another activation, old keywords.

    Source: Elman, 1990, "Finding structure in time".

    >>> one = np.ones((1, 1))
    >>> hy, ys = n_step_rnn(1, 0.0, np.zeros((1, 1, 1)), [[one, one]], [[one[0], one[0]]], [one, one], "relu")
    >>> hy.array, [y.array for y in ys]
    (array([[[6.]]]), [array([[3.]]), array([[6.]])])
    """
    node = choose_activation("n_step_rnn", activation, NStepRNNTanh, NStepRNNReLU)
    hy, ys = run_stack("n_step_rnn", node, n_layers, dropout_ratio, (hx,), ws, bs, xs, kwargs)
    return hy, ys


def n_step_birnn(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    activation: str = "tanh",
    **kwargs: Any,
) -> tuple[Variable, tuple[Variable, ...]]:
    """Run stacked Elman networks over a batch of sequences, from both ends.

    Each layer has two parts: one reads forth, one reads back from each sequence's end. The next layer's xₜ is both
    their hₜ, one beside the other.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (2 · layers, B, U): the first states, of each layer forth and back.
        ws: Likewise W₀ (U, I), or (U, 2U) above the first layer, and W₁ (U, U).
        bs: Likewise b₀ and b₁ (U,).
        xs: For each step (Bₜ, I), as for `n_step_rnn`.
        activation: ``tanh`` or ``relu``.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy (2 · layers, B, U); and a tuple of ys: for each step (Bₜ, 2U).

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, another activation, old keywords.

    Source: Schuster, Paliwal, 1997, "Bidirectional recurrent neural networks".

    >>> one = np.ones((1, 1))
    >>> ws, bs = [[one, one]] * 2, [[one[0], one[0]]] * 2
    >>> hy, ys = n_step_birnn(1, 0.0, np.zeros((2, 1, 1)), ws, bs, [one, one], "relu")
    >>> [y.array for y in ys]
    [array([[3., 6.]]), array([[6., 3.]])]
    """
    node = choose_activation("n_step_birnn", activation, NStepBiRNNTanh, NStepBiRNNReLU)
    hy, ys = run_stack("n_step_birnn", node, n_layers, dropout_ratio, (hx,), ws, bs, xs, kwargs)
    return hy, ys
