"""What networks with trained weights have in common: layers by name, features of images, and guesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import kusari.functions as F
from kusari.autograd import Variable, as_variable, no_backprop_mode
from kusari.autograd.variable import VariableLike
from kusari.configuration import using_config
from kusari.functions.arguments import refuse_keywords
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.links.connection.linear import Linear
from kusari.links.model.vision.images import SIDE, center_crops, prepare_images, ten_crops
from kusari.links.model.vision.weights import cannot_convert, load_weights, weights_file
from kusari.links.normalization.batch_normalization import BatchNormalization
from kusari.model import Chain

GONE = dict.fromkeys(("test", "volatile"), "use using_config('train', ...) and no_backprop_mode()")
Functions = dict[str, list[Callable[..., Any]]]


class PretrainedLayers(Chain):
    """Run a network of named layers for images, and return what some of them make.

    Models define `functions`, the names of their files, and the mean that is taken off images.
    """

    mean: ClassVar[tuple[float, float, float]]
    """Of blue, green and red."""
    default_features: ClassVar[str]
    """The layer that `extract` returns by default."""
    branches: ClassVar[Mapping[str, str]] = {}
    """Layers beside the way to the end, and after which layer each begins."""

    @property
    def functions(self) -> Functions:
        """The functions of each layer, by name and in order."""
        raise NotImplementedError(f"{type(self).__name__} does not define functions")

    @property
    def available_layers(self) -> list[str]:
        """The names of all layers, in order."""
        return list(self.functions)

    @classmethod
    def convert_caffemodel_to_npz(cls, path_caffemodel: Any, path_npz: Any, n_layers: int | None = None) -> None:
        """Raise an error that says how to convert trained weights of Caffe: they are not read here.

        Args:
            path_caffemodel: The file with the weights.
            path_npz: Where they were to go.
            n_layers: Of a ResNet.

        Raises:
            NotImplementedError: Always.
        """
        raise cannot_convert(cls.__name__, Path(path_caffemodel).stem)

    def forward(self, x: VariableLike, layers: Sequence[str] | None = None, **kwargs: Any) -> dict[str, Variable]:
        """Return what layers make of images, by name; the network runs no further than it has to.

        Args:
            x: (N, 3, 224, 224), as `prepare_images` makes them. Layers before the fully connected ones take any size.
            layers: Names out of `available_layers`. Default: ``["prob"]``.
            **kwargs: None; ``test`` of old programs is refused with advice.

        Raises:
            ValueError: A layer that there is not, or ``test``.
        """
        refuse_keywords(type(self).__name__, kwargs, GONE)
        functions = self.functions
        asked = {"prob"} if layers is None else set(layers)
        if not asked <= functions.keys():
            unknown, known = sorted(asked - functions.keys()), ", ".join(functions)
            raise ValueError(
                f"{type(self).__name__}(layers): there is no {', '.join(unknown)}; expected some of {known}"
            )
        made: dict[str, Variable] = {}
        h = as_variable(x)
        for name in [name for name in functions if name not in self.branches]:
            if asked <= made.keys():
                break
            h = _run(functions[name], h)
            if name in asked:
                made[name] = h
            for branch in asked:
                if self.branches.get(branch) == name:
                    made[branch] = _run(functions[branch], h)
        return {name: made[name] for name in functions if name in made}

    def extract(
        self,
        images: Sequence[Any],
        layers: Sequence[str] | None = None,
        size: tuple[int, int] | None = (SIDE, SIDE),
        **kwargs: Any,
    ) -> dict[str, Variable]:
        """Return what layers make of images as they come.

        The configuration stays as it is: where nothing is to be trained, use ``using_config("train", False)`` and
        ``no_backprop_mode()`` around it.

        Args:
            images: Pillow images or arrays, as `prepare_images` takes them.
            layers: Names out of `available_layers`. Default: the last before the classes.
            size: (width, height) that images are scaled to; None: they are of one size.
            **kwargs: None; ``test`` and ``volatile`` of old programs are refused with advice.

        Raises:
            RuntimeError: The package pillow is not installed.
            ValueError: No images.
        """
        refuse_keywords(f"{type(self).__name__}.extract", kwargs, GONE)
        x = self.device.send(prepare_images(images, size, self.mean))
        made: dict[str, Variable] = self(x, layers=[self.default_features] if layers is None else layers)
        return made

    def predict(self, images: Sequence[Any], oversample: bool = True) -> Variable:
        """Return the probabilities (N, 1000) of the classes, in test mode and without a graph.

        Args:
            images: Pillow images or arrays, as `prepare_images` takes them; they are scaled to 256×256.
            oversample: Take the mean over ten parts of each image: its corners and its middle, also mirrored. False:
                the middle alone.

        Raises:
            RuntimeError: The package pillow is not installed.
            ValueError: No images.
        """
        whole = prepare_images(images, (256, 256), self.mean)
        x = ten_crops(whole) if oversample else center_crops(whole)
        with using_config("train", False), no_backprop_mode():
            y: Variable = self(self.device.send(x))["prob"]
            return F.mean(y.reshape(len(whole), 10, *y.shape[1:]), axis=1) if oversample else y


def start(link: type[PretrainedLayers], stem: str, pretrained_model: Any) -> Callable[[PretrainedLayers], None]:
    """Return what loads a model's weights once it is built; find the file before anything large is made.

    Args:
        link: The model's class.
        stem: What its file is called, without the suffix.
        pretrained_model: ``auto``, a path, or None for none.
    """
    if not pretrained_model:
        return lambda model: None
    path = weights_file(link.__name__, stem, pretrained_model)
    return lambda model: load_weights(path, model)


def _run(functions: Sequence[Callable[..., Any]], h: Variable) -> Variable:
    """Run functions in order; what can takes a ReLU behind it into its own kernel."""
    todo = list(functions)
    while todo:
        function = todo.pop(0)
        if todo and todo[0] is F.relu and type(function) in (Convolution2D, BatchNormalization, Linear):
            h = function(h, activation=todo.pop(0))
        else:
            h = function(h)
    return h
