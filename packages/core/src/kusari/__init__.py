"""Kusari: define-by-run deep learning over pluggable backends."""
