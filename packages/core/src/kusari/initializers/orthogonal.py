"""Random matrices with orthogonal rows or columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kusari.backend import host_generator
from kusari.dtypes import DTypeLike
from kusari.initializers.initializer import HostArray, Initializer, refuse_unknown

MODES = ("auto", "projection", "embedding", "basis")


class Orthogonal(Initializer):
    """Fill with scale · Q, Q drawn evenly from the matrices with orthonormal rows or columns.

    Q = (O, I), every axis after the first taken together: Q Qᵀ = 1 for O ≤ I, Qᵀ Q = 1 for O ≥ I.

    Args:
        scale: What Q is multiplied by; a little more than 1 makes up for the activation.
        dtype: What the array is to have; None: ``config.dtype``.
        mode: What to insist on: ``projection`` (O ≤ I), ``embedding`` (O ≥ I), ``basis`` (O = I), or ``auto``.
        **kwargs: ``rng``: where to draw from, an object with NumPy's ``normal``; None: the stream that `kusari.seed`
            seeds.

    Raises:
        ValueError: Another mode.

    Source: Saxe, McClelland, Ganguli, 2014, arXiv:1312.6120; the draw: Mezzadri, 2007, arXiv:math-ph/0609050.

    >>> Q = kusari.initializers.generate_array(Orthogonal(1.0), (3, 5), np, dtype="float64")
    >>> np.allclose(Q @ Q.T, np.eye(3))
    True
    """

    def __init__(self, scale: float = 1.1, dtype: DTypeLike = None, mode: str = "auto", **kwargs: Any) -> None:
        super().__init__(dtype)
        if mode not in MODES:
            raise ValueError(f"Orthogonal(mode={mode!r}): expected one of {', '.join(MODES)}")
        self.scale = scale
        self.mode = mode
        self.rng = kwargs.pop("rng", None)
        refuse_unknown(self, kwargs, "rng")

    def __call__(self, array: HostArray) -> None:
        """Fill ``array`` in place.

        Raises:
            ValueError: No axes or no elements, or a shape that the mode does not allow.
        """
        self.check_dtype(array)
        if array.ndim == 0 or array.size == 0:
            raise ValueError(f"Orthogonal: expected at least one axis and one element, got shape {array.shape}")
        outside, inside = len(array), math.prod(array.shape[1:])
        self._check_mode(outside, inside)
        rng = host_generator() if self.rng is None else self.rng
        drawn = rng.normal(0.0, 1.0, (max(outside, inside), min(outside, inside)))
        q, r = np.linalg.qr(drawn)
        # Without the signs of R's diagonal Q is not evenly distributed: QR fixes them by convention.
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        array[...] = self.scale * (q if outside >= inside else q.T).reshape(array.shape)

    def _check_mode(self, outside: int, inside: int) -> None:
        allowed = {"projection": outside <= inside, "embedding": outside >= inside, "basis": outside == inside}
        if not allowed.get(self.mode, True):
            relation = {"projection": "O ≤ I", "embedding": "O ≥ I", "basis": "O = I"}[self.mode]
            raise ValueError(f"Orthogonal(mode={self.mode!r}) needs {relation}; the shape has O={outside}, I={inside}")
