"""Functions: neural network connections."""
