"""`cast` at its documented path; defined with Variable's own operators."""

from kusari.autograd.shaping import Cast as Cast
from kusari.autograd.shaping import cast as cast
