"""Functions: activation."""

from kusari.functions.activation.clipped_relu import clipped_relu as clipped_relu
from kusari.functions.activation.clipped_relu import relu6 as relu6
from kusari.functions.activation.crelu import crelu as crelu
from kusari.functions.activation.elu import elu as elu
from kusari.functions.activation.hard_sigmoid import hard_sigmoid as hard_sigmoid
from kusari.functions.activation.leaky_relu import leaky_relu as leaky_relu
from kusari.functions.activation.log_softmax import log_softmax as log_softmax
from kusari.functions.activation.maxout import maxout as maxout
from kusari.functions.activation.prelu import prelu as prelu
from kusari.functions.activation.relu import relu as relu
from kusari.functions.activation.rrelu import rrelu as rrelu
from kusari.functions.activation.selu import selu as selu
from kusari.functions.activation.sigmoid import sigmoid as sigmoid
from kusari.functions.activation.softmax import softmax as softmax
from kusari.functions.activation.softplus import softplus as softplus
from kusari.functions.activation.swish import swish as swish
from kusari.functions.activation.tanh import tanh as tanh
