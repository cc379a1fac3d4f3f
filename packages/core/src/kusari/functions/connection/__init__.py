"""Functions: neural network connections."""

from kusari.functions.connection.bilinear import bilinear as bilinear
from kusari.functions.connection.convolution_2d import convolution_2d as convolution_2d
from kusari.functions.connection.convolution_nd import convolution_1d as convolution_1d
from kusari.functions.connection.convolution_nd import convolution_3d as convolution_3d
from kusari.functions.connection.convolution_nd import convolution_nd as convolution_nd
from kusari.functions.connection.deconvolution_2d import deconvolution_2d as deconvolution_2d
from kusari.functions.connection.deconvolution_nd import deconvolution_1d as deconvolution_1d
from kusari.functions.connection.deconvolution_nd import deconvolution_3d as deconvolution_3d
from kusari.functions.connection.deconvolution_nd import deconvolution_nd as deconvolution_nd
from kusari.functions.connection.deformable_convolution_2d_sampler import (
    deformable_convolution_2d_sampler as deformable_convolution_2d_sampler,
)
from kusari.functions.connection.depthwise_convolution_2d import depthwise_convolution_2d as depthwise_convolution_2d
from kusari.functions.connection.dilated_convolution_2d import dilated_convolution_2d as dilated_convolution_2d
from kusari.functions.connection.embed_id import embed_id as embed_id
from kusari.functions.connection.linear import linear as linear
from kusari.functions.connection.local_convolution_2d import local_convolution_2d as local_convolution_2d
from kusari.functions.connection.mlp_convolution_2d import mlp_convolution_2d as mlp_convolution_2d
from kusari.functions.connection.shift import shift as shift
