"""A link that is one parameter."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd import parameter as autograd_parameter
from kusari.autograd.copy import copy
from kusari.backend import device_of_array
from kusari.model import Link


class Parameter(Link):
    """Hold one parameter, and return it.

    Deprecated since links can have parameters as attributes; kept because files and programs have it.

    Args:
        array: The data itself, not a copy; any dtype. The link moves to where it lives.

    Raises:
        AttributeError: ``array`` has no shape.

    >>> weight = Parameter(np.arange(3.0))
    >>> weight().array
    array([0., 1., 2.])
    """

    W: autograd_parameter.Parameter

    def __init__(self, array: Any) -> None:
        super().__init__()
        shape = array.shape
        device = device_of_array(array)
        if not device.backend.on_host:
            self.to_device(device)
        self.add_param("W", shape, device.backend.host_dtype(array.dtype))
        self.W.array = array

    def forward(self, volatile: Any = "off") -> Variable:
        """Return W as a new Variable, through which gradients flow back to it.

        Args:
            volatile: Ignored; old programs give it.
        """
        return copy(self.W, self.W.device)
