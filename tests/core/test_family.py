"""Families: which override takes a Problem, plans, contract versions, and what registration refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from kusari.backend import Backend, Family, explain, registry, use_backend
from kusari.errors import SignatureMismatch, UnknownKernel
from kusari.types import Array


class PowerProblem(NamedTuple):
    """Contract 1 had ``size`` and ``exponent``; 2 added ``negate``."""

    size: int
    exponent: int
    negate: bool = False


class Power(Family[PowerProblem]):
    """y = ±xⁿ."""

    contract: ClassVar[int] = 2
    since: ClassVar[Mapping[str, int]] = {"negate": 2}

    def forward(self, x: Array) -> Array:
        """Return y."""
        y = x**self.problem.exponent
        return -y if self.problem.negate else y

    def grad_input(self, x: Array, gy: Array) -> Array:
        """Return the gradient of x."""
        n = self.problem.exponent
        y = gy * n * x ** (n - 1)
        return -y if self.problem.negate else y


@pytest.fixture
def backend() -> Backend:
    return Backend("example", np, (np.ndarray,))


def test_without_overrides_the_definition_runs(backend: Backend) -> None:
    plan = Power.plan(backend, PowerProblem(3, 2))
    assert type(plan) is Power
    assert plan.backend is backend
    np.testing.assert_array_equal(plan.forward(np.asarray([1.0, 2.0, 3.0])), [1, 4, 9])
    np.testing.assert_array_equal(plan.grad_input(np.asarray([1.0, 2.0, 3.0]), np.ones(3)), [2, 4, 6])


def test_the_first_that_accepts_is_taken_and_the_others_say_why_not(backend: Backend) -> None:
    @backend.implements(Power)
    class Square(Power):
        contract = 2

        @classmethod
        def accepts(cls, problem: PowerProblem) -> bool | str:
            return problem.exponent == 2 or "only squares"

        def forward(self, x: Array) -> Array:
            return x * x

    @backend.implements(Power)
    class Small(Power):
        contract = 2

        @classmethod
        def accepts(cls, problem: PowerProblem) -> bool | str:
            return problem.size < 10 and problem.exponent != 5

    assert type(Power.plan(backend, PowerProblem(3, 2))) is Small  # the latest is asked first
    assert type(Power.plan(backend, PowerProblem(30, 2))) is Square
    assert type(Power.plan(backend, PowerProblem(30, 3))) is Power
    explanation = backend.explain(Power, PowerProblem(30, 3))
    assert [verdict.reason for verdict in explanation.verdicts] == [
        "accepts() said no and gave no reason",
        "only squares",
        None,
    ]
    assert explanation.chosen.override.source == "portable"
    text = str(explanation)
    assert "PowerProblem(size=30, exponent=3, negate=False)" in text
    assert "no: only squares" in text
    assert text.count("test_family.py:") == 3
    assert "able, not needed" in str(backend.explain(Power, PowerProblem(3, 2)))


def test_accepts_and_available_are_asked_once_and_again_after_a_registration(backend: Backend) -> None:
    asked: list[Any] = []

    def available(backend: Backend) -> bool | str:
        asked.append("available")
        return True

    @backend.implements(Power, available=available)
    class Observed(Power):
        contract = 2

        @classmethod
        def accepts(cls, problem: PowerProblem) -> bool | str:
            asked.append(problem)
            return True

    problem, other = PowerProblem(3, 2), PowerProblem(4, 2)
    first = Power.plan(backend, problem)
    assert Power.plan(backend, problem) is first
    assert Power.plan(backend, PowerProblem(3, 2)) is first  # an equal Problem, not the same object
    assert Power.plan(backend, other) is not first
    assert asked == ["available", problem, other]

    @backend.implements(Power)
    class Newer(Power):
        contract = 2

    assert type(Power.plan(backend, problem)) is Newer
    assert first.forward(np.asarray(2.0)) == 4  # a plan in use stays valid


def test_plans_of_backends_above_are_chosen_anew_too(backend: Backend) -> None:
    top = Backend("top", np, base=backend)
    problem = PowerProblem(3, 2)
    assert type(Power.plan(top, problem)) is Power

    @backend.implements(Power)
    class Inherited(Power):
        contract = 2

    plan = Power.plan(top, problem)
    assert type(plan) is Inherited
    assert plan.backend is top


def test_an_override_of_the_old_contract_is_not_offered_what_it_cannot_know(backend: Backend) -> None:
    @backend.implements(Power)
    class Old(Power):
        contract = 1

        def forward(self, x: Array) -> Array:
            return x**self.problem.exponent  # knows nothing of negate

    assert type(Power.plan(backend, PowerProblem(3, 2))) is Old
    assert type(Power.plan(backend, PowerProblem(3, 2, negate=False))) is Old
    plan = Power.plan(backend, PowerProblem(3, 2, negate=True))
    assert type(plan) is Power
    assert plan.forward(np.asarray(3.0)) == -9
    reason = backend.explain(Power, PowerProblem(3, 2, True)).verdicts[0].reason
    assert reason == "written for contract 1; negate=True came with contract 2"


def test_an_override_that_states_no_contract_is_refused(backend: Backend) -> None:
    class Silent(Power):
        pass

    with pytest.raises(SignatureMismatch, match=r"Silent does not say which contract .* write contract = 2 in it"):
        backend.implements(Power)(Silent)
    assert Power not in backend.overrides


def test_an_override_of_the_future_is_refused(backend: Backend) -> None:
    class Future(Power):
        contract = 3

    with pytest.raises(SignatureMismatch, match=r"for contract 3, this kusari has 2; install a newer kusari"):
        backend.implements(Power)(Future)


def test_what_is_no_subclass_is_refused(backend: Backend) -> None:
    class Stranger:
        contract = 2

    with pytest.raises(SignatureMismatch, match=r"'Stranger' is not a subclass of Power; write class \.\.\.\(Power\)"):
        backend.implements(Power)(Stranger)  # type: ignore[arg-type]


def test_a_method_with_other_parameters_is_refused(backend: Backend) -> None:
    class Fewer(Power):
        contract = 2

        def grad_input(self, gy: Array) -> Array:  # type: ignore[override]
            return gy

    expected = r"Fewer\.grad_input takes \(self, gy\), the definition takes \(self, x, gy\); give it the same"
    with pytest.raises(SignatureMismatch, match=expected):
        backend.implements(Power)(Fewer)


def test_an_override_of_an_override_inherits_its_contract(backend: Backend) -> None:
    class Fast(Power):
        contract = 1

    @backend.implements(Power)
    class Faster(Fast):
        pass

    assert type(Power.plan(backend, PowerProblem(1, 1))) is Faster
    assert Power.definition is Faster.definition is Power


def test_the_cache_of_plans_is_bounded(backend: Backend) -> None:
    made = [Power.plan(backend, PowerProblem(size, 2)) for size in range(1025)]
    assert Power.plan(backend, made[-1].problem) is made[-1]
    assert Power.plan(backend, made[0].problem) is not made[0]  # the oldest made room


class TestExplain:
    """`kusari.backend.explain`: by name, kernel or family, for a device or what is in force."""

    def test_by_name_by_family_and_by_override(self) -> None:
        class Special(Power):
            contract = 2

        for target in (Power.key, Power, Special):
            explanation = explain(target, PowerProblem(3, 2), device="numpy")
            assert (explanation.backend, explanation.kernel) == ("numpy", Power.key)
            assert explanation.chosen.override.implementation is Power

    def test_the_backend_in_force_is_the_default(self, backend: Backend) -> None:
        assert explain("relu").backend == "numpy"
        registry.add(backend)
        try:
            with use_backend(backend):
                assert explain("relu").backend == "example"
            assert explain("relu", device="example").backend == "example"
        finally:
            registry.remove("example")

    def test_mistakes(self) -> None:
        with pytest.raises(UnknownKernel, match="no kernel is called 'nosuch'"):
            explain("nosuch")
        with pytest.raises(TypeError, match=r"expected a kernel or a family from kusari\.kernels, or its name"):
            explain(np.maximum)
        with pytest.raises(TypeError, match=r"explain\(relu\): a kernel has no Problem"):
            explain("relu", PowerProblem(1, 1))
