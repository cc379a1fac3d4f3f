"""Functions: pooling."""
