"""The tests: names, devices, kernels, gradients, and no hidden synchronisation."""
