"""Kusari on arrays of array_api_strict."""
