"""`transpose` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import Transpose as Transpose
from kusari.autograd.arithmetic import transpose as transpose
