"""The documented way to run networks of Caffe: it is gone, and says what to use instead."""

from __future__ import annotations

from typing import Any

from kusari.model import Link


class CaffeFunction(Link):
    """Raise an error that says what to use instead: networks of Caffe are not read.

    Args:
        model_path: The file with the network.

    Raises:
        NotImplementedError: Always.
    """

    def __init__(self, model_path: Any) -> None:
        raise NotImplementedError(
            f"CaffeFunction({str(model_path)!r}): networks of Caffe are not read, as Caffe and its packages are out of "
            "care. Build the network of links, save its weights once with the original library "
            "(chainer.serializers.save_npz of the CaffeFunction), and load that file with kusari.serializers.load_npz; "
            "VGG, GoogLeNet and ResNet are here as kusari.links.VGG16Layers, GoogLeNet and ResNet50Layers"
        )
