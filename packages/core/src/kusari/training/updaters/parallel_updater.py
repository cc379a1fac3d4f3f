"""An updater that splits each batch over several devices of one process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kusari.backend import get_device
from kusari.dataset.convert import concat_examples
from kusari.training.updaters.standard_updater import StandardUpdater, by_name, call_with, find

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


class ParallelUpdater(StandardUpdater):
    """Split each batch over copies of the model on several devices, and update the main one by all gradients' sum.

    Each copy takes every n-th example. Gradients are added up, not averaged: where the loss is a mean over its batch,
    n copies give n times the gradient of the whole batch, so divide the learning rate by n. Copies run one after the
    other: on devices that work asynchronously they overlap. What a copy keeps besides parameters, a running mean for
    example, stays its own.

    Args:
        iterator: As for `StandardUpdater`.
        optimizer: As for `StandardUpdater`; the target of the main one is the main model.
        converter: As for `StandardUpdater`.
        models: The models by name, one of them ``main``, each where it is to run. Default: copies of the main model.
        devices: Devices by name, one of them ``main``; the same device may come twice.
        loss_func: Called with the arguments alone, as ``loss_func(*arguments)``, so with copies it has to find its
            model by itself. Default: each copy.
        loss_scale: As for `StandardUpdater`.
        auto_new_epoch: As for `StandardUpdater`.

    Raises:
        ValueError: Neither ``models`` nor ``devices``, both, or a name ``main`` that is missing.
    """

    def __init__(
        self,
        iterator: Any,
        optimizer: Any,
        converter: Callable[..., Any] = concat_examples,
        models: Mapping[str, Any] | None = None,
        devices: Mapping[str, Any] | None = None,
        loss_func: Callable[..., Any] | None = None,
        loss_scale: float | None = None,
        auto_new_epoch: bool = True,
    ) -> None:
        if (models is None) == (devices is None):
            raise ValueError(
                "ParallelUpdater: give devices={'main': device, 'second': device} or models={'main': model, ...}, "
                "and not both"
            )
        named = models if devices is None else devices
        assert named is not None
        if "main" not in named:
            raise ValueError(f"ParallelUpdater: one has to be named 'main'; got {', '.join(map(repr, named))}")
        target = find(by_name(optimizer), "main", "optimizer").target
        if devices is not None:
            models = {name: target if name == "main" else _twin(target, device) for name, device in devices.items()}
            target.to_device(devices["main"])
        assert models is not None
        if models["main"] is not target:
            raise ValueError("ParallelUpdater: models['main'] has to be the main optimizer's target")
        super().__init__(
            iterator, optimizer, converter, None, loss_func, loss_scale, auto_new_epoch, input_device=target.device
        )
        self._models = dict(models)
        self._main = target
        self._twins = [model for name, model in models.items() if name != "main"]

    def connect_trainer(self, trainer: Trainer) -> None:
        """Let the copies report, each under its own name."""
        for name, model in self._models.items():
            if name != "main":
                trainer.reporter.add_observer(name, model)
                trainer.reporter.add_observers(name, model.namedlinks(skipself=True))

    def update_core(self) -> None:
        iterator, optimizer = self._iterators["main"], self._optimizers["main"]
        for twin in self._twins:  # a file may have been loaded, or the user may have changed parameters
            twin.copyparams(self._main, copy_persistent=False)
        batch = iterator.next()
        models = [self._main, *self._twins]
        parts = [(model, batch[first :: len(models)]) for first, model in enumerate(models)]
        losses = []
        for model, part in parts:
            if len(part):
                model.cleargrads()
                arguments = self.converter(part, model.device)
                losses.append(call_with(self.loss_func or model, arguments))
        for loss in losses:
            optimizer.backpropagate(loss)
        for twin, (_, part) in zip(self._twins, parts[1:], strict=True):
            if len(part):
                self._main.addgrads(twin)
        optimizer.update()
        if self.auto_new_epoch and iterator.is_new_epoch:
            optimizer.new_epoch(auto=True)


def _twin(model: Any, device: Any) -> Any:
    twin = copy.deepcopy(model)
    for param in twin.params():
        param.update_rule = None
    twin.to_device(get_device(device))
    return twin
