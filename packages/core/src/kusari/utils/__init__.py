"""Documented paths of helpers: each module re-exports what lives elsewhere."""

from kusari.kernels.window import get_conv_outsize as get_conv_outsize
from kusari.kernels.window import get_deconv_outsize as get_deconv_outsize
from kusari.model.walker_alias import WalkerAlias as WalkerAlias
from kusari.utils import type_check as type_check
