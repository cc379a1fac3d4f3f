"""Functions that normalize."""
