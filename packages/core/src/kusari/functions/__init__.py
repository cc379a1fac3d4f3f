"""Functions over Variables: derivatives, written once over kernels."""

from kusari.functions.activation.relu import relu as relu
from kusari.functions.activation.sigmoid import sigmoid as sigmoid
from kusari.functions.activation.tanh import tanh as tanh
from kusari.functions.array.broadcast import broadcast_to as broadcast_to
from kusari.functions.array.cast import cast as cast
from kusari.functions.array.get_item import get_item as get_item
from kusari.functions.array.reshape import reshape as reshape
from kusari.functions.array.transpose import transpose as transpose
from kusari.functions.connection.convolution_2d import convolution_2d as convolution_2d
from kusari.functions.connection.convolution_nd import convolution_nd as convolution_nd
from kusari.functions.connection.linear import linear as linear
from kusari.functions.connection.mlp_convolution_2d import mlp_convolution_2d as mlp_convolution_2d
from kusari.functions.evaluation.accuracy import accuracy as accuracy
from kusari.functions.loss.softmax_cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from kusari.functions.math.basic_math import absolute as absolute
from kusari.functions.math.basic_math import add as add
from kusari.functions.math.matmul import matmul as matmul
from kusari.functions.math.sum import sum as sum
from kusari.functions.math.sum import sum_to as sum_to
from kusari.functions.pooling.average_pooling_nd import average_pooling_2d as average_pooling_2d
from kusari.functions.pooling.average_pooling_nd import average_pooling_nd as average_pooling_nd
from kusari.functions.pooling.max_pooling_nd import max_pooling_2d as max_pooling_2d
from kusari.functions.pooling.max_pooling_nd import max_pooling_nd as max_pooling_nd
