"""The networks of Oxford's Visual Geometry Group."""

from __future__ import annotations

from typing import Any, Final

import kusari.functions as F
from kusari.autograd import Variable
from kusari.initializers import Normal
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.links.connection.linear import Linear
from kusari.links.model.vision.images import SIDE, HostArray, prepare_image
from kusari.links.model.vision.pretrained import Functions, PretrainedLayers, start

CONVOLUTIONS: Final = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By the number of layers with weights: how many convolutions come before each pooling."""
CHANNELS: Final = (64, 128, 256, 512, 512)


class VGGLayers(PretrainedLayers):
    """Run a network of 3×3 convolutions and three fully connected layers for images (N, 3, 224, 224).

    Called, it returns a dict: see `forward`. Layers are ``conv1_1``, ``conv1_2``, ``pool1`` … ``pool5``, ``fc6``,
    ``fc7``, ``fc8`` and ``prob``: convolutions and ``fc6``, ``fc7`` with their ReLU, these also with dropout.

    Args:
        pretrained_model: A path of trained weights, npz or safetensors; ``auto``: where `get_dataset_root` keeps them;
            None: weights from N(0, 0.01²), biases 0.
        n_layers: 16 or 19.

    Raises:
        ValueError: Another number of layers.
        FileNotFoundError: No such file; the text says where it was looked for, and how to make it.
        NotImplementedError: The path of a caffemodel; likewise.

    Source: Simonyan, Zisserman, 2014, arXiv:1409.1556.
    """

    mean = (103.939, 116.779, 123.68)
    default_features = "fc7"

    def __init__(self, pretrained_model: Any = "auto", n_layers: int = 16) -> None:
        if n_layers not in CONVOLUTIONS:
            raise ValueError(f"VGGLayers(n_layers={n_layers}): expected 16 or 19")
        load = start(type(self), f"VGG_ILSVRC_{n_layers}_layers", pretrained_model)
        super().__init__()
        self.n_layers = n_layers
        initial: dict[str, Any] = {"initialW": 0 if pretrained_model else Normal(0.01), "initial_bias": 0}
        with self.init_scope():
            inside = 3
            for block, (count, channels) in enumerate(zip(CONVOLUTIONS[n_layers], CHANNELS, strict=True), 1):
                for place in range(1, count + 1):
                    setattr(self, f"conv{block}_{place}", Convolution2D(inside, channels, 3, 1, 1, **initial))
                    inside = channels
            self.fc6 = Linear(inside * 7 * 7, 4096, **initial)
            self.fc7 = Linear(4096, 4096, **initial)
            self.fc8 = Linear(4096, 1000, **initial)
        load(self)

    @property
    def functions(self) -> Functions:
        """The functions of each layer, by name and in order."""
        layers: Functions = {}
        for block, count in enumerate(CONVOLUTIONS[self.n_layers], 1):
            for name in [f"conv{block}_{place}" for place in range(1, count + 1)]:
                layers[name] = [self[name], F.relu]
            layers[f"pool{block}"] = [_pool]
        layers["fc6"] = [self.fc6, F.relu, F.dropout]
        layers["fc7"] = [self.fc7, F.relu, F.dropout]
        return layers | {"fc8": [self.fc8], "prob": [F.softmax]}


class VGG16Layers(VGGLayers):
    """Run the network with 13 convolutions: `VGGLayers` with ``n_layers=16``."""

    def __init__(self, pretrained_model: Any = "auto") -> None:
        super().__init__(pretrained_model, 16)


class VGG19Layers(VGGLayers):
    """Run the network with 16 convolutions: `VGGLayers` with ``n_layers=19``."""

    def __init__(self, pretrained_model: Any = "auto") -> None:
        super().__init__(pretrained_model, 19)


def prepare(image: Any, size: tuple[int, int] | None = (SIDE, SIDE)) -> HostArray:
    """Return an image as these networks take it: an array (3, H, W) of float32, BGR, the mean taken off.

    Args:
        image: A Pillow image, or an array (H, W), (1, H, W), (3, H, W) or (H, W, 3) of numbers from 0 to 255, RGB.
        size: (width, height) to scale to; None: as it is.

    >>> prepare(np.full((3, 2, 2), 128, "uint8"), size=None)[:, 0, 0].round(1)
    array([24.1, 11.2,  4.3], dtype=float32)
    """
    return prepare_image(image, size, VGGLayers.mean)


def _pool(x: Variable) -> Any:
    return F.max_pooling_2d(x, 2, 2)
