"""What hooks share that let a link use another weight than its parameter, for the time of a call."""

from __future__ import annotations

from typing import Any

from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import Variable
from kusari.configuration import using_config, using_state
from kusari.model.link import Link
from kusari.model.link_hook import ForwardPostprocessArguments, ForwardPreprocessArguments, LinkHook


class ReplacedWeight(LinkHook):
    """Put a Variable computed from a parameter in the parameter's place while the link is called.

    Args:
        weight_name: The parameter's name.
        name: The hook's; None: its class's.
    """

    def __init__(self, weight_name: str = "W", name: str | None = None) -> None:
        self.weight_name = weight_name
        if name is not None:
            self.name = name
        # What is replaced now, innermost call last: a link may call itself, and another link with this hook.
        self._replaced: list[tuple[Link, Parameter]] = []

    def replacement(self, link: Link, weight: Parameter) -> Variable:
        """Return what the link is to use instead of its weight."""
        raise NotImplementedError(f"{type(self).__name__} does not define replacement()")

    def added(self, link: Link | None) -> None:
        """Look for the weight.

        Raises:
            NotImplementedError: The hook was entered by ``with``: it is for single links.
            ValueError: The link has no such parameter.
        """
        if link is None:
            raise NotImplementedError(
                f"{type(self).__name__} changes one link: write link.add_hook(hook), not with hook:"
            )
        if not isinstance(getattr(link, self.weight_name, None), Parameter):
            raise ValueError(f"{self.name}: {type(link).__name__} has no parameter {self.weight_name!r}")

    def forward_preprocess(self, args: ForwardPreprocessArguments) -> None:
        link = args.link
        weight = getattr(link, self.weight_name)
        if not isinstance(weight, Parameter):  # a call inside one: replaced already
            return
        if weight.array is None:
            _initialize(args)
        made = self.replacement(link, weight)
        setattr(link, self.weight_name, made)
        self._replaced.append((link, weight))

    def forward_postprocess(self, args: ForwardPostprocessArguments) -> None:
        if self._replaced and self._replaced[-1][0] is args.link:
            link, weight = self._replaced.pop()
            setattr(link, self.weight_name, weight)


def _initialize(args: ForwardPreprocessArguments) -> None:
    """Let a link learn its shapes from a call's arguments, by a run of which nothing else is kept."""
    with (
        using_config("enable_backprop", False),
        using_config("train", False),
        using_state(function_hooks=(), link_hooks=()),
    ):
        args.link.run_forward(*args.args, **args.kwargs)


def rows(link: Link, weight: Any) -> Any:
    """Return a weight (Variable or array) as a matrix with one row for each output.

    The outputs are along axis 1 for deconvolutions, whose weight is (C_in, C_out, …), else along axis 0.
    """
    if output_axis(link) == 1:
        weight = weight.transpose(1, 0, *range(2, weight.ndim))
    return weight.reshape(weight.shape[0], -1)


def output_axis(link: Link) -> int:
    """Return along which axis of a link's weight its outputs are."""
    # By name: this layer is below that of the deconvolutions, and a subclass counts as one.
    return int(any(kind.__name__.startswith("Deconvolution") for kind in type(link).__mro__))
