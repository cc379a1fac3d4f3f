"""Variables at their documented path."""

from kusari.autograd import Variable as Variable
from kusari.autograd import VariableNode as VariableNode
from kusari.autograd import as_array as as_array
from kusari.autograd import as_variable as as_variable
from kusari.autograd.parameter import Parameter as Parameter
