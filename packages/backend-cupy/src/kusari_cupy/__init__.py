"""Kusari on CuPy arrays: NVIDIA GPUs."""
