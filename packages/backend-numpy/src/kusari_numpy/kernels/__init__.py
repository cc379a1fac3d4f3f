"""Overrides: one file for each file of ``kusari.kernels`` that has some."""
