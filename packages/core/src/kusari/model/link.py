"""Link: parameters, persistent values and a forward, as one unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kusari.autograd.caller import end_call, path_of, running_call, start_call
from kusari.configuration import State, current_state
from kusari.model.copying import copy_link
from kusari.model.link_hook import ForwardPostprocessArguments, ForwardPreprocessArguments, LinkHook
from kusari.model.registration import parameter_spec
from kusari.model.traversal import Traversal

if TYPE_CHECKING:
    from kusari.model.sequential import Sequential

_NOTE = "at link "


class Link(Traversal):
    """A unit of a model: parameters, persistent values, and ``forward``.

    Subclass it: call ``super().__init__()``, assign parameters within ``init_scope()``, and define ``forward``.
    Calling the link runs ``forward``, with hooks. An error on the way, or later in the backward of what was computed,
    gets a note that says in which link: ``/block/0 (Linear)``.

    Args:
        **params: Parameters by name: a shape, in float32; or (shape, dtype); None for a shape that is given later.

    Raises:
        TypeError: Something that is no shape.

    >>> class Scale(Link):
    ...     def __init__(self):
    ...         super().__init__()
    ...         with self.init_scope():
    ...             self.factor = kusari.model.Parameter(2, (1,))
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(np.ones(1, "f")).array
    array([2.], dtype=float32)
    """

    _hooks: dict[str, LinkHook] | None = None
    _called_slowly: bool = True
    """True before ``__init__``, and where a base after Link has a ``__call__`` that goes before ``forward``."""
    _called_base: ClassVar[type | None] = None
    _sequence: ClassVar[type[Sequential]]
    """What `repeat` returns; model/sequential.py says it, which builds on this file."""
    _draws_for_children: ClassVar[bool] = True
    """Whether ``copy("init")`` used to initialize what is below once more than its own copies did."""

    if TYPE_CHECKING:
        forward: Callable[..., Any]

    def __init__(self, **params: Any) -> None:
        self._start_registration()
        self._called_slowly = self._called_base is not None
        for name, spec in params.items():
            shape, dtype = parameter_spec(name, spec)
            self.add_param(name, shape, dtype)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        behind = cls.__mro__[cls.__mro__.index(Link) + 1 :]
        cls._called_base = next((base for base in behind if "__call__" in vars(base)), None)

    @classmethod
    def from_params(cls, *args: Any, **kwargs: Any) -> Self:
        """Return a link over given arrays; layers that have weights define it."""
        raise NotImplementedError(f"{cls.__name__} does not define from_params()")

    # Calling. ------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, with the hooks that are in force.

        Raises:
            RuntimeError: ``super().__init__()`` was not called.
        """
        state = current_state()
        call = (self.name, type(self), running_call())
        token = start_call(call)
        try:
            if self._called_slowly or self._hooks or state.link_hooks or state.debug:
                return self._call_watched(state, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            if not any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{_NOTE}{path_of(call)}")
            raise
        finally:
            end_call(token)

    def _call_watched(self, state: State, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._check_ready()
        if state.debug:
            for name in self._params:
                param = self.__dict__[name]
                if hasattr(param, "check_version"):
                    param.check_version()
        hooks = {**dict(state.link_hooks), **(self._hooks or {})}.values()
        before = ForwardPreprocessArguments(self, "forward", args, kwargs)
        shown: list[LinkHook] = []
        try:
            for hook in hooks:
                hook.forward_preprocess(before)
                shown.append(hook)
            out = self.run_forward(*args, **kwargs)
        except Exception as error:
            _show_failure(shown, ForwardPostprocessArguments(self, "forward", args, kwargs, None, error))
            raise
        after = ForwardPostprocessArguments(self, "forward", args, kwargs, out)
        for hook in hooks:
            hook.forward_postprocess(after)
        return out

    def run_forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run what a call of the link runs, without hooks: ``forward``, or the ``__call__`` of a base that has one."""
        base = self._called_base
        return self.forward(*args, **kwargs) if base is None else vars(base)["__call__"](self, *args, **kwargs)

    # Hooks. --------------------------------------------------------------------------------------------------------

    @property
    def local_link_hooks(self) -> dict[str, LinkHook]:
        """This link's own hooks by name."""
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def add_hook(self, hook: LinkHook, name: str | None = None) -> Self:
        """Register a hook for calls of this link.

        Args:
            hook: Its ``added(link)`` is called.
            name: None: ``hook.name``.

        Returns:
            Self.

        Raises:
            TypeError: Not a hook.
            KeyError: There is one of that name.
        """
        if not isinstance(hook, LinkHook):
            raise TypeError(f"add_hook(): expected a LinkHook, got {type(hook).__name__}")
        hooks = self.local_link_hooks
        name = hook.name if name is None else name
        if name in hooks:
            raise KeyError(f"link hook {name!r} is registered already")
        hooks[name] = hook
        try:
            hook.added(self)
        except BaseException:
            del hooks[name]
            raise
        return self

    def delete_hook(self, name: str) -> None:
        """Unregister a hook, after calling its ``deleted(link)``.

        Raises:
            KeyError: There is none of that name.
        """
        hooks = self.local_link_hooks
        if name not in hooks:
            raise KeyError(f"no link hook {name!r} is registered")
        hooks[name].deleted(self)
        del hooks[name]

    # Copies and texts. ---------------------------------------------------------------------------------------------

    def copy(self, mode: str = "share") -> Self:
        """Return a copy, with ``name`` None; children are copied in the same mode.

        ============  =======================================  ==================  ==================
        mode          data                                     gradient            persistent values
        ============  =======================================  ==================  ==================
        ``share``     the same: initialized in one, in both    None                the same
        ``copy``      a copy                                   a copy              copies
        ``init``      drawn anew, once for each parameter      NaN                 copies
        ============  =======================================  ==================  ==================

        Hooks are shared in ``share``, in a dict of the copy's own, and copied otherwise. In ``init`` a parameter
        without data stays so, and one made from an array is copied. Where ``config.legacy_behavior`` is True,
        ``init`` draws for a parameter once more per `Chain` above it, as it used to do; seeded programs may depend on
        it.

        Raises:
            ValueError: Another mode.
        """
        return copy_link(self, mode, {})

    def _copy_below(self, mode: str, memo: dict[int, Any]) -> Self:
        """Return a copy as part of a parent's; a class that defines `copy` anew has its own called."""
        return copy_link(self, mode, memo) if type(self).copy is Link.copy else self.copy(mode)

    def repeat(self, n_repeat: int, mode: str = "init") -> Sequential:
        """Return a `Sequential` of copies of this link, which is not among them.

        Args:
            n_repeat: How many; none for 0 or less, whatever the mode.
            mode: As in `copy`: ``init`` draws new values for each, ``share`` gives all of them the same data.

        Raises:
            ValueError: Another mode.

        >>> len(L.Linear(4, 4).repeat(3))
        3
        """
        return self._sequence(*[self.copy(mode) for _ in range(n_repeat)])

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """Names and values that ``str(link)`` shows; layers yield their constructor's arguments."""
        yield from ()

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self.printable_specs)})"


def indented(link: Link, entries: Iterator[tuple[str, Any]]) -> str:
    """Return the text of a link with others below it, one entry a line."""
    lines = [f"  ({name}): {str(entry).replace(chr(10), chr(10) + '  ')},\n" for name, entry in entries]
    return f"{type(link).__name__}(\n{''.join(lines)})" if lines else f"{type(link).__name__}()"


def _show_failure(hooks: list[LinkHook], args: ForwardPostprocessArguments) -> None:
    """Show hooks the end of a failed call; what they fail with themselves must not hide why it failed."""
    for hook in hooks:
        try:
            hook.forward_postprocess(args)
        except Exception as second:  # noqa: BLE001  # any hook, any error: it is reported with the first
            assert args.exception is not None
            args.exception.add_note(f"link hook {hook.name!r} failed on this, too: {type(second).__name__}: {second}")
