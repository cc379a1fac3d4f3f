"""What recurrent layers share: states that are kept between calls, and initial values gate by gate."""

from __future__ import annotations

from typing import Any, ClassVar

from kusari.autograd import Variable, as_variable
from kusari.autograd.copy import copy
from kusari.autograd.variable import VariableLike, constant
from kusari.initializers import Initializer, get_initializer
from kusari.initializers.initializer import HostArray
from kusari.model import Chain, DeviceResidentsVisitor


class Stateful(Chain):
    """Keep states between calls, under the names in ``states``; they move with the layer, and are not saved."""

    states: ClassVar[tuple[str, ...]] = ("h",)

    def reset_state(self) -> None:
        """Forget the states: the next call starts anew."""
        for name in self.states:
            setattr(self, name, None)

    def _set_states(self, *values: VariableLike) -> None:
        """Take Variables or arrays as states; of what is elsewhere, a copy on the layer's device, in its graph."""
        for name, value in zip(self.states, values, strict=True):
            if value is None:
                raise TypeError(f"{type(self).__name__}.set_state({name}=None): expected an array; see reset_state()")
            given = as_variable(value)
            setattr(self, name, given if given.device is self.device else copy(given, self.device))

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor the states, too; what is moved forgets what it was made of."""
        super().device_resident_accept(visitor)
        for name in self.states:
            state = getattr(self, name)
            if state is not None:
                moved = visitor.visit_array(state.array)
                if moved is not state.array:
                    setattr(self, name, Variable(moved))


def zeros_for(x: Variable, units: int) -> Variable:
    """Return a state of zeros (N, units) for an input x (N, …), in its dtype and on its device."""
    return constant(x.xp.zeros((x.shape[0], units), dtype=x.array.dtype, device=x.device.native), x.device)


class GateWeights(Initializer):
    """Fill the blocks of rows that belong to a layer's gates, each by itself: fans are those of one gate.

    Args:
        initializer: For one gate's matrix (U, I); None: LeCunNormal.
        gates: How many.

    >>> array = np.zeros((4, 3))
    >>> GateWeights(kusari.initializers.One(), 2)(array)
    >>> bool((array == 1).all())
    True
    """

    def __init__(self, initializer: Any, gates: int) -> None:
        self.initializer = get_initializer(initializer)
        super().__init__(getattr(self.initializer, "dtype", None))
        self.gates = gates

    def __call__(self, array: HostArray) -> None:
        rows = array.shape[0] // self.gates
        for start in range(0, array.shape[0], rows):
            self.initializer(array[start : start + rows])


class GateBiases(Initializer):
    """Fill the biases of a layer's gates, which lie together for each unit: a, i, f, o, a, i, f, o, ….

    Args:
        *initializers: One for each gate.

    >>> array = np.zeros(4)
    >>> GateBiases(0, 1)(array)
    >>> array
    array([0., 1., 0., 1.])
    """

    def __init__(self, *initializers: Any) -> None:
        self.initializers = [get_initializer(one) for one in initializers]
        super().__init__(getattr(self.initializers[0], "dtype", None))

    def __call__(self, array: HostArray) -> None:
        for gate, initializer in enumerate(self.initializers):
            initializer(array[gate :: len(self.initializers)])
