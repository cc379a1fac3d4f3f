"""`add` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import Absolute as Absolute
from kusari.autograd.arithmetic import Add as Add
from kusari.autograd.arithmetic import Div as Div
from kusari.autograd.arithmetic import Mul as Mul
from kusari.autograd.arithmetic import Neg as Neg
from kusari.autograd.arithmetic import Sub as Sub
from kusari.autograd.arithmetic import absolute as absolute
from kusari.autograd.arithmetic import add as add
from kusari.autograd.arithmetic import divide as divide
from kusari.autograd.arithmetic import multiply as multiply
from kusari.autograd.arithmetic import negative as negative
from kusari.autograd.arithmetic import power as power
from kusari.autograd.arithmetic import subtract as subtract
