"""Kusari on NumPy."""
