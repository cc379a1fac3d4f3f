"""Extension: what a trainer runs besides the updates."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer

C = TypeVar("C", bound=Callable[..., Any])

PRIORITY_WRITER: Final = 300
"""Of extensions that write into ``trainer.observation``: they run first."""
PRIORITY_EDITOR: Final = 200
"""Of extensions that change what is in ``trainer.observation``."""
PRIORITY_READER: Final = 100
"""Of extensions that only read ``trainer.observation``."""


class Extension:
    """Something that a trainer calls after updates, when its trigger says so.

    Subclasses define ``__call__``, and of the other methods what they need. Any function of the trainer is an
    extension, too.
    """

    trigger: Any = (1, "iteration")
    """When it runs, unless ``trainer.extend(trigger=...)`` says something else."""
    priority: int = PRIORITY_READER
    """Those with a higher one run first."""
    name: str | None = None
    """What the trainer knows it by; `Trainer.extend` sets it."""
    after_all: ClassVar[bool] = False
    """Run when an iteration is over: all others have run, and all triggers have been asked. Such an extension may
    restore the trainer in ``initialize``, which is called before that of the others."""

    @property
    def default_name(self) -> str:
        """What it is called where nobody gave it a name."""
        return type(self).__name__

    def __call__(self, trainer: Trainer) -> Any:
        """Run once.

        Args:
            trainer: Its ``observation`` has what this iteration reported.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(trainer)")

    def initialize(self, trainer: Trainer) -> Any:
        """Get ready: called once, before the first iteration of a run, a resumed one included."""

    def finalize(self) -> Any:
        """Tidy up: called once when the run ends, however it ends."""

    def on_error(self, trainer: Trainer, exc: Exception, tb: TracebackType | None) -> Any:
        """Do what is to be done when the run ends with an error, before `finalize`."""

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load what a resumed run needs."""


def make_extension(
    trigger: Any = None,
    default_name: str | None = None,
    priority: int | None = None,
    finalizer: Callable[[], Any] | None = None,
    initializer: Callable[[Any], Any] | None = None,
    on_error: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> Callable[[C], C]:
    """Return a decorator that gives a function the attributes of an extension.

    Args:
        trigger: When it runs. Default: every iteration.
        default_name: What the trainer calls it. Default: the function's name.
        priority: Those with a higher one run first. Default: PRIORITY_READER.
        finalizer: Called without arguments when the run ends.
        initializer: Called with the trainer before the first iteration.
        on_error: Called with the trainer, the exception and its traceback when the run fails.
        **kwargs: None; the old ``invoke_before_training`` is refused with advice.

    Raises:
        ValueError: ``invoke_before_training``.
        TypeError: Another keyword.

    >>> @make_extension(trigger=(10, "iteration"))
    ... def say_hello(trainer):
    ...     print("hello")
    >>> say_hello.trigger, say_hello.priority
    ((10, 'iteration'), 100)
    """
    refuse_unknown("make_extension", kwargs)

    def decorate(extension: C) -> C:
        vars(extension).update(
            trigger=Extension.trigger if trigger is None else trigger,
            default_name=default_name or extension.__name__,
            priority=PRIORITY_READER if priority is None else priority,
            finalize=finalizer,
            initialize=initializer,
            on_error=on_error,
        )
        return extension

    return decorate


def refuse_unknown(function: str, keywords: dict[str, Any]) -> None:
    """Raise unless there are none of these keywords."""
    if "invoke_before_training" in keywords:
        raise ValueError(
            f"{function}(invoke_before_training=...) is gone: use initializer=, or extend(call_before_training=True)"
        )
    if keywords:
        raise TypeError(f"{function}() got unexpected keyword(s) {', '.join(keywords)}")
