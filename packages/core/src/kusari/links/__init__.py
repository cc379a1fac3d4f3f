"""Layers: links with parameters of their own."""

from kusari.links.connection.convolution_2d import Convolution2D as Convolution2D
from kusari.links.connection.linear import Linear as Linear
from kusari.links.connection.mlp_convolution_2d import MLPConvolution2D as MLPConvolution2D
from kusari.links.connection.parameter import Parameter as Parameter
