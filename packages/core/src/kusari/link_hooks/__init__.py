"""Hooks of links: their time, and weights that are normalized as they are used."""

from kusari.link_hooks.spectral_normalization import SpectralNormalization as SpectralNormalization
from kusari.link_hooks.timer import TimerHook as TimerHook
from kusari.link_hooks.weight_standardization import WeightStandardization as WeightStandardization
