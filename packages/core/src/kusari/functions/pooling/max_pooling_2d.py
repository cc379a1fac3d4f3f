"""2-D max pooling, at its documented path."""

from kusari.functions.pooling.max_pooling_nd import max_pooling_2d as max_pooling_2d
