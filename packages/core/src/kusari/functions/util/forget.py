"""Gradient checkpointing: forget what a function computes on its way, and compute it again in backward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from kusari.autograd import FunctionNode, Variable, VariableNode, as_variable
from kusari.autograd.backprop import collect
from kusari.autograd.caller import within_call
from kusari.autograd.variable import VariableLike, constant
from kusari.backend.random import StreamStates, replay
from kusari.configuration import config, current_state, using_state
from kusari.functions.math.identity import identity


class Forget(FunctionNode):
    """y = func(x), without its graph; backward runs func again, with it."""

    def __init__(self, func: Callable[..., Any], count: int) -> None:
        self.func = func
        self.count = count

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        xs = tuple([constant(x, self.device) for x in inputs[: self.count]])
        self.retain_inputs(tuple(range(self.count)))
        # Inside the first run of another forget, what is kept is kept for that one.
        self.kept = [] if self.recording else config._kept
        if self.recording:
            self.state, self.train, self.streams = current_state(), config.train, StreamStates()
        first_run = {"enable_backprop": False, "_will_recompute": self.recording, "_kept": self.kept}
        with using_state(overrides={**current_state().overrides, **first_run}):
            returned = _call(self.func, xs)
        self.returns_tuple = isinstance(returned, tuple)
        return tuple([y.array for y in _as_tuple(returned)])

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        with self._as_in_forward():
            # Behind an identity each input has a node of its own: one may have been made of another.
            xs = [identity(x) for x in self.get_retained_inputs()]
            ys = _as_tuple(_call(self.func, tuple(xs)))
        seeds = [(y.node, gy) for y, gy in zip(ys, grad_outputs, strict=True) if gy is not None]
        nodes = [x.node for x in xs]
        leaves = set() if config._gradients_asked_for_only else _leaves([node for node, _ in seeds], set(nodes))
        found = collect(seeds, leaves | {nodes[index] for index in indexes if index < self.count})
        for leaf in leaves & found.keys():
            leaf.grad_var = found[leaf] if leaf.grad_var is None else leaf.grad_var + found[leaf]
        return tuple([found.get(nodes[index]) if index < self.count else None for index in indexes])

    @contextlib.contextmanager
    def _as_in_forward(self) -> Iterator[None]:
        """Set what was in force when func ran first: configuration, kernels, random streams, the link."""
        recomputing = {"enable_backprop": True, "in_recomputing": True, "train": self.train}
        recomputing |= {"_kept": None, "_replayed": iter(self.kept)}
        with (
            using_state(backend=self.state.backend, overrides={**self.state.overrides, **recomputing}),
            replay(self.streams),
            within_call(self.caller),
        ):
            yield


def as_in_first_run(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arrays that calls change in place, as `forget` found them: in its second run, the first run's.

    Layers ask for what their output depends on and their next call overwrites, such as running statistics.

    Args:
        arrays: As they are now. Copies are made only where there will be a second run.
    """
    if config._replayed is not None:
        arrays = next(config._replayed)
    if config._kept is not None:
        config._kept.append(tuple([as_variable(array).xp.asarray(array, copy=True) for array in arrays]))
    return arrays


def _call(func: Callable[..., Any], xs: tuple[Variable, ...]) -> Any:
    """Return what ``func`` returns: a Variable or a tuple of Variables."""
    returned = func(*xs)
    for place, y in enumerate(returned if isinstance(returned, tuple) else (returned,)):
        if not isinstance(y, Variable):
            which = f"a tuple with a {type(y).__name__} in place {place}" if y is not returned else type(y).__name__
            raise RuntimeError(f"forget(): the function returned {which}; expected a Variable or a tuple of Variables")
    return returned


def _as_tuple(returned: Any) -> tuple[Variable, ...]:
    return returned if isinstance(returned, tuple) else (returned,)


def _leaves(starts: list[VariableNode], inputs: set[VariableNode]) -> set[VariableNode]:
    """Return the leaves that want a gradient and that ``starts`` are made of: the parameters that func read."""
    leaves, seen, stack = set(), set(inputs), list(starts)
    while stack:
        node = stack.pop()
        if node in seen or not node.requires_grad:
            continue
        seen.add(node)
        if node.creator_node is None:
            leaves.add(node)
        else:
            stack.extend(node.creator_node.inputs)
    return leaves


def forget(func: Callable[..., Any], *xs: VariableLike) -> Any:
    """Call a function and forget what it computed on its way; backward computes it again.

    Memory for time: between forward and backward only the arguments and the results are held. The second run sees
    the configuration and draws the random numbers of the first, and ``config.in_recomputing`` is True in it, so that
    running statistics are not updated twice.

    Args:
        func: Takes Variables, returns a Variable or a tuple of Variables, and does the same each time. Parameters
            that it reads get their gradients from ``backward()``; `kusari.grad` leaves theirs alone and does not see
            them among its inputs: there, give parameters as arguments.
        *xs: Its arguments.

    Returns:
        What ``func`` returns. It can be differentiated as often as ``func``.

    Raises:
        RuntimeError: ``func`` returned something else.

    Source: Chen, Xu, Zhang, Guestrin, 2016, arXiv:1604.06174.

    >>> x = kusari.Variable(np.asarray([1.0, 2.0]))
    >>> y = forget(lambda x: F.tanh(x) * x, x)
    >>> type(y.creator_node).__name__
    'Forget'
    >>> F.sum(y).backward()
    >>> x.grad.round(3)
    array([1.182, 1.105])
    """
    if not xs:  # nothing to run it on again
        return _call(func, ())
    inputs = [as_variable(x) for x in xs]
    if not any(x.requires_grad for x in inputs):
        # Nothing asks for a gradient of the arguments, but the parameters that func reads may want theirs.
        first = inputs[0]
        anchor = Variable(first.xp.zeros(0, dtype=first.array.dtype, device=first.array.device))
        anchor.device = first.device
        inputs.append(anchor)
    node = Forget(func, len(xs))
    ys = node.apply(tuple(inputs))
    return ys if node.returns_tuple else ys[0]
