"""Elementwise kernels as expression trees: traced once, then evaluated or rendered as one fused loop."""

from __future__ import annotations

from kusari.backend.expression.dtypes import Dtypes as Dtypes
from kusari.backend.expression.dtypes import infer_dtypes as infer_dtypes
from kusari.backend.expression.evaluate import evaluate as evaluate
from kusari.backend.expression.program import Expression as Expression
from kusari.backend.expression.program import Instruction as Instruction
from kusari.backend.expression.program import NotElementwise as NotElementwise
from kusari.backend.expression.render import INFIX as INFIX
from kusari.backend.expression.render import Prologue as Prologue
from kusari.backend.expression.render import Statement as Statement
from kusari.backend.expression.render import Syntax as Syntax
from kusari.backend.expression.render import prologue as prologue
from kusari.backend.expression.render import prologue_function as prologue_function
from kusari.backend.expression.render import results as results
from kusari.backend.expression.render import scalar_dtypes as scalar_dtypes
from kusari.backend.expression.render import statements as statements
from kusari.backend.expression.trace import parameter_kinds as parameter_kinds
from kusari.backend.expression.trace import trace as trace
