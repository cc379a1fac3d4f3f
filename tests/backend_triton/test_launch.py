"""What the compiler is told of a launch's arguments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kusari_triton.launch import Launch, Pointer, element_strides, specialize


def launch(**arguments: Any) -> Launch:
    """A launch of a function with these parameters; those in capitals are constants."""
    parameters = [SimpleNamespace(name=name, is_constexpr=name.isupper()) for name in arguments]
    return Launch(SimpleNamespace(params=parameters), (1, 1, 1), arguments, 4, 1)


def test_types_constants_and_divisibility() -> None:
    found = specialize(
        launch(
            x=Pointer("bfloat16"), y=Pointer("bool", aligned=False), b=None, n=48, m=7, unit=1, far=2**31 + 1,
            rate=0.5, wide=np.float64(0.5), BLOCK=1024,
        )
    )  # fmt: skip
    assert found.signature == {
        "x": "*bf16", "y": "*i1", "b": "constexpr", "n": "i32", "m": "i32", "unit": "constexpr", "far": "i64",
        "rate": "fp32", "wide": "fp64", "BLOCK": "constexpr",
    }  # fmt: skip
    assert found.constants == {"b": None, "unit": 1, "BLOCK": 1024}
    assert set(found.attributes) == {(0,), (3,)}  # x and n


def test_an_array_is_aligned_where_its_first_element_is() -> None:
    memory = np.zeros(64, "f")
    start = (-memory.ctypes.data % 16) // 4
    assert specialize(launch(x=memory[start:])).attributes
    assert not specialize(launch(x=memory[start + 1 :])).attributes


@pytest.mark.parametrize("value", [True, "text", 1j])
def test_what_is_no_argument_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="argument 'n' is"):
        specialize(launch(n=value))


def test_strides_in_elements() -> None:
    assert element_strides(np.zeros((4, 6), "d")[::2, ::-1]) == (12, -1)
    assert element_strides(np.zeros(3, [("flag", "i1"), ("value", "f4")])["value"]) is None
    assert element_strides(np.zeros(3, ">f4")) is None
