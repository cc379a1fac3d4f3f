"""Functions: noise injections."""
