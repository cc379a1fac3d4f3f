"""FunctionHook: watch every function that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.configuration import change_state, current_state

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from kusari.autograd.function_node import FunctionNode


class FunctionHook:
    """Watch functions: all of a ``with`` block's, in this thread, or one to which it was added.

    Subclass it and override what is wanted. Functions that run inside another's backward are seen too, between its
    ``backward_preprocess`` and ``backward_postprocess``. Where a forward or backward raises, ``failed`` is called in
    the place of its postprocess.

    >>> from kusari.autograd import Variable
    >>> class Print(FunctionHook):
    ...     name = "print"
    ...
    ...     def forward_postprocess(self, function, in_data):
    ...         print(function.label, in_data[0].shape)
    >>> with Print():
    ...     y = Variable(np.ones((2, 3), "f")) + 1
    _ + 1 (2, 3)
    """

    name = "FunctionHook"

    def __enter__(self) -> Self:
        hooks = current_state().function_hooks
        if any(name == self.name for name, _ in hooks):
            raise KeyError(f"a function hook called {self.name!r} is in force already")
        self.added(None)
        change_state(function_hooks=(*current_state().function_hooks, (self.name, self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        hooks = current_state().function_hooks
        change_state(function_hooks=tuple([(name, hook) for name, hook in hooks if hook is not self]))
        self.deleted(None)

    def added(self, function: FunctionNode | None) -> None:
        """Called when the hook comes into force; with None for a ``with`` block."""

    def deleted(self, function: FunctionNode | None) -> None:
        """Called when it goes out of force."""

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        """Called before forward, with the inputs' arrays."""

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        """Called after forward."""

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        """Called before backward, with the retained inputs' arrays and the outputs' gradients."""

    def backward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        """Called after backward."""

    def failed(self, function: FunctionNode, error: BaseException) -> None:
        """Called instead of the postprocess that would have ended the last preprocess, with what was raised."""


def show_failure(hooks: list[FunctionHook], function: FunctionNode, error: BaseException) -> None:
    """Show hooks the end of a failed call; what they fail with themselves must not hide why it failed."""
    for hook in hooks:
        try:
            hook.failed(function, error)
        except Exception as second:  # noqa: BLE001  # any hook, any error: it is reported with the first
            error.add_note(f"function hook {hook.name!r} failed on this, too: {type(second).__name__}: {second}")
