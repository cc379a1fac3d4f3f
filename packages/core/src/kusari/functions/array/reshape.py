"""`reshape` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import Reshape as Reshape
from kusari.autograd.arithmetic import reshape as reshape
