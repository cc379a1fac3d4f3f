"""Activations with parameters of their own."""
