"""`cast` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import Cast as Cast
from kusari.autograd.arithmetic import cast as cast
