"""Type checks at their documented path: what `FunctionNode.check_type_forward` is written with."""

from kusari.autograd.type_check import TypeInfo as TypeInfo
from kusari.autograd.type_check import TypeInfoTuple as TypeInfoTuple
from kusari.autograd.type_check import expect as expect
from kusari.autograd.type_check import get_light_types as get_light_types
from kusari.autograd.type_check import get_types as get_types
from kusari.autograd.type_expression import Expression as Expr
from kusari.autograd.type_expression import Variable as Variable
from kusari.autograd.type_expression import eval as eval
from kusari.autograd.type_expression import make_variable as make_variable
from kusari.autograd.type_expression import prod as prod
from kusari.autograd.type_expression import same_types as same_types
from kusari.errors import InvalidType as InvalidType

__all__ = [
    "Expr",
    "InvalidType",
    "TypeInfo",
    "TypeInfoTuple",
    "Variable",
    "eval",
    "expect",
    "get_light_types",
    "get_types",
    "make_variable",
    "prod",
    "same_types",
]
