"""`transpose` at its documented path; defined with Variable's own operators."""

from kusari.autograd.shaping import Transpose as Transpose
from kusari.autograd.shaping import transpose as transpose
