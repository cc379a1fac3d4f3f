"""The updater for most cases: a batch, its loss, an update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kusari.backend import Device, get_device
from kusari.dataset.convert import concat_examples
from kusari.training.updater import Updater
from kusari.training.updaters.hyperparameters import serialize_hyperparameters

if TYPE_CHECKING:
    from kusari.backend.selection import DeviceLike
    from kusari.optimizer import Optimizer
    from kusari.serializer import AbstractSerializer


class StandardUpdater(Updater):
    """Take a batch from the main iterator, convert it, and let the main optimizer lower its loss.

    For anything else, a second optimizer for example, override `update_core`.

    Args:
        iterator: An iterator over the training set, or several by name, of which ``main`` counts the epochs.
        optimizer: An optimizer, or several by name; without a ``main``, `update_core` has to be overridden.
        converter: ``converter(batch, device)`` makes the arrays that the loss function takes: a tuple of positional
            arguments, a dict of keywords, or one argument.
        device: Where every optimizer's target is moved. Default: they stay where they are.
        loss_func: Returns the loss. Default: the main optimizer's target.
        loss_scale: What losses are multiplied by before they are backpropagated, see ``optimizer.set_loss_scale``.
        auto_new_epoch: Call ``optimizer.new_epoch()`` when the main iterator has finished an epoch.
        accumulate: How many batches make one update, by the mean of their losses: for batches that are larger than
            the memory. Each update is one iteration; what links report is the last batch's.
        **kwargs: ``input_device``: where batches are sent. Default: ``device``.

    Raises:
        TypeError: Another keyword.
        ValueError: ``accumulate`` below 1.
    """

    def __init__(
        self,
        iterator: Any,
        optimizer: Any,
        converter: Callable[..., Any] = concat_examples,
        device: DeviceLike = None,
        loss_func: Callable[..., Any] | None = None,
        loss_scale: float | None = None,
        auto_new_epoch: bool = True,
        *,
        accumulate: int = 1,
        **kwargs: Any,
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate={accumulate}: expected how many batches make an update, 1 or more")
        input_device = kwargs.pop("input_device", None)
        if kwargs:
            raise TypeError(f"{type(self).__name__}() got unexpected keyword(s) {', '.join(kwargs)}")
        self._iterators: dict[str, Any] = by_name(iterator)
        self._optimizers: dict[str, Any] = by_name(optimizer)
        self._device = None if device is None else get_device(device)
        self._input_device = self._device if input_device is None else get_device(input_device)
        if self._device is not None:
            for each in self._optimizers.values():
                each.target.to_device(self._device)
        self.converter = converter
        self.loss_func = loss_func
        self.accumulate = accumulate
        self.iteration = 0
        self.loss_scale = loss_scale
        if loss_scale is not None:
            for each in self._optimizers.values():
                each.set_loss_scale(loss_scale)
        self.auto_new_epoch = auto_new_epoch
        if auto_new_epoch:
            for each in self._optimizers.values():
                each.use_auto_new_epoch = True

    # Where training stands. ------------------------------------------------------------------------------------------

    @property
    def device(self) -> Device | None:
        """Where the targets were moved; None if they were not."""
        return self._device

    @property
    def input_device(self) -> Device | None:
        """Where batches are sent; None if they stay on the host."""
        return self._input_device

    @property
    def epoch(self) -> int:  # type: ignore[override]
        """How many times the training set was gone through."""
        epoch: int = self.get_iterator("main").epoch
        return epoch

    @property
    def epoch_detail(self) -> float:  # type: ignore[override]
        """How many times, the started one in proportion."""
        detail: float = self.get_iterator("main").epoch_detail
        return detail

    @property
    def previous_epoch_detail(self) -> float:
        """What ``epoch_detail`` was before the last batch."""
        detail: float = self.get_iterator("main").previous_epoch_detail
        return detail

    @property
    def is_new_epoch(self) -> bool:
        """Whether the last batch completed an epoch."""
        new: bool = self.get_iterator("main").is_new_epoch
        return new

    def get_optimizer(self, name: str) -> Optimizer:
        """Return the optimizer of that name.

        Raises:
            KeyError: There is none.
        """
        return find(self._optimizers, name, "optimizer")

    def get_all_optimizers(self) -> dict[str, Optimizer]:
        """Return every optimizer by name."""
        return dict(self._optimizers)

    def get_iterator(self, name: str) -> Any:
        """Return the iterator of that name.

        Raises:
            KeyError: There is none.
        """
        return find(self._iterators, name, "iterator")

    # Updating. -------------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Do one iteration."""
        self.update_core()
        self.iteration += 1

    def update_core(self) -> None:
        """Do the work of one iteration: what subclasses override."""
        iterator, optimizer = self.get_iterator("main"), self.get_optimizer("main")
        if self.accumulate > 1:
            self._update_by_several(iterator, optimizer)
            return
        arguments = self.converter(iterator.next(), self._input_device)
        call_with(optimizer.update, arguments, self.loss_func or optimizer.target)
        if self.auto_new_epoch and iterator.is_new_epoch:
            optimizer.new_epoch(auto=True)

    def _update_by_several(self, iterator: Any, optimizer: Any) -> None:
        """Add up the gradients of several batches, whose graphs are there one at a time, and update once."""
        optimizer.target.cleargrads()
        for _ in range(self.accumulate):
            arguments = self.converter(iterator.next(), self._input_device)
            loss = call_with(self.loss_func or optimizer.target, arguments) / self.accumulate
            optimizer.backpropagate(loss)
            if self.auto_new_epoch and iterator.is_new_epoch:
                optimizer.new_epoch(auto=True)
        optimizer.update()

    def finalize(self) -> None:
        """Finalize the iterators: their threads and processes end."""
        for iterator in self._iterators.values():
            iterator.finalize()

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load iterators, optimizers with their hyperparameters, models, and the count of iterations."""
        for name, iterator in self._iterators.items():
            iterator.serialize(serializer[f"iterator:{name}"])
        for name, optimizer in self._optimizers.items():
            optimizer.serialize(serializer[f"optimizer:{name}"])
            optimizer.target.serialize(serializer[f"model:{name}"])
            serialize_hyperparameters(optimizer, serializer[f"hyperparameters:{name}"])
        self.iteration = serializer("iteration", self.iteration)


def by_name(given: Any) -> dict[str, Any]:
    """Return a dictionary as it is, and one object as ``main``."""
    return dict(given) if isinstance(given, Mapping) else {"main": given}


def call_with(function: Callable[..., Any], arguments: Any, *before: Any) -> Any:
    """Call a function with what a converter made: a tuple of arguments, a dict of keywords, or one argument."""
    if isinstance(arguments, tuple):
        return function(*before, *arguments)
    if isinstance(arguments, dict):
        return function(*before, **arguments)
    return function(*before, arguments)


def find(among: dict[str, Any], name: str, what: str, owner: str = "the updater") -> Any:
    """Return what goes by a name.

    Raises:
        KeyError: Nothing does.
    """
    if name not in among:
        raise KeyError(f"{owner} has no {what} {name!r}; it has {', '.join(map(repr, among)) or 'none'}")
    return among[name]
