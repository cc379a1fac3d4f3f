"""Max pooling of regions of interest, by the rule of Fast R-CNN."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.pooling.roi import RoiPooling, pool_rois, read_outsize, read_scale
from kusari.kernels.roi import RoiMax


class ROIPooling2D(RoiPooling):
    """y = the largest pixel of each bin of each RoI; RoIs include their last pixels."""

    family = RoiMax
    fast_rcnn = True

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x", "rois"))
        x, rois = in_types
        expect(x.ndim == 4, rois.ndim == 2)
        expect(rois.shape[1] == 5)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, rois = inputs
        xp = self.backend.xp
        image, left, top, right, bottom = (rois[:, place] for place in range(5))
        return super().forward((x, xp.stack([top, left, bottom, right], axis=1), xp.astype(image, xp.int64)))


def roi_pooling_2d(x: VariableLike, rois: VariableLike, outh: int, outw: int, spatial_scale: float) -> Variable:
    """Cut regions of interest into bins, and take the largest pixel of each, by the rule of Fast R-CNN.

    Coordinates are scaled and rounded; right and bottom are part of the RoI. Bin i of ``outh`` takes its rows from
    ⌊i h / outh⌋ to ⌈(i + 1) h / outh⌉, h high as the RoI is; so bins may overlap. Pixels outside the
    image do not count.

    Args:
        x: (N, C, H, W), floating.
        rois: (R, 5), floating: number of the image, left, top, right, bottom of each RoI, the last four in coordinates
            of the original image.
        outh: Into how many bins a RoI is cut, down.
        outw: Likewise across.
        spatial_scale: From the RoIs' coordinates to pixels of x.

    Returns:
        (R, C, outh, outw), in x's dtype. 0 where a bin has no pixel. No gradient flows to the RoIs.

    Raises:
        InvalidType: Ranks, shapes or dtypes that do not fit.
        TypeError: ``outh`` and ``outw`` are not positive integers, or ``spatial_scale`` not a positive number.
        ValueError: In debug mode, a RoI of an image that is not there.

    Source: Girshick, 2015, arXiv:1504.08083.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> roi_pooling_2d(x, np.asarray([[0.0, 0.0, 0.0, 3.0, 3.0]]), 2, 2, 1.0).array
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    node = ROIPooling2D(read_outsize((outh, outw)), read_scale(spatial_scale))
    return pool_rois(node, x, rois)
