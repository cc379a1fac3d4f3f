"""Functions: utilities."""

from kusari.functions.util.forget import forget as forget
