"""Not run: mypy --strict must reject exactly the lines that are marked (see test_typed_overrides.py)."""

from __future__ import annotations

from typing import Any, NamedTuple

from kusari.backend import Backend, Family, kernel
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.types import Array

BACKEND = Backend("example", None, (list,))


@kernel
def affine(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    """A kernel."""
    return x


# Calls. -------------------------------------------------------------------------------------------------------------
def calls(x: Array, W: Array) -> Array:
    affine(BACKEND, x)  # error
    affine(BACKEND, x, W, scales=2.0)  # error
    affine(BACKEND, x, W, scale="2")  # error
    affine(x, W)  # error
    affine(BACKEND, 1, W)  # error
    affine(BACKEND, x, W).append(1)  # error
    return affine(BACKEND, x, W, scale=2.0)


# Overrides of kernels. ----------------------------------------------------------------------------------------------
@BACKEND.implements(affine)
def good(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    return x


@BACKEND.implements(affine, available=lambda backend: backend.on_host or "needs the host")
def good_where_available(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    return x


@BACKEND.implements(affine)  # error
def one_more(backend: Backend, x: Array, W: Array, b: Array | None, scale: float, more: int) -> Array:
    return x


@BACKEND.implements(affine)  # error
def other_result(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> int:
    return 1


@BACKEND.implements(affine)  # error
def other_type(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: str = "") -> Array:
    return x


@BACKEND.implements(affine)  # error
def not_optional(backend: Backend, x: Array, W: Array, b: Array, scale: float = 1.0) -> Array:
    return x


@BACKEND.implements(affine)  # error
def no_backend(x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    return x


@BACKEND.implements(affine)  # error
def renamed(backend: Backend, x: Array, weight: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    return x


@BACKEND.implements(affine, available=lambda backend: 1.5)  # error
def unclear(backend: Backend, x: Array, W: Array, b: Array | None = None, scale: float = 1.0) -> Array:
    return x


# Overrides of families. ---------------------------------------------------------------------------------------------
@BACKEND.implements(Convolution)
class Good(Convolution):
    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        return problem.window.size == (3, 3) or "only 3×3"

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        return x * 1


@BACKEND.implements(Convolution)
class FewerParameters(Convolution):
    contract = 1

    def forward(self, x: Array, W: Array) -> Array:  # error
        return x


@BACKEND.implements(Convolution)
class OtherResult(Convolution):
    contract = 1

    def grad_bias(self, gy: Array) -> float:  # error
        return 0.0


@BACKEND.implements(Convolution)  # error
class NotAMember:
    contract = 1


@BACKEND.implements(Convolution)
class OtherProblem(Convolution):
    contract = 1

    @classmethod
    def accepts(cls, problem: int) -> bool | str:  # error
        return True


@BACKEND.implements(Convolution)
class MisspeltField(Convolution):
    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        return problem.widnow.size == (3, 3)  # error


@BACKEND.implements(Convolution)
class OtherContract(Convolution):
    contract = "1"  # error


class OwnProblem(NamedTuple):
    size: int


class Own(Family[OwnProblem]):
    def run(self, x: Array) -> Array:
        return x * self.problem.size

    def misspelt(self, x: Array) -> Array:
        return x * self.problem.sizes  # error


def plans(problem: ConvolutionProblem) -> Any:
    Convolution.plan(BACKEND, 3)  # error
    Own.plan(BACKEND, problem)  # error
    Own.plan(BACKEND, OwnProblem(1)).forward()  # error
    Convolution.plan(problem, BACKEND)  # error
    return Convolution.plan(BACKEND, problem).forward
