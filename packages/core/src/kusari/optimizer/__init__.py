"""Optimizers: what all of them share. The rules themselves are in ``kusari.optimizers``."""

from kusari.optimizer.gradient_method import GradientMethod as GradientMethod
from kusari.optimizer.hyperparameter import Hyperparameter as Hyperparameter
from kusari.optimizer.hyperparameter import HyperparameterProxy as HyperparameterProxy
from kusari.optimizer.optimizer import Optimizer as Optimizer
from kusari.optimizer.update_rule import UpdateRule as UpdateRule
from kusari.optimizer_hooks import GradientClipping as GradientClipping
from kusari.optimizer_hooks import GradientHardClipping as GradientHardClipping
from kusari.optimizer_hooks import GradientNoise as GradientNoise
from kusari.optimizer_hooks import Lasso as Lasso
from kusari.optimizer_hooks import WeightDecay as WeightDecay
