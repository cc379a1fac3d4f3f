"""Links that several test modules use."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.model import Link, Parameter


class Scale(Link):
    """y = W x + b, elementwise."""

    def __init__(self, value: Any = 2.0, size: int | None = 2) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(value, size)
            self.b = Parameter(0, 2)

    def forward(self, x: Any) -> Variable:
        return self.W * x + self.b


class Forgetful(Link):
    """A link whose __init__ does not call super's."""

    def __init__(self) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x


def paths(link: Link, **arguments: Any) -> list[str]:
    return [path for path, _ in link.namedparams(**arguments)]
