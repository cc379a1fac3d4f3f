"""Functions: array."""
