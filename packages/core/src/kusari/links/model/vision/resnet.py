"""Residual networks."""

from __future__ import annotations

from typing import Any, Final

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.initializers import HeNormal
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.links.connection.linear import Linear
from kusari.links.model.vision.images import SIDE, HostArray, prepare_image
from kusari.links.model.vision.pretrained import Functions, PretrainedLayers, start
from kusari.links.normalization.batch_normalization import BatchNormalization
from kusari.model import Chain

BLOCKS: Final = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""By the number of layers with weights: how many bottlenecks each of the four stages has."""


class ResNetLayers(PretrainedLayers):
    """Run a network of bottlenecks with shortcuts for images (N, 3, 224, 224).

    Called, it returns a dict: see `forward`. Layers are ``conv1``, ``pool1``, ``res2`` … ``res5``, ``pool5``, ``fc6``
    and ``prob``; up to ``pool5``, the mean over all pixels, they take images of any size.

    Args:
        pretrained_model: A path of trained weights, npz or safetensors; ``auto``: where `get_dataset_root` keeps them;
            None: weights by HeNormal, and LeCunNormal in ``fc6``.
        n_layers: 50, 101 or 152.
        downsample_fb: Have the stride of a stage in its 3×3 convolution, as later trainings have it, not in its first
            1×1 one.

    Raises:
        ValueError: Another number of layers.
        FileNotFoundError: No such file; the text says where it was looked for, and how to make it.
        NotImplementedError: The path of a caffemodel; likewise.

    Source: He, Zhang, Ren, Sun, 2015, arXiv:1512.03385; Goyal et al., 2017, arXiv:1706.02677 (``downsample_fb``).
    """

    mean = (103.063, 115.903, 123.152)
    default_features = "pool5"

    def __init__(self, pretrained_model: Any, n_layers: int, downsample_fb: bool = False) -> None:
        if n_layers not in BLOCKS:
            raise ValueError(f"ResNetLayers(n_layers={n_layers}): expected 50, 101 or 152")
        load = start(type(self), f"ResNet-{n_layers}-model", pretrained_model)
        super().__init__()
        initial: Any = 0 if pretrained_model else HeNormal()
        with self.init_scope():
            self.conv1 = Convolution2D(3, 64, 7, 2, 3, initialW=initial)
            self.bn1 = BatchNormalization(64)
            inside = 64
            for stage, count in enumerate(BLOCKS[n_layers], 2):
                middle, stride = 64 << stage - 2, 1 if stage == 2 else 2
                block = BuildingBlock(count, inside, middle, 4 * middle, stride, initial, downsample_fb)
                setattr(self, f"res{stage}", block)
                inside = 4 * middle
            self.fc6 = Linear(inside, 1000, initialW=0 if pretrained_model else None)
        load(self)

    @property
    def functions(self) -> Functions:
        """The functions of each layer, by name and in order."""
        return {
            "conv1": [self.conv1, self.bn1, F.relu],
            "pool1": [_pool],
            **{f"res{stage}": [self[f"res{stage}"]] for stage in (2, 3, 4, 5)},
            "pool5": [_mean_over_pixels],
            "fc6": [self.fc6],
            "prob": [F.softmax],
        }


class ResNet50Layers(ResNetLayers):
    """Run the network of 50 layers: see `ResNetLayers`.

    >>> model = ResNet50Layers(pretrained_model=None)
    >>> with kusari.no_backprop_mode(), kusari.using_config("train", False):
    ...     features = model(np.zeros((1, 3, 32, 32), "f"), layers=["pool1", "res3"])
    >>> {name: h.shape for name, h in features.items()}
    {'pool1': (1, 64, 8, 8), 'res3': (1, 512, 4, 4)}
    """

    def __init__(self, pretrained_model: Any = "auto", downsample_fb: bool = False) -> None:
        super().__init__(pretrained_model, 50, downsample_fb)


class ResNet101Layers(ResNetLayers):
    """Run the network of 101 layers: see `ResNetLayers`."""

    def __init__(self, pretrained_model: Any = "auto", downsample_fb: bool = False) -> None:
        super().__init__(pretrained_model, 101, downsample_fb)


class ResNet152Layers(ResNetLayers):
    """Run the network of 152 layers: see `ResNetLayers`."""

    def __init__(self, pretrained_model: Any = "auto", downsample_fb: bool = False) -> None:
        super().__init__(pretrained_model, 152, downsample_fb)


class BuildingBlock(Chain):
    """Run one stage: bottlenecks ``a``, ``b1``, ``b2``, … of which the first changes the size.

    Args:
        n_layer: How many.
        in_channels: C.
        mid_channels: Inside of the bottlenecks.
        out_channels: O.
        stride: Of the first.
        initialW: Initializer for all filters; None: LeCunNormal.
        downsample_fb: As for `ResNetLayers`.

    >>> BuildingBlock(2, 4, 2, 8, 2)(np.ones((1, 4, 6, 6), "f")).shape
    (1, 8, 3, 3)
    """

    def __init__(
        self,
        n_layer: int,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        stride: int,
        initialW: Any = None,
        downsample_fb: bool = False,
    ) -> None:
        super().__init__()
        self.names = ["a", *(f"b{index}" for index in range(1, n_layer))]
        with self.init_scope():
            self.a = BottleneckA(in_channels, mid_channels, out_channels, stride, initialW, downsample_fb)
            for name in self.names[1:]:
                setattr(self, name, BottleneckB(out_channels, mid_channels, initialW))

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, O, H / stride, W / stride) of x (N, C, H, W)."""
        for name in self.names:
            x = self[name](x)
        made: Any = x
        return made


class BottleneckB(Chain):
    """Add to an input what three convolutions make of it: 1×1, 3×3 and 1×1, each with batch normalization.

    Args:
        in_channels: C, which is that of the output.
        mid_channels: Inside.
        initialW: Initializer for all filters; None: LeCunNormal.

    >>> BottleneckB(4, 2)(np.ones((1, 4, 6, 6), "f")).shape
    (1, 4, 6, 6)
    """

    def __init__(self, in_channels: int, mid_channels: int, initialW: Any = None) -> None:
        super().__init__()
        with self.init_scope():
            self._make(in_channels, mid_channels, in_channels, (1, 1), initialW)

    def _make(self, inside: int, middle: int, outside: int, strides: tuple[int, int], initialW: Any) -> None:
        self.conv1 = Convolution2D(inside, middle, 1, strides[0], 0, True, initialW)
        self.bn1 = BatchNormalization(middle)
        self.conv2 = Convolution2D(middle, middle, 3, strides[1], 1, True, initialW)
        self.bn2 = BatchNormalization(middle)
        self.conv3 = Convolution2D(middle, outside, 1, 1, 0, True, initialW)
        self.bn3 = BatchNormalization(outside)

    def forward(self, x: VariableLike) -> Variable:
        """Return y, of x's shape."""
        return F.relu(self._convolved(x) + x)

    def _convolved(self, x: VariableLike) -> Any:
        h = self.bn1(self.conv1(x), activation=F.relu)
        h = self.bn2(self.conv2(h), activation=F.relu)
        return self.bn3(self.conv3(h))


class BottleneckA(BottleneckB):
    """Add what three convolutions make of an input to what a fourth does, ``conv4``: all may change size and channels.

    Args:
        in_channels: C.
        mid_channels: Inside.
        out_channels: O.
        stride: Steps between pixels.
        initialW: Initializer for all filters; None: LeCunNormal.
        downsample_fb: As for `ResNetLayers`.

    >>> BottleneckA(4, 2, 8)(np.ones((1, 4, 6, 6), "f")).shape
    (1, 8, 3, 3)
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        stride: int = 2,
        initialW: Any = None,
        downsample_fb: bool = False,
    ) -> None:
        Chain.__init__(self)
        with self.init_scope():
            self._make(in_channels, mid_channels, out_channels, (1, stride) if downsample_fb else (stride, 1), initialW)
            self.conv4 = Convolution2D(in_channels, out_channels, 1, stride, 0, True, initialW)
            self.bn4 = BatchNormalization(out_channels)

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, O, H / stride, W / stride) of x (N, C, H, W)."""
        return F.relu(self._convolved(x) + self.bn4(self.conv4(x)))


def prepare(image: Any, size: tuple[int, int] | None = (SIDE, SIDE)) -> HostArray:
    """Return an image as these networks take it: an array (3, H, W) of float32, BGR, the mean taken off.

    Args:
        image: A Pillow image, or an array (H, W), (1, H, W), (3, H, W) or (H, W, 3) of numbers from 0 to 255, RGB.
        size: (width, height) to scale to; None: as it is.

    >>> prepare(np.full((3, 2, 2), 128, "uint8"), size=None)[:, 0, 0].round(1)
    array([24.9, 12.1,  4.8], dtype=float32)
    """
    return prepare_image(image, size, ResNetLayers.mean)


def _pool(x: Variable) -> Any:
    return F.max_pooling_2d(x, 3, 2)


def _mean_over_pixels(x: Variable) -> Any:
    return F.average_pooling_2d(x, x.shape[2:], 1).reshape(x.shape[:2])
