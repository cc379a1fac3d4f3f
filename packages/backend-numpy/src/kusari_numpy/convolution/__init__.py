"""The ways to convolve: one module each; ``kernels/conv.py`` says in which order they are asked."""
