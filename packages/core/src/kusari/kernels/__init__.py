"""Numbers: kernels over the array API, one portable definition each. Importing this loads every kernel."""

from kusari.kernels import activation as activation
from kusari.kernels import conv as conv
from kusari.kernels import einsum as einsum
from kusari.kernels import elementwise as elementwise
from kusari.kernels import evaluation as evaluation
from kusari.kernels import fourier as fourier
from kusari.kernels import gradient as gradient
from kusari.kernels import im2col as im2col
from kusari.kernels import indexing as indexing
from kusari.kernels import linalg as linalg
from kusari.kernels import linear as linear
from kusari.kernels import noise as noise
from kusari.kernels import pooling as pooling
from kusari.kernels import reduction as reduction
from kusari.kernels import resize as resize
from kusari.kernels import rnn as rnn
from kusari.kernels import sampling as sampling
from kusari.kernels import scan as scan
from kusari.kernels import scatter as scatter
from kusari.kernels import softmax as softmax
from kusari.kernels import sparse as sparse
from kusari.kernels import special as special
from kusari.kernels import update as update
