"""The operations an elementwise kernel may use: array-API names, grouped by what they do to dtypes."""

from __future__ import annotations

from collections.abc import Mapping

# name -> number of operands. The result has the dtype to which the operands promote.
ARITHMETIC: Mapping[str, int] = {
    "add": 2, "subtract": 2, "multiply": 2, "divide": 2, "pow": 2, "maximum": 2, "minimum": 2,
    "negative": 1, "abs": 1, "square": 1, "reciprocal": 1, "sign": 1,
}  # fmt: skip

# The result is floating whatever the operands are.
FLOATING: Mapping[str, int] = {
    "exp": 1, "expm1": 1, "log": 1, "log1p": 1, "log2": 1, "log10": 1, "sqrt": 1,
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1,
    "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1, "acosh": 1, "atanh": 1,
    "atan2": 2, "hypot": 2, "copysign": 2,
}  # fmt: skip

# Integers and booleans pass through unchanged.
ROUNDING: Mapping[str, int] = {"floor": 1, "ceil": 1, "trunc": 1, "round": 1}

# The result is bool.
TEST: Mapping[str, int] = {
    "greater": 2, "greater_equal": 2, "less": 2, "less_equal": 2, "equal": 2, "not_equal": 2,
    "isnan": 1, "isfinite": 1, "isinf": 1,
}  # fmt: skip

# bool in, bool out.
LOGIC: Mapping[str, int] = {"logical_and": 2, "logical_or": 2, "logical_xor": 2, "logical_not": 1}

OPERATIONS: Mapping[str, int] = {**ARITHMETIC, **FLOATING, **ROUNDING, **TEST, **LOGIC, "where": 3}

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64",
)  # fmt: skip

# What is most often reached for and is not elementwise: the refusal says what to do about it.
REDUCTIONS = frozenset([
    "all", "any", "argmax", "argmin", "argsort", "count_nonzero", "cumulative_prod", "cumulative_sum", "matmul",
    "max", "mean", "min", "prod", "searchsorted", "sort", "std", "sum", "tensordot", "unique_values", "var", "vecdot",
])  # fmt: skip
SHAPES = frozenset([
    "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "matrix_transpose", "moveaxis", "nonzero",
    "permute_dims", "repeat", "reshape", "roll", "squeeze", "stack", "take", "take_along_axis", "tile", "tril",
    "triu", "unstack",
])  # fmt: skip
CREATION = frozenset([
    "arange", "asarray", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "zeros",
    "zeros_like",
])  # fmt: skip
