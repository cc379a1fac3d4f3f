"""Layers that connect."""
