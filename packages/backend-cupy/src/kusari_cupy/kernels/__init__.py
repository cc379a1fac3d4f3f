"""CuPy's own kernels; the modules are named as core's are."""
