"""Layers that run stacks of recurrent layers over whole sequences: what all have in common, and Elman's networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.arguments import refuse_keywords
from kusari.functions.rnn.n_step_rnn import GONE
from kusari.initializers import Normal, get_initializer
from kusari.kernels.n_step_rnn import CELLS
from kusari.model import ChainList, Link


class NStepRNNBase(ChainList):
    """Run stacks of recurrent layers over sequences of any order and lengths, with parameters of its own.

    Sequences are sorted, longest first, run step by step, and put back in their order.

    Args:
        n_layers: How many layers.
        in_size: I; None: read off the first input.
        out_size: U.
        dropout: Between layers, in training, elements are set to 0 with this probability.
        initialW: Initializer for each matrix; None: N(0, 1 / its inputs).
        initial_bias: The same for each bias (U,); None: zeros.
        **kwargs: None; ``train`` and ``use_cudnn`` of old programs are refused with advice.

    Raises:
        ValueError: No layers, or an old keyword.
    """

    cell: ClassVar[str]
    use_bi_direction: ClassVar[bool] = False

    def __init__(
        self,
        n_layers: int,
        in_size: int | None,
        out_size: int,
        dropout: float,
        *,
        initialW: Any = None,
        initial_bias: Any = None,
        **kwargs: Any,
    ) -> None:
        refuse_keywords(type(self).__name__, kwargs, GONE)
        if n_layers < 1:
            raise ValueError(f"{type(self).__name__}(n_layers={n_layers}): expected at least 1")
        super().__init__()
        self.n_layers = n_layers
        self.in_size = in_size
        self.out_size = out_size
        self.dropout = dropout
        weight, bias = initialW, 0 if initial_bias is None else initial_bias
        for index in range(n_layers * self._directions):
            fed = in_size if index < self._directions else self._directions * out_size
            self.append(_Layer(fed, out_size, self.n_weights, weight, bias))

    @property
    def _directions(self) -> int:
        return 2 if self.use_bi_direction else 1

    @property
    def n_weights(self) -> int:
        """How many matrices, and biases, a layer has."""
        return 2 * CELLS[self.cell].gates

    @property
    def n_cells(self) -> int:
        """How many kinds of state there are: 2 with cells, else 1."""
        return 1 + CELLS[self.cell].memory

    @property
    def ws(self) -> list[list[Any]]:
        """Each layer's matrices, in the order in which the function takes them."""
        return [layer.weights(self.n_weights) for layer in self]

    @property
    def bs(self) -> list[list[Any]]:
        """Each layer's biases, likewise."""
        return [layer.biases(self.n_weights) for layer in self]

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        for name in ("n_layers", "in_size", "out_size", "dropout"):
            yield name, getattr(self, name)

    def rnn(self, *args: Any) -> Any:
        """Run the function that the layer stands for, over steps of sequences that are sorted."""
        raise NotImplementedError(f"{type(self).__name__} does not define rnn()")

    def init_hx(self, xs: Sequence[VariableLike]) -> Variable:
        """Return first states of zeros (layers, B, U), in the inputs' dtype."""
        x = as_variable(xs[0])
        shape = (self.n_layers * self._directions, len(xs), self.out_size)
        return constant(x.xp.zeros(shape, dtype=x.array.dtype, device=x.device.native), x.device)

    def forward(self, *states_and_xs: Any) -> tuple[Any, ...]:
        """Return each kind of last states (layers, B, U) and a list of outputs.

        Args:
            *states_and_xs: The first states hx, for cells that have them cx, each (layers, B, U) or None for zeros;
                then a list of sequences xs, each (T, I).

        Returns:
            hy, for cells that have them cy, and ys: for each sequence (T, U), or (T, 2U) in both directions.

        Raises:
            TypeError: Another number of arguments, or ``xs`` is not a list.
            InvalidType: Sizes or dtypes that do not fit.
        """
        *states, xs = states_and_xs or (None,)
        if len(states) != self.n_cells or not isinstance(xs, list | tuple):
            name = "hx, cx, xs" if self.n_cells == 2 else "hx, xs"
            raise TypeError(f"{type(self).__name__}(): expected {name}, with xs a list of sequences")
        if not xs:
            raise ValueError(f"{type(self).__name__}(xs=[]): expected at least one sequence")
        given = [as_variable(x) for x in xs]
        self._initialize(given[0])
        order = sorted(range(len(given)), key=lambda index: -given[index].shape[0])
        places = given[0].xp.asarray(order, device=given[0].device.native)
        zeros = self.init_hx(given)
        first = [zeros if state is None else F.permutate(state, places, axis=1) for state in states]
        steps = F.transpose_sequence([given[index] for index in order])
        *last, outputs = self.rnn(self.n_layers, self.dropout, *first, self.ws, self.bs, steps)
        ys: list[Any] = [None] * len(given)
        for index, y in zip(order, F.transpose_sequence(outputs), strict=True):
            ys[index] = y
        return (*[F.permutate(state, places, axis=1, inv=True) for state in last], ys)

    def _initialize(self, x: Variable) -> None:
        if self.in_size is None and x.ndim > 1:
            self.in_size = x.shape[1]
            for layer in self[: self._directions]:
                layer.initialize(self.in_size)


class _Layer(Link):
    """The parameters w0, b0, w1, b1, … of one layer in one direction."""

    def __init__(self, in_size: int | None, out_size: int, count: int, initialW: Any, initial_bias: Any) -> None:
        super().__init__()
        self.out_size = out_size
        self.count = count
        with self.init_scope():
            for index in range(count):
                setattr(self, f"w{index}", Parameter(get_initializer(initialW, ByInputs)))
                setattr(self, f"b{index}", Parameter(get_initializer(initial_bias), out_size))
        for index in range(count // 2, count):
            getattr(self, f"w{index}").initialize((out_size, out_size))
        if in_size is not None:
            self.initialize(in_size)

    def initialize(self, in_size: int) -> None:
        """Make the matrices that the input is multiplied with; a file may have brought them."""
        for index in range(self.count // 2):
            weight = getattr(self, f"w{index}")
            if weight.array is None:
                weight.initialize((self.out_size, in_size))

    def weights(self, count: int) -> list[Any]:
        """Return the matrices in order."""
        return [getattr(self, f"w{index}") for index in range(count)]

    def biases(self, count: int) -> list[Any]:
        """Return the biases in order."""
        return [getattr(self, f"b{index}") for index in range(count)]


class ByInputs(Normal):
    """Draw from N(0, 1 / I) for a matrix (O, I)."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def deviation(self, shape: Sequence[int]) -> float:
        """Return 1 / √I."""
        return math.sqrt(1 / max(shape[-1], 1))


class NStepRNNTanh(NStepRNNBase):
    """Run stacked Elman networks with tanh over sequences; see `NStepRNNBase` and `kusari.functions.n_step_rnn`.

    >>> hy, ys = NStepRNNTanh(1, 3, 2, 0)(None, [np.ones((1, 3), "f"), np.ones((4, 3), "f")])
    >>> hy.shape, [y.shape for y in ys]
    ((1, 2, 2), [(1, 2), (4, 2)])
    """

    cell = "tanh"

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_rnn`."""
        n_layers, dropout, hx, ws, bs, xs = args
        return F.n_step_rnn(n_layers, dropout, hx, ws, bs, xs, "tanh")


class NStepRNNReLU(NStepRNNBase):
    """Run stacked Elman networks with ReLU over sequences; see `NStepRNNBase` and `kusari.functions.n_step_rnn`.

    >>> hy, ys = NStepRNNReLU(1, 3, 2, 0)(None, [np.ones((4, 3), "f")])
    >>> hy.shape
    (1, 1, 2)
    """

    cell = "relu"

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_rnn`."""
        n_layers, dropout, hx, ws, bs, xs = args
        return F.n_step_rnn(n_layers, dropout, hx, ws, bs, xs, "relu")


class NStepBiRNNTanh(NStepRNNBase):
    """Run `NStepRNNTanh` from both ends; see `kusari.functions.n_step_birnn`.

    >>> hy, ys = NStepBiRNNTanh(1, 3, 2, 0)(None, [np.ones((4, 3), "f")])
    >>> hy.shape, ys[0].shape
    ((2, 1, 2), (4, 4))
    """

    cell = "tanh"
    use_bi_direction = True

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_birnn`."""
        n_layers, dropout, hx, ws, bs, xs = args
        return F.n_step_birnn(n_layers, dropout, hx, ws, bs, xs, "tanh")


class NStepBiRNNReLU(NStepRNNBase):
    """Run `NStepRNNReLU` from both ends; see `kusari.functions.n_step_birnn`.

    >>> hy, ys = NStepBiRNNReLU(1, 3, 2, 0)(None, [np.ones((4, 3), "f")])
    >>> hy.shape, ys[0].shape
    ((2, 1, 2), (4, 4))
    """

    cell = "relu"
    use_bi_direction = True

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_birnn`."""
        n_layers, dropout, hx, ws, bs, xs = args
        return F.n_step_birnn(n_layers, dropout, hx, ws, bs, xs, "relu")
