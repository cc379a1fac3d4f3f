"""Hooks that change gradients before an update: ``optimizer.add_hook(WeightDecay(1e-4))``."""

from kusari.optimizer_hooks.gradient_clipping import GradientClipping as GradientClipping
from kusari.optimizer_hooks.gradient_hard_clipping import GradientHardClipping as GradientHardClipping
from kusari.optimizer_hooks.gradient_lars import GradientLARS as GradientLARS
from kusari.optimizer_hooks.gradient_noise import GradientNoise as GradientNoise
from kusari.optimizer_hooks.lasso import Lasso as Lasso
from kusari.optimizer_hooks.weight_decay import WeightDecay as WeightDecay
