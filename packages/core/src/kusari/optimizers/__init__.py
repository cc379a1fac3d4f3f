"""Optimizers: gradient methods and the update rule of each."""

from kusari.optimizers.ada_bound import AdaBound as AdaBound
from kusari.optimizers.ada_delta import AdaDelta as AdaDelta
from kusari.optimizers.ada_grad import AdaGrad as AdaGrad
from kusari.optimizers.adam import Adam as Adam
from kusari.optimizers.adam_w import AdamW as AdamW
from kusari.optimizers.ams_bound import AMSBound as AMSBound
from kusari.optimizers.ams_grad import AMSGrad as AMSGrad
from kusari.optimizers.corrected_momentum_sgd import CorrectedMomentumSGD as CorrectedMomentumSGD
from kusari.optimizers.lion import Lion as Lion
from kusari.optimizers.momentum_sgd import MomentumSGD as MomentumSGD
from kusari.optimizers.msvag import MSVAG as MSVAG
from kusari.optimizers.muon import Muon as Muon
from kusari.optimizers.nesterov_ag import NesterovAG as NesterovAG
from kusari.optimizers.rmsprop import RMSprop as RMSprop
from kusari.optimizers.rmsprop_graves import RMSpropGraves as RMSpropGraves
from kusari.optimizers.sgd import SGD as SGD
from kusari.optimizers.smorms3 import SMORMS3 as SMORMS3
