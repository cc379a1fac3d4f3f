"""Order samplers: in which order an epoch visits the examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from kusari.backend import host_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    Order: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
    SampleOrder: TypeAlias = "OrderSampler | Callable[[Order, int], Order]"


class OrderSampler:
    """Base of what an iterator asks for the order of each epoch.

    Define ``__call__``. Any function of the same arguments will do too; a class that also defines `get_state` and
    `set_state` lets iterators resume as if they had never stopped.
    """

    def __call__(self, current_order: Order, current_position: int) -> Order:
        """Return the order of the next epoch.

        Args:
            current_order: Indices (N,) of the epoch that ends; 0 … N - 1 before the first.
            current_position: How far the iterator had come in it.

        Returns:
            Indices (N,) into the dataset: the same number as before. Repeated ones and left out ones are fine.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(current_order, current_position)")

    def get_state(self) -> Any:
        """Return what `set_state` takes, made of dicts, lists, numbers and strings; None: there is no state."""
        return None

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""


class ShuffleOrderSampler(OrderSampler):
    """Visit the examples in random order.

    Args:
        random_state: A ``numpy.random.Generator`` or ``RandomState``, best not shared with others: iterators that
            prefetch draw early. Default: a generator of its own, seeded from the host's stream (``kusari.seed``).

    Raises:
        TypeError: Another kind of object.

    >>> sampler = ShuffleOrderSampler(np.random.RandomState(0))
    >>> sampler(np.arange(6), 0)
    array([5, 2, 1, 3, 0, 4])
    """

    def __init__(self, random_state: np.random.Generator | np.random.RandomState | None = None) -> None:
        if random_state is None:
            random_state = np.random.default_rng(draw_seed())
        if not isinstance(random_state, np.random.Generator | np.random.RandomState):
            raise TypeError(
                "random_state: expected a numpy.random.Generator or RandomState, such as "
                f"numpy.random.default_rng(0), got {type(random_state).__name__}"
            )
        self._random = random_state

    def __call__(self, current_order: Order, current_position: int) -> Order:
        """Return a permutation of 0 … N - 1."""
        return self._random.permutation(len(current_order))

    def get_state(self) -> Any:
        """Return the generator's state."""
        if isinstance(self._random, np.random.RandomState):
            return _plain(self._random.get_state(legacy=False))
        return _plain(self._random.bit_generator.state)

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` returned.

        Raises:
            ValueError: It is that of another kind of generator.
        """
        try:
            if isinstance(self._random, np.random.RandomState):
                self._random.set_state(state)
            else:
                self._random.bit_generator.state = state
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"the saved random state ({state.get('bit_generator', 'of no generator')}) is not one of "
                f"{type(self._random).__name__}; use the same kind of random_state as when it was saved"
            ) from error


def draw_seed() -> int:
    """Return a seed drawn from the host's stream: 63 random bits."""
    return int(host_generator().integers(0, 2**63 - 1))


def _plain(value: Any) -> Any:
    """Return a state with NumPy's arrays and numbers as Python's, so that JSON can hold it."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
