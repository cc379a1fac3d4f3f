"""`sum` at its documented path; defined with Variable's own operators."""

from kusari.autograd.shaping import Sum as Sum
from kusari.autograd.shaping import SumTo as SumTo
from kusari.autograd.shaping import sum as sum
from kusari.autograd.shaping import sum_to as sum_to
