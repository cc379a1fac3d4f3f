"""Loops compiled by numba. Each module is imported when the first plan needs it, and compiled on its first call."""
