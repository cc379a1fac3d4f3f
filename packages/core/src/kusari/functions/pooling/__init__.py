"""Functions that pool windows and regions of images, and undo it."""

from kusari.functions.pooling.average_pooling_nd import average_pooling_1d as average_pooling_1d
from kusari.functions.pooling.average_pooling_nd import average_pooling_2d as average_pooling_2d
from kusari.functions.pooling.average_pooling_nd import average_pooling_3d as average_pooling_3d
from kusari.functions.pooling.average_pooling_nd import average_pooling_nd as average_pooling_nd
from kusari.functions.pooling.max_pooling_nd import max_pooling_1d as max_pooling_1d
from kusari.functions.pooling.max_pooling_nd import max_pooling_2d as max_pooling_2d
from kusari.functions.pooling.max_pooling_nd import max_pooling_3d as max_pooling_3d
from kusari.functions.pooling.max_pooling_nd import max_pooling_nd as max_pooling_nd
from kusari.functions.pooling.roi_average_align_2d import roi_average_align_2d as roi_average_align_2d
from kusari.functions.pooling.roi_average_pooling_2d import roi_average_pooling_2d as roi_average_pooling_2d
from kusari.functions.pooling.roi_max_align_2d import roi_max_align_2d as roi_max_align_2d
from kusari.functions.pooling.roi_max_pooling_2d import roi_max_pooling_2d as roi_max_pooling_2d
from kusari.functions.pooling.roi_pooling_2d import roi_pooling_2d as roi_pooling_2d
from kusari.functions.pooling.spatial_pyramid_pooling_2d import spatial_pyramid_pooling_2d as spatial_pyramid_pooling_2d
from kusari.functions.pooling.unpooling_2d import unpooling_2d as unpooling_2d
from kusari.functions.pooling.unpooling_nd import unpooling_1d as unpooling_1d
from kusari.functions.pooling.unpooling_nd import unpooling_3d as unpooling_3d
from kusari.functions.pooling.unpooling_nd import unpooling_nd as unpooling_nd
from kusari.functions.pooling.upsampling_2d import upsampling_2d as upsampling_2d
