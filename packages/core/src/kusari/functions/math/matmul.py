"""`matmul` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import MatMul as MatMul
from kusari.autograd.arithmetic import matmul as matmul
