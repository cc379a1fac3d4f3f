"""Layers: links with parameters of their own."""

from kusari.links.activation.maxout import Maxout as Maxout
from kusari.links.activation.prelu import PReLU as PReLU
from kusari.links.activation.swish import Swish as Swish
from kusari.links.connection.bias import Bias as Bias
from kusari.links.connection.bilinear import Bilinear as Bilinear
from kusari.links.connection.convolution_2d import Convolution2D as Convolution2D
from kusari.links.connection.convolution_nd import Convolution1D as Convolution1D
from kusari.links.connection.convolution_nd import Convolution3D as Convolution3D
from kusari.links.connection.convolution_nd import ConvolutionND as ConvolutionND
from kusari.links.connection.deconvolution_2d import Deconvolution2D as Deconvolution2D
from kusari.links.connection.deconvolution_nd import Deconvolution1D as Deconvolution1D
from kusari.links.connection.deconvolution_nd import Deconvolution3D as Deconvolution3D
from kusari.links.connection.deconvolution_nd import DeconvolutionND as DeconvolutionND
from kusari.links.connection.depthwise_convolution_2d import DepthwiseConvolution2D as DepthwiseConvolution2D
from kusari.links.connection.dilated_convolution_2d import DilatedConvolution2D as DilatedConvolution2D
from kusari.links.connection.embed_id import EmbedID as EmbedID
from kusari.links.connection.highway import Highway as Highway
from kusari.links.connection.inception import Inception as Inception
from kusari.links.connection.inceptionbn import InceptionBN as InceptionBN
from kusari.links.connection.linear import Linear as Linear
from kusari.links.connection.local_convolution_2d import LocalConvolution2D as LocalConvolution2D
from kusari.links.connection.mlp_convolution_2d import MLPConvolution2D as MLPConvolution2D
from kusari.links.connection.parameter import Parameter as Parameter
from kusari.links.connection.scale import Scale as Scale
from kusari.links.model.classifier import Classifier as Classifier
from kusari.links.normalization.batch_normalization import BatchNormalization as BatchNormalization
from kusari.links.normalization.batch_renormalization import BatchRenormalization as BatchRenormalization
from kusari.links.normalization.decorrelated_batch_normalization import (
    DecorrelatedBatchNormalization as DecorrelatedBatchNormalization,
)
from kusari.links.normalization.group_normalization import GroupNormalization as GroupNormalization
from kusari.links.normalization.layer_normalization import LayerNormalization as LayerNormalization
from kusari.links.rnn.gru import GRU as GRU
from kusari.links.rnn.gru import StatefulGRU as StatefulGRU
from kusari.links.rnn.gru import StatelessGRU as StatelessGRU
from kusari.links.rnn.lstm import LSTM as LSTM
from kusari.links.rnn.lstm import StatelessLSTM as StatelessLSTM
from kusari.links.rnn.mgu import StatefulMGU as StatefulMGU
from kusari.links.rnn.mgu import StatelessMGU as StatelessMGU
from kusari.links.rnn.n_step_gru import NStepBiGRU as NStepBiGRU
from kusari.links.rnn.n_step_gru import NStepGRU as NStepGRU
from kusari.links.rnn.n_step_lstm import NStepBiLSTM as NStepBiLSTM
from kusari.links.rnn.n_step_lstm import NStepLSTM as NStepLSTM
from kusari.links.rnn.n_step_rnn import NStepBiRNNReLU as NStepBiRNNReLU
from kusari.links.rnn.n_step_rnn import NStepBiRNNTanh as NStepBiRNNTanh
from kusari.links.rnn.n_step_rnn import NStepRNNReLU as NStepRNNReLU
from kusari.links.rnn.n_step_rnn import NStepRNNTanh as NStepRNNTanh
from kusari.links.rnn.peephole import StatefulPeepholeLSTM as StatefulPeepholeLSTM
from kusari.links.rnn.tree_lstm import ChildSumTreeLSTM as ChildSumTreeLSTM
from kusari.links.rnn.tree_lstm import NaryTreeLSTM as NaryTreeLSTM
from kusari.links.rnn.zoneoutlstm import StatefulZoneoutLSTM as StatefulZoneoutLSTM
