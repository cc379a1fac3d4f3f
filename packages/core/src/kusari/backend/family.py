"""Families: kernels that share state between forward and backward, planned per Problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from kusari.backend.kernel import CONTRACT, register_name

if TYPE_CHECKING:
    from kusari.backend.backend import Backend

Q = TypeVar("Q")
"""A family's Problem: a NamedTuple of shapes, dtypes, layout and static arguments; hashable."""


class Family(Generic[Q]):
    """Kernels that belong together, such as a convolution and its gradients.

    A direct subclass is the *definition*: portable code in array-API calls, documented method by method. A
    subclass of a definition is an *override*: it states the contract version it was written for, says in `accepts`
    which Problems it takes, and replaces the methods it wants to.

    An instance is a *plan*: bound to a backend and a Problem, holding nothing of any one call. Plans are cached by
    Problem; a function node keeps the plan that forward chose and runs backward under it.
    """

    contract: ClassVar[int] = CONTRACT
    """The contract version that the class was written for. An override must state its own."""

    since: ClassVar[Mapping[str, int]] = {}
    """Problem field -> the contract version that added it. Older overrides are offered its default only."""

    definition: ClassVar[type[Family[Any]]]
    key: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Family in cls.__bases__:
            cls.definition = cls
            cls.key = register_name(cls, cls)

    def __init__(self, backend: Backend, problem: Q) -> None:
        self.backend = backend
        self.problem = problem

    @classmethod
    def accepts(cls, problem: Q) -> bool | str:
        """Return True when this implementation takes ``problem``, else the reason why not. Pure and cheap."""
        return True

    @classmethod
    def plan(cls, backend: Backend, problem: Q) -> Self:
        """Return the plan in force for ``problem``: 0.4 µs when it was seen before."""
        choose: Callable[[Q], Self] = backend.table[cls.definition]
        return choose(problem)
