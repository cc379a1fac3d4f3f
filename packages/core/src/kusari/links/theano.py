"""The documented way to run graphs of Theano: it is gone, and says what to use instead."""

from __future__ import annotations

from typing import Any

from kusari.model import Link


class TheanoFunction(Link):
    """Raise an error that says what to use instead: graphs of Theano are not run.

    Args:
        inputs: The graph's inputs.
        outputs: Its outputs.

    Raises:
        NotImplementedError: Always.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        raise NotImplementedError(
            "TheanoFunction(): Theano is no longer developed and its graphs are not run. Write what the graph computes "
            "as a kusari.FunctionNode with forward() and backward(), or of kusari.functions, which differentiate "
            "themselves; parameters go to a kusari.Link"
        )
