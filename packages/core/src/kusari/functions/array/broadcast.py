"""`broadcast_to` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import BroadcastTo as BroadcastTo
from kusari.autograd.arithmetic import broadcast_to as broadcast_to
from kusari.autograd.arithmetic import sum_to as sum_to
