"""Functions: evaluation."""
