"""Kusari's kernels in Triton."""
