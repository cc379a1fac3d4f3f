"""Derivatives: Variables, the functions that made them, and backpropagation."""

from kusari.autograd import operators as operators
from kusari.autograd.function import Function as Function
from kusari.autograd.function import FunctionAdapter as FunctionAdapter
from kusari.autograd.function_hook import FunctionHook as FunctionHook
from kusari.autograd.function_node import FunctionNode as FunctionNode
from kusari.autograd.interchange import from_dlpack as from_dlpack
from kusari.autograd.mode import backward as backward
from kusari.autograd.mode import force_backprop_mode as force_backprop_mode
from kusari.autograd.mode import grad as grad
from kusari.autograd.mode import no_backprop_mode as no_backprop_mode
from kusari.autograd.node import VariableNode as VariableNode
from kusari.autograd.variable import Variable as Variable
from kusari.autograd.variable import as_array as as_array
from kusari.autograd.variable import as_variable as as_variable
