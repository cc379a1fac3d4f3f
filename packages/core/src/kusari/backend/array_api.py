"""The names of the array API standard 2024.12 that portable code may use: what a backend's ``xp`` must have."""

from __future__ import annotations

from typing import Final

NAMES: Final = frozenset(
    """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh
    bitwise_and bitwise_invert bitwise_or bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip concat
    copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal exp
    expand_dims expm1 eye finfo flip float32 float64 floor floor_divide from_dlpack full full_like greater
    greater_equal hypot iinfo inf int16 int32 int64 int8 isdtype isfinite isin isinf isnan less less_equal linspace
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max
    maximum mean meshgrid min minimum moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones
    ones_like permute_dims pi positive pow prod reciprocal remainder repeat reshape result_type roll round
    searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan
    tanh tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unstack var vecdot where zeros zeros_like
    """.split()
)


EXTENSIONS: Final = {
    "linalg": "inv det cholesky",
    "fft": "fft ifft, and complex64 complex128 real imag of the main namespace",
}
"""Optional parts of the standard, and what portable code takes from them.

A kernel that needs one says so, ``@kernel(extension="linalg")``; where ``xp`` lacks that, it runs on the host.
"""


def missing_names(xp: object) -> list[str]:
    """Return the names that ``xp`` lacks, sorted.

    >>> missing_names(np)
    []
    """
    return sorted(name for name in NAMES if not hasattr(xp, name))
