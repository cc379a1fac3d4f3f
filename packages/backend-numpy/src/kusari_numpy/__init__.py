"""Kusari on NumPy."""

from kusari_numpy.backend import open_backend as open_backend
