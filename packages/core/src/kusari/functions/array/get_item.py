"""`get_item` at its documented path; defined with Variable's own operators."""

from kusari.autograd.indexing import GetItem as GetItem
from kusari.autograd.indexing import GetItemGrad as GetItemGrad
from kusari.autograd.indexing import get_item as get_item
