"""Random numbers drawn on the device: each is a function of the seed and of its number in the stream."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kusari.dtypes import host_dtype

if TYPE_CHECKING:
    from kusari.backend import Backend

PHILOX: Final = """
struct Words { unsigned int w[4]; };

// Philox4x32 in 10 rounds: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011).
__device__ Words philox(unsigned long long key, unsigned long long low, unsigned long long high) {
  Words c = {{(unsigned int)low, (unsigned int)(low >> 32), (unsigned int)high, (unsigned int)(high >> 32)}};
  unsigned int k0 = (unsigned int)key, k1 = (unsigned int)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const unsigned long long a = 0xD2511F53ULL * c.w[0], b = 0xCD9E8D57ULL * c.w[2];
    c = {{(unsigned int)(b >> 32) ^ c.w[1] ^ k0, (unsigned int)b, (unsigned int)(a >> 32) ^ c.w[3] ^ k1,
          (unsigned int)a}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

__device__ unsigned long long wide(const Words& drawn, int place) {
  return (unsigned long long)drawn.w[place] << 32 | drawn.w[place + 1];
}

// Evenly from [0, 1), in steps of 2 to the power of -53.
__device__ double unit(const Words& drawn, int place) {
  return (double)(wide(drawn, place) >> 11) * (1.0 / 9007199254740992.0);
}
"""
UNIFORM: Final = """
const double drawn = low + (high - low) * unit(philox(key, first + i, 0), 0);
y = (T)drawn;
if (!((double)y < high)) y = (T)below;  // rounded up to it
"""
# By Box and Muller, in double: float's logarithm of the smallest draws would cut the tails off at 5.8 deviations.
NORMAL: Final = """
const Words words = philox(key, first + i, 0);
y = (T)(mean + deviation * sqrt(-2.0 * log(1.0 - unit(words, 0))) * cospi(2.0 * unit(words, 2)));
"""
# The high word of a product spreads 64 bits over the range: no number is preferred by more than range / 2 ** 64.
INTEGERS: Final = """
y = (T)(low + (long long)__umul64hi(wide(philox(key, first + i, 0), 0), range));
"""
_KEY: Final = "uint64 key, uint64 first"


class CupyRandom:
    """Draw on the device by a counter: the state is two numbers, and one seed gives the same on every GPU.

    Args:
        backend: Whose dtypes and devices.
        cupy: The module.
        seed: None: from the operating system.
    """

    def __init__(self, backend: Backend, cupy: ModuleType, seed: int | None) -> None:
        self._backend = backend
        self._cupy = cupy
        self._key = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self._drawn = 0

    def uniform(self, shape: tuple[int, ...], dtype: Any, low: float = 0.0, high: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from [low, high)."""
        kind = host_dtype(dtype).type
        below = float(np.nextafter(kind(high), kind(low)))
        return self._draw("uniform", shape, dtype, index, low, high, below)

    def normal(self, shape: tuple[int, ...], dtype: Any, mean: float = 0.0, std: float = 1.0, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn from N(mean, std²)."""
        return self._draw("normal", shape, dtype, index, mean, std)

    def integers(self, shape: tuple[int, ...], low: int, high: int, dtype: Any, index: int = 0) -> Any:
        """Return an array of ``dtype`` drawn evenly from low … high - 1.

        Raises:
            ValueError: There is no number from ``low`` to ``high`` - 1.
        """
        if low >= high:
            raise ValueError(f"integers from {low} to {high} - 1: there is none; expected low < high")
        return self._draw("integers", shape, dtype, index, low, high - low)

    def get_state(self) -> dict[str, int]:
        """Return the seed's key and how many numbers were drawn."""
        return {"key": self._key, "drawn": self._drawn}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on where `get_state` was called."""
        self._key, self._drawn = state["key"], state["drawn"]

    def _draw(self, kind: str, shape: tuple[int, ...], dtype: Any, index: int, *numbers: float) -> Any:
        with self._backend.use(index):
            drawn = self._cupy.empty(shape, self._backend.native_dtype(dtype))
            if drawn.size:
                # As NumPy's: a Python int beyond 63 bits has no dtype of CuPy's.
                _kernels(self._cupy)[kind](np.uint64(self._key), np.uint64(self._drawn), *numbers, drawn)
        self._drawn += math.prod(shape)
        return drawn


@functools.cache
def _kernels(cupy: ModuleType) -> dict[str, Any]:
    written = {
        "uniform": ("float64 low, float64 high, float64 below", UNIFORM),
        "normal": ("float64 mean, float64 deviation", NORMAL),
        "integers": ("int64 low, uint64 range", INTEGERS),
    }
    return {
        kind: cupy.ElementwiseKernel(
            f"{_KEY}, {arguments}", "T y", body, f"kusari_{kind}", preamble=PHILOX, no_return=True
        )
        for kind, (arguments, body) in written.items()
    }
