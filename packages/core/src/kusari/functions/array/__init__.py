"""Functions that rearrange, join, cut, pad and pick."""

from kusari.functions.array.as_strided import as_strided as as_strided
from kusari.functions.array.broadcast import broadcast as broadcast
from kusari.functions.array.broadcast import broadcast_to as broadcast_to
from kusari.functions.array.cast import cast as cast
from kusari.functions.array.concat import concat as concat
from kusari.functions.array.copy import copy as copy
from kusari.functions.array.depth2space import depth2space as depth2space
from kusari.functions.array.diagonal import diagonal as diagonal
from kusari.functions.array.dstack import dstack as dstack
from kusari.functions.array.expand_dims import expand_dims as expand_dims
from kusari.functions.array.flatten import flatten as flatten
from kusari.functions.array.flip import flip as flip
from kusari.functions.array.fliplr import fliplr as fliplr
from kusari.functions.array.flipud import flipud as flipud
from kusari.functions.array.get_item import get_item as get_item
from kusari.functions.array.hstack import hstack as hstack
from kusari.functions.array.im2col import im2col as im2col
from kusari.functions.array.moveaxis import moveaxis as moveaxis
from kusari.functions.array.pad import pad as pad
from kusari.functions.array.pad_sequence import pad_sequence as pad_sequence
from kusari.functions.array.permutate import permutate as permutate
from kusari.functions.array.repeat import repeat as repeat
from kusari.functions.array.reshape import reshape as reshape
from kusari.functions.array.resize_images import resize_images as resize_images
from kusari.functions.array.rollaxis import rollaxis as rollaxis
from kusari.functions.array.scatter_add import scatter_add as scatter_add
from kusari.functions.array.select_item import select_item as select_item
from kusari.functions.array.separate import separate as separate
from kusari.functions.array.space2depth import space2depth as space2depth
from kusari.functions.array.spatial_transformer_grid import spatial_transformer_grid as spatial_transformer_grid
from kusari.functions.array.spatial_transformer_sampler import (
    spatial_transformer_sampler as spatial_transformer_sampler,
)
from kusari.functions.array.split_axis import split_axis as split_axis
from kusari.functions.array.squeeze import squeeze as squeeze
from kusari.functions.array.stack import stack as stack
from kusari.functions.array.swapaxes import swapaxes as swapaxes
from kusari.functions.array.tile import tile as tile
from kusari.functions.array.transpose import transpose as transpose
from kusari.functions.array.transpose_sequence import transpose_sequence as transpose_sequence
from kusari.functions.array.vstack import vstack as vstack
from kusari.functions.array.where import where as where
