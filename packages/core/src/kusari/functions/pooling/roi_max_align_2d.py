"""Max pooling of regions of interest, without rounding."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.pooling.roi import RoiPooling, pool_rois, read_outsize, read_samples, read_scale
from kusari.kernels.roi import RoiMax


class ROIMaxAlign2D(RoiPooling):
    """y = the largest of the points sampled in each bin of each RoI."""

    family = RoiMax


def roi_max_align_2d(
    x: VariableLike,
    rois: VariableLike,
    roi_indices: VariableLike,
    outsize: int | Sequence[int],
    spatial_scale: float,
    sampling_ratio: int | Sequence[int | None] | None = None,
) -> Variable:
    """Cut regions of interest into bins, and take the largest of points sampled in each.

    Coordinates are scaled, not rounded; each RoI is at least 1 high and wide. Each bin is sampled at points on an even
    grid, by bilinear interpolation; points more than one pixel outside the image do not count.

    Args:
        x: (N, C, H, W), floating.
        rois: (R, 4), floating: top, left, bottom, right of each RoI, in coordinates of the original image.
        roi_indices: (R,), integers: which of the N images each RoI is of.
        outsize: (H', W'), or one number for both: into how many bins a RoI is cut.
        spatial_scale: From the RoIs' coordinates to pixels of x.
        sampling_ratio: How many points per bin, (down, across), or one number for both; None: as many as the bin is
            long, rounded up. That reads the RoIs: where the backend has no kernel of its own, the host waits for the
            device.

    Returns:
        (R, C, H', W'), in x's dtype. −∞ where no point counts. No gradient flows to the RoIs.

    Raises:
        InvalidType: Ranks, shapes or dtypes that do not fit.
        TypeError: ``outsize`` is not positive integers, or ``spatial_scale`` not a positive number, or
            ``sampling_ratio`` neither None nor positive integers.
        ValueError: In debug mode, a RoI of an image that is not there.
        SynchronizationError: ``sampling_ratio`` is None where ``config.forbid_synchronization`` is on, and the backend
            has no kernel of its own.

    Source: He, Gkioxari, Dollár, Girshick, 2017, arXiv:1703.06870.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> roi_max_align_2d(x, np.asarray([[0.0, 0.0, 4.0, 4.0]]), np.asarray([0], "int32"), 2, 1.0).array
    array([[[[ 7.5,  9. ],
             [13.5, 15. ]]]])
    """
    node = ROIMaxAlign2D(read_outsize(outsize), read_scale(spatial_scale), read_samples(sampling_ratio))
    return pool_rois(node, x, rois, roi_indices)
