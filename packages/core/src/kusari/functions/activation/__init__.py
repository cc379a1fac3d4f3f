"""Functions: activation."""
