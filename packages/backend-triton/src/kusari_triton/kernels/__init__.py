"""Overrides: one file for each file of ``kusari.kernels`` that has some, and the device code that they launch."""
