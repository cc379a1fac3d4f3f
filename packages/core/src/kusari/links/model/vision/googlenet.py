"""GoogLeNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import kusari.functions as F
from kusari.autograd import Variable
from kusari.initializers import LeCunUniform
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.links.connection.inception import Inception
from kusari.links.connection.linear import Linear
from kusari.links.model.vision.images import SIDE, HostArray, prepare_image
from kusari.links.model.vision.pretrained import Functions, PretrainedLayers, start

# By name: channels in, of the four branches' convolutions, and of the one behind the pooling; see `Inception`.
INCEPTIONS: Final = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNet(PretrainedLayers):
    """Run a network of nine Inception modules for images (N, 3, 224, 224).

    Called, it returns a dict: see `forward`. Layers are ``conv1``, ``pool1``, ``conv2_reduce``, ``conv2``, ``pool2``,
    ``inception_3a`` … ``inception_5b`` with ``pool3`` and ``pool4`` between them, ``pool5``, ``loss3_fc`` and ``prob``;
    ``loss1_fc2`` and ``loss2_fc2`` are the scores of two classifiers beside, that training adds to the loss.

    Args:
        pretrained_model: A path of trained weights, npz or safetensors; ``auto``: where `get_dataset_root` keeps them;
            None: random weights, LeCunNormal in the modules and LeCunUniform outside of them, biases 0.

    Raises:
        FileNotFoundError: No such file; the text says where it was looked for, and how to make it.
        NotImplementedError: The path of a caffemodel; likewise.

    Source: Szegedy et al., 2014, arXiv:1409.4842.
    """

    mean = (104.0, 117.0, 123.0)
    default_features = "pool5"
    branches: ClassVar[Mapping[str, str]] = {"loss1_fc2": "inception_4a", "loss2_fc2": "inception_4d"}

    def __init__(self, pretrained_model: Any = "auto") -> None:
        load = start(type(self), "bvlc_googlenet", pretrained_model)
        super().__init__()
        initial: dict[str, Any] = {"initialW": 0 if pretrained_model else LeCunUniform()}
        with self.init_scope():
            self.conv1 = Convolution2D(3, 64, 7, stride=2, pad=3, **initial)
            self.conv2_reduce = Convolution2D(64, 64, 1, **initial)
            self.conv2 = Convolution2D(64, 192, 3, pad=1, **initial)
            for name, channels in INCEPTIONS.items():
                setattr(self, f"inc{name}", Inception(*channels, conv_init=0 if pretrained_model else None))
            self.loss3_fc = Linear(1024, 1000, **initial)
            for name, inside in (("loss1", 512), ("loss2", 528)):
                setattr(self, f"{name}_conv", Convolution2D(inside, 128, 1, **initial))
                setattr(self, f"{name}_fc1", Linear(128 * 4 * 4, 1024, **initial))
                setattr(self, f"{name}_fc2", Linear(1024, 1000, **initial))
        load(self)

    @property
    def functions(self) -> Functions:
        """The functions of each layer, by name and in order."""
        layers: Functions = {
            "conv1": [self.conv1, F.relu],
            "pool1": [_pool, _normalize],
            "conv2_reduce": [self.conv2_reduce, F.relu],
            "conv2": [self.conv2, F.relu, _normalize],
            "pool2": [_pool],
        }
        for name in INCEPTIONS:
            layers[f"inception_{name}"] = [self[f"inc{name}"]]
            if name in ("3b", "4e"):
                layers[f"pool{name[0]}"] = [_pool]
        layers |= {"pool5": [_average_of_all], "loss3_fc": [_dropout, self.loss3_fc], "prob": [F.softmax]}
        for name in ("loss1", "loss2"):
            conv, fc1, fc2 = (self[f"{name}_{part}"] for part in ("conv", "fc1", "fc2"))
            layers[f"{name}_fc2"] = [_average, conv, F.relu, fc1, F.relu, fc2]
        return layers


def prepare(image: Any, size: tuple[int, int] | None = (SIDE, SIDE)) -> HostArray:
    """Return an image as this network takes it: an array (3, H, W) of float32, BGR, the mean taken off.

    Args:
        image: A Pillow image, or an array (H, W), (1, H, W), (3, H, W) or (H, W, 3) of numbers from 0 to 255, RGB.
        size: (width, height) to scale to; None: as it is.

    >>> prepare(np.full((3, 2, 2), 128, "uint8"), size=None)[:, 0, 0]
    array([24., 11.,  5.], dtype=float32)
    """
    return prepare_image(image, size, GoogLeNet.mean)


def _pool(x: Variable) -> Any:
    return F.max_pooling_2d(x, 3, 2)


def _normalize(x: Variable) -> Any:
    return F.local_response_normalization(x, n=5, k=1, alpha=1e-4 / 5)


def _average_of_all(x: Variable) -> Any:
    return F.average_pooling_2d(x, 7, 1)


def _average(x: Variable) -> Any:
    return F.average_pooling_2d(x, 5, 3)


def _dropout(x: Variable) -> Any:
    return F.dropout(x, 0.4)
