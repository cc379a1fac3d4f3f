"""Which way of convolving is asked first."""

from __future__ import annotations

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, MLPConvolution
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.depthwise import DepthwiseConvolution
from kusari_numpy.convolution.direct import DirectConvolution
from kusari_numpy.convolution.groups import GroupedConvolution
from kusari_numpy.convolution.small_groups import SmallGroupsConvolution
from kusari_numpy.convolution.stack import RowsMLPConvolution
from kusari_numpy.convolution.taps import ConvolutionByTaps
from kusari_numpy.convolution.unfolded import UnfoldedConvolution
from kusari_numpy.convolution.winograd import WinogradConvolution, winograd_wanted
from kusari_numpy.convolution.winograd_problem import transforms_wanted
from kusari_numpy.convolution.winograd_products import WinogradByProducts
from kusari_numpy.convolution.winograd_stack import WinogradMLPConvolution


def register(backend: Backend) -> None:
    """Register the overrides of convolution; of those that take a Problem, the last one here does it."""
    backend.implements(Convolution)(UnfoldedConvolution)
    backend.implements(Convolution)(GroupedConvolution)
    backend.implements(Convolution)(ConvolutionByTaps)
    backend.implements(Convolution, available=transforms_wanted)(WinogradByProducts)
    backend.implements(Convolution, available=compiled_available)(DirectConvolution)
    backend.implements(Convolution, available=winograd_wanted)(WinogradConvolution)
    backend.implements(Convolution, available=compiled_available)(DepthwiseConvolution)
    backend.implements(Convolution, available=compiled_available)(SmallGroupsConvolution)
    backend.implements(MLPConvolution, available=compiled_available)(RowsMLPConvolution)
    backend.implements(MLPConvolution, available=winograd_wanted)(WinogradMLPConvolution)
