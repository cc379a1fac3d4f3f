"""Functions: loss."""

from kusari.functions.loss.absolute_error import absolute_error as absolute_error
from kusari.functions.loss.black_out import black_out as black_out
from kusari.functions.loss.contrastive import contrastive as contrastive
from kusari.functions.loss.crf1d import argmax_crf1d as argmax_crf1d
from kusari.functions.loss.crf1d import crf1d as crf1d
from kusari.functions.loss.cross_covariance import cross_covariance as cross_covariance
from kusari.functions.loss.ctc import connectionist_temporal_classification as connectionist_temporal_classification
from kusari.functions.loss.decov import decov as decov
from kusari.functions.loss.discriminative_loss import (
    discriminative_margin_based_clustering_loss as discriminative_margin_based_clustering_loss,
)
from kusari.functions.loss.hinge import hinge as hinge
from kusari.functions.loss.huber_loss import huber_loss as huber_loss
from kusari.functions.loss.mean_absolute_error import mean_absolute_error as mean_absolute_error
from kusari.functions.loss.mean_squared_error import mean_squared_error as mean_squared_error
from kusari.functions.loss.negative_sampling import negative_sampling as negative_sampling
from kusari.functions.loss.sigmoid_cross_entropy import sigmoid_cross_entropy as sigmoid_cross_entropy
from kusari.functions.loss.softmax_cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from kusari.functions.loss.squared_error import squared_difference as squared_difference
from kusari.functions.loss.squared_error import squared_error as squared_error
from kusari.functions.loss.triplet import triplet as triplet
from kusari.functions.loss.vae import bernoulli_nll as bernoulli_nll
from kusari.functions.loss.vae import gaussian_kl_divergence as gaussian_kl_divergence
from kusari.functions.loss.vae import gaussian_nll as gaussian_nll
