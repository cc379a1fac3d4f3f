"""Highway layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.model import Chain


class Highway(Chain):
    """Mix an input with an affine map of it, by a gate that is learned.

    y = t ∘ activate(W_h x + b_h) + (1 − t) ∘ x, with t = σ(W_t x + b_t).

    Args:
        in_out_size: I.
        nobias: Leave b_h and b_t out.
        activate: What is applied to the map.
        init_Wh: Initializer, array or number for W_h (I, I); None: LeCunNormal.
        init_Wt: The same for W_t.
        init_bh: The same for b_h (I,); None: zeros.
        init_bt: The same for b_t; −1 lets most of x pass at first.

    Source: Srivastava, Greff, Schmidhuber, 2015, arXiv:1505.00387.

    >>> Highway(3)(np.ones((2, 3), "f")).shape
    (2, 3)
    """

    plain: Linear
    transform: Linear

    def __init__(
        self,
        in_out_size: int,
        nobias: bool = False,
        activate: Callable[..., Any] = F.relu,
        init_Wh: Any = None,
        init_Wt: Any = None,
        init_bh: Any = None,
        init_bt: Any = -1,
    ) -> None:
        super().__init__()
        self.activate = activate
        with self.init_scope():
            self.plain = Linear(in_out_size, in_out_size, nobias, init_Wh, init_bh)
            self.transform = Linear(in_out_size, in_out_size, nobias, init_Wt, init_bt)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The size."""
        yield "in_out_size", self.plain.in_size

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, I) of x (N, I)."""
        x = as_variable(x)
        t = F.sigmoid(self.transform(x))
        made: Variable = t * self.activate(self.plain(x)) + (1 - t) * x
        return made
