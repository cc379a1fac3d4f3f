"""Average pooling of regions of interest."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.pooling.roi import RoiPooling, pool_rois, read_outsize, read_scale
from kusari.kernels.roi import RoiAverage


class ROIAveragePooling2D(RoiPooling):
    """y = the mean over the pixels of each bin of each RoI."""

    family = RoiAverage


def roi_average_pooling_2d(
    x: VariableLike,
    rois: VariableLike,
    roi_indices: VariableLike,
    outsize: int | Sequence[int],
    spatial_scale: float,
) -> Variable:
    """Cut regions of interest into bins, and take the mean over the pixels of each.

    Coordinates are scaled and rounded; bottom and right are not part of the RoI, which has at least one pixel. Bin i of
    H' takes its rows from ⌊i h / H'⌋ to ⌈(i + 1) h / H'⌉, h high as the RoI is; so bins may overlap. Pixels outside the
    image do not count.

    Args:
        x: (N, C, H, W), floating.
        rois: (R, 4), floating: top, left, bottom, right of each RoI, in coordinates of the original image.
        roi_indices: (R,), integers: which of the N images each RoI is of.
        outsize: (H', W'), or one number for both: into how many bins a RoI is cut.
        spatial_scale: From the RoIs' coordinates to pixels of x.

    Returns:
        (R, C, H', W'), in x's dtype. 0 where a bin has no pixel. No gradient flows to the RoIs.

    Raises:
        InvalidType: Ranks, shapes or dtypes that do not fit.
        TypeError: ``outsize`` is not positive integers, or ``spatial_scale`` not a positive number.
        ValueError: In debug mode, a RoI of an image that is not there.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> roi_average_pooling_2d(x, np.asarray([[0.0, 0.0, 4.0, 4.0]]), np.asarray([0], "int32"), 2, 1.0).array
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    node = ROIAveragePooling2D(read_outsize(outsize), read_scale(spatial_scale))
    return pool_rois(node, x, rois, roi_indices)
