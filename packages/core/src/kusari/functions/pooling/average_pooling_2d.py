"""2-D average pooling, at its documented path."""

from kusari.functions.pooling.average_pooling_nd import average_pooling_2d as average_pooling_2d
