"""A model with its loss and accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.functions import accuracy, softmax_cross_entropy
from kusari.model import Chain
from kusari.reporter import report


class Classifier(Chain):
    """A predictor with a loss: called with inputs and a label, it returns the loss, and reports it and the accuracy.

    Args:
        predictor: The link that is trained.
        lossfun: ``lossfun(y, t)`` returns the loss.
        accfun: ``accfun(y, t)`` returns the accuracy.
        label_key: Which argument is the label: a number, for a positional one, or a keyword.

    Attributes:
        predictor: As given.
        lossfun: As given.
        accfun: As given.
        compute_accuracy: Whether to compute and report the accuracy. Default: True.
        y: The last prediction.
        loss: The last loss.
        accuracy: The last accuracy.

    Raises:
        TypeError: ``label_key`` is neither a number nor a keyword.

    >>> model = Classifier(L.Linear(3, 2))
    >>> loss = model(np.zeros((4, 3), "f"), np.asarray([0, 1, 1, 0]))
    >>> round(loss.item(), 4)
    0.6931
    """

    compute_accuracy = True

    def __init__(
        self,
        predictor: Any,
        lossfun: Callable[..., Any] = softmax_cross_entropy,
        accfun: Callable[..., Any] = accuracy,
        label_key: int | str = -1,
    ) -> None:
        if not isinstance(label_key, int | str):
            raise TypeError(f"label_key must be int or str, but is {type(label_key)}")
        super().__init__()
        self.lossfun = lossfun
        self.accfun = accfun
        self.y: Any = None
        self.loss: Any = None
        self.accuracy: Any = None
        self.label_key = label_key
        with self.init_scope():
            self.predictor = predictor

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch.

        Args:
            *args: The predictor's arguments, and the label where ``label_key`` says.
            **kwargs: As well.

        Raises:
            ValueError: No argument at ``label_key``.
        """
        if isinstance(self.label_key, int):
            if not -len(args) <= self.label_key < len(args):
                raise ValueError(f"Label key {self.label_key} is out of bounds: {len(args)} positional argument(s)")
            position = self.label_key % len(args)
            t, args = args[position], args[:position] + args[position + 1 :]
        elif self.label_key in kwargs:
            t = kwargs.pop(self.label_key)
        else:
            raise ValueError(f'Label key "{self.label_key}" is not found among the keywords: {", ".join(kwargs)}')
        self.y = self.loss = self.accuracy = None  # the last graph goes before the new one is made
        self.y = self.predictor(*args, **kwargs)
        self.loss = self.lossfun(self.y, t)
        report({"loss": self.loss}, self)
        if self.compute_accuracy:
            self.accuracy = self.accfun(self.y, t)
            report({"accuracy": self.accuracy}, self)
        return self.loss
