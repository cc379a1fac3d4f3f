"""`sum` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import Sum as Sum
from kusari.autograd.arithmetic import SumTo as SumTo
from kusari.autograd.arithmetic import sum as sum
from kusari.autograd.arithmetic import sum_to as sum_to
