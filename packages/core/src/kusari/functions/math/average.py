"""Weighted mean over axes; defined with Variable's own operators."""

from kusari.autograd.average import average as average
from kusari.autograd.shaping import Mean as Mean

mean = average
"""Another name of `average`."""
