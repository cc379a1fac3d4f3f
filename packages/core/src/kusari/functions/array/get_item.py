"""`get_item` at its documented path; defined with Variable's own operators."""

from kusari.autograd.arithmetic import GetItem as GetItem
from kusari.autograd.arithmetic import GetItemGrad as GetItemGrad
from kusari.autograd.arithmetic import get_item as get_item
