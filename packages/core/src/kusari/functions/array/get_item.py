"""`get_item` at its documented path; defined with Variable's own operators."""

from kusari.autograd.shaping import GetItem as GetItem
from kusari.autograd.shaping import GetItemGrad as GetItemGrad
from kusari.autograd.shaping import get_item as get_item
