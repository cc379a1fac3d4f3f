"""Models, inputs and training steps that the original and Kusari build alike: what the golden files are made of.

Everything takes the framework's module as ``lib``; values come from formulas, never from a random stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS_BEFORE = 3
STEPS_AFTER = 2


def wave(shape: Any, phase: float) -> Any:
    """Return float32 numbers in (−1, 1) that no two places share."""
    size = int(np.prod(shape))
    return np.sin(np.arange(size) * 0.7 + phase).astype("f").reshape(shape)


def _chain(lib: Any, run: Any, **links: Any) -> Any:
    class Model(lib.Chain):
        def forward(self, x: Any) -> Any:
            return run(self, x)

    return Model(**links)


def linear(lib: Any) -> Any:
    """Two linear layers."""
    L, F = lib.links, lib.functions
    return _chain(lib, lambda m, x: m.l10(F.relu(m.l2(x))), l2=L.Linear(3, 4), l10=L.Linear(4, 2))


def convolution(lib: Any) -> Any:
    """Two convolutions, the second without bias and with a stride."""
    L, F = lib.links, lib.functions
    return _chain(
        lib,
        lambda m, x: m.second(F.relu(m.first(x))),
        first=L.Convolution2D(2, 3, 3, pad=1),
        second=L.Convolution2D(3, 2, 2, stride=2, nobias=True),
    )


def mlp_convolution(lib: Any) -> Any:
    """A micro network, and a linear layer."""
    L = lib.links
    return _chain(
        lib, lambda m, x: m.out(m.block(x)), block=L.MLPConvolution2D(2, (4, 3), 3, pad=1), out=L.Linear(75, 2)
    )


def sequential(lib: Any) -> Any:
    """Three links of different shapes with functions between them: numbered otherwise by the original."""
    L, F = lib.links, lib.functions
    return lib.Sequential(L.Linear(3, 4), F.relu, L.Linear(4, 5), F.relu, L.Linear(5, 2))


def sequential_of_equals(lib: Any) -> Any:
    """Four links of one shape in a chain: a wrong numbering would load, and compute something else."""
    L, F = lib.links, lib.functions
    body = lib.Sequential(L.Linear(3, 3), F.tanh, L.Linear(3, 3), L.Linear(3, 3), F.tanh, L.Linear(3, 3))
    return _chain(lib, lambda m, x: m.body(x), body=body)


def statistics(lib: Any) -> Any:
    """A layer with persistent values: arrays, numbers, None."""
    model = _chain(lib, lambda m, x: (m.layer(x) - m.average) * m.rate, layer=lib.links.Linear(3, 4))
    model.add_persistent("average", wave((4,), 5.0))
    model.add_persistent("N", 7)
    model.add_persistent("rate", 0.25)
    model.add_persistent("flag", True)
    model.add_persistent("nothing", None)
    return model


def late(lib: Any) -> Any:
    """A layer whose weight has no shape before the first call."""
    return _chain(lib, lambda m, x: m.layer(x), layer=lib.links.Linear(None, 2))


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (linear, (2, 3)),
    "convolution": (convolution, (2, 2, 5, 5)),
    "mlp_convolution": (mlp_convolution, (2, 2, 5, 5)),
    "sequential": (sequential, (2, 3)),
    "sequential_of_equals": (sequential_of_equals, (2, 3)),
    "statistics": (statistics, (2, 3)),
}
"""By name: how it is built, and the shape of its input."""


def parameters_in_order(model: Any) -> list[Any]:
    """Return the parameters with data in the order of the layers, whatever their names."""
    found: list[Any] = []
    for name in [""] if not hasattr(model, "body") else ["body"]:
        layers = getattr(model, name) if name else model
        links = [x for x in layers if hasattr(x, "params")] if hasattr(layers, "__iter__") else [layers]
        for link in links:
            found.extend(p for _, p in sorted(link.namedparams()) if p.array is not None)
    return found


def fill(model: Any, phase: float) -> Any:
    """Give every parameter with data known values, and return the model."""
    for index, param in enumerate(parameters_in_order(model)):
        param.array = wave(param.shape, phase + index)
    return model


def step(model: Any, optimizer: Any, number: int) -> None:
    """Update once, with gradients that depend on the step and on nothing else."""
    for index, param in enumerate(parameters_in_order(model)):
        param.grad = wave(param.shape, 10.0 + number + 0.1 * index)
    optimizer.update()


OPTIMIZERS: dict[str, Any] = {
    "Adam": lambda lib: lib.optimizers.Adam(alpha=0.01),
    "MomentumSGD": lambda lib: lib.optimizers.MomentumSGD(lr=0.1, momentum=0.8),
    "AdaGrad": lambda lib: lib.optimizers.AdaGrad(lr=0.1),
    "RMSprop": lambda lib: lib.optimizers.RMSprop(lr=0.01),
}
