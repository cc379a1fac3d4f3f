"""Numbers: kernels over the array API, one portable definition each. Importing this loads every kernel."""

from kusari.kernels import activation as activation
from kusari.kernels import conv as conv
from kusari.kernels import gradient as gradient
from kusari.kernels import indexing as indexing
from kusari.kernels import linear as linear
from kusari.kernels import pooling as pooling
from kusari.kernels import scatter as scatter
from kusari.kernels import softmax as softmax
from kusari.kernels import update as update
