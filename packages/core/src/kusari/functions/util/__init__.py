"""Functions: utilities."""
