"""UpdateRule: how one parameter is changed by its gradient, with what it remembers from step to step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from kusari.autograd.variable import Variable, constant
from kusari.backend import default_device
from kusari.optimizer.hooks import Hookable
from kusari.optimizer.hyperparameter import Hyperparameter
from kusari.optimizer.rows import entered, run_rows
from kusari.optimizer_hooks.common import working_device
from kusari.serializer import AbstractSerializer, Deserializer

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.backend import Device, Kernel

OVERRIDABLE: Final = ("update", "update_core", "update_core_cpu", "update_core_gpu")
_HALF: Final = ("float16", "bfloat16")
_SMALLEST_HALF: Final = 6e-8
"""The smallest positive float16, 2⁻²⁴."""


class UpdateRule(Hookable):
    """Update one parameter, and keep what that needs: a state, a count, hooks and numbers of its own.

    There are two ways to write one. Give `kernel`, `scalars` and `state_names`, and the rule's parameters are updated
    together, by one call of ``backend.foreach``. Or override `update_core` (or `update_core_cpu` and
    `update_core_gpu`) and `init_state`, and each parameter is updated by itself.

    Args:
        parent_hyperparam: Whose numbers this rule uses where it has none of its own. Default: ``defaults``.
        **numbers: Hyperparameters of this rule's own; None counts as not given.

    >>> class Halve(UpdateRule):
    ...     def update_core(self, param):
    ...         param.array = param.array / 2
    >>> x = kusari.Parameter(np.asarray([4.0, 8.0]))
    >>> x.update_rule = Halve()
    >>> x.update()
    >>> x.array
    array([2., 4.])
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    """The hyperparameters of a rule without a parent."""

    _only_kernel: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._only_kernel = all(getattr(cls, name) is getattr(UpdateRule, name) for name in OVERRIDABLE)

    def __init__(self, parent_hyperparam: Hyperparameter | None = None, **numbers: Any) -> None:
        super().__init__()
        unknown = numbers.keys() - self.defaults.keys()
        if unknown:
            known = ", ".join(self.defaults) or "none"
            wrong = ", ".join(sorted(unknown))
            raise TypeError(f"{type(self).__name__}({wrong}=...): its hyperparameters are {known}")
        if parent_hyperparam is None and self.defaults:
            parent_hyperparam = Hyperparameter()
            vars(parent_hyperparam).update(self.defaults)
        self.hyperparam = Hyperparameter(parent_hyperparam)
        vars(self.hyperparam).update({name: number for name, number in numbers.items() if number is not None})
        self.enabled = True
        self.t = 0
        self.gradient_factor: Any = None
        """What the float32 copy of a 16-bit gradient is multiplied by: one over the loss scale, once."""
        self._state: dict[str, Any] | None = None
        self._state_device: Device | None = None
        self._use_fp32_update = False
        self._master: Variable | None = None
        self._master_version = -1
        self._saved_master: Any = None

    @property
    def state(self) -> dict[str, Any] | None:
        """What the rule remembers of its parameter, by name; None before the first update."""
        return self._state

    # What a rule writes: either these … ------------------------------------------------------------------------------

    def kernel(self) -> Kernel[..., tuple[Any, ...]] | None:
        """Return the elementwise kernel (parameter, gradient, *states, *scalars) → (parameter, *states)."""
        return None

    def scalars(self) -> tuple[float, ...]:
        """Return the kernel's numbers for this step."""
        return ()

    @property
    def state_names(self) -> tuple[str, ...]:
        """The kernel's state arrays, in the order in which it takes and returns them."""
        return ()

    def init_state(self, param: Variable) -> None:
        """Fill ``self.state``. Default: zeros of the parameter's shape and dtype for each of ``state_names``."""
        assert self._state is not None
        for name in self.state_names:
            self._state[name] = param.xp.zeros_like(param.array)

    # … or one of these, and `init_state`. ----------------------------------------------------------------------------

    def update_core(self, param: Variable) -> None:
        """Set ``param.array`` from ``param.grad``. Default: `update_core_cpu` on the host, else `update_core_gpu`."""
        if param.device.backend.on_host:
            self.update_core_cpu(param)
        else:
            self.update_core_gpu(param)

    def update_core_cpu(self, param: Variable) -> None:
        """Update a parameter on the host. Default: run the kernel, if there is a gradient."""
        self._run_kernel(param)

    def update_core_gpu(self, param: Variable) -> None:
        """Update a parameter on a device. Default: run the kernel, if there is a gradient."""
        self._run_kernel(param)

    def _run_kernel(self, param: Variable) -> None:
        kernel = self.kernel()
        if kernel is None:
            raise NotImplementedError(
                f"{type(self).__name__} defines no update: override update_core(param), or kernel() and scalars()"
            )
        if param.array is not None and param.grad is not None:
            run_rows(kernel, working_device(param), [(self, param)])

    def shared_kernel(self) -> Kernel[..., tuple[Any, ...]] | None:
        """Return the kernel if it is the whole update: nobody overrode that, in a subclass or on this instance."""
        return self.kernel() if self._only_kernel and vars(self).keys().isdisjoint(OVERRIDABLE) else None

    # Updating. -------------------------------------------------------------------------------------------------------

    def update(self, param: Parameter) -> None:
        """Update a parameter: hooks, `update_core`, hooks. Nothing happens while the rule is not ``enabled``."""
        if self.enabled:
            with entered(working_device(param)):
                target = self.begin(param)
                self.update_core(target)
                self.end(param, target)

    def begin(self, param: Parameter) -> Any:
        """Count the step, make the state ready, call the hooks that come before, and return what to update.

        That is the parameter, or the float32 copy that stands for a 16-bit one.
        """
        self.t += 1
        target = self.prepare(param)
        for hook in self._hooks_at("pre"):
            hook(self, target)
        return target

    def end(self, param: Parameter, target: Any) -> None:
        """Call the hooks that come after, and bring the parameter to what its float32 copy has become."""
        for hook in self._hooks_at("post"):
            hook(self, target)
        if target is not param:
            if target.array is not None:
                param.array = param.xp.astype(target.array, param.array.dtype)
            self._master_version = param.version
            self.gradient_factor = None
        elif param.array is not None:
            param.touch()  # an update_core of the user's may have written in place

    def prepare(self, param: Parameter) -> Any:
        """Make the state and the float32 copy ready, and return what to update."""
        if param.array is None:
            return param
        target = self._float32_copy(param) if self.updates_in_float32(param) else param
        if self._state is None:
            self._state = {}
            self._check_epsilon(target)
            self.init_state(target)
            self._state_device = param.device
        elif self._state_device is not param.device:
            for name, value in self._state.items():
                self._state[name] = self._moved(name, value, target)
            self._state_device = param.device
        return target

    def columns(self, param: Variable) -> tuple[Any, ...]:
        """Return the kernel's arrays: the parameter's, its gradient's and the states'."""
        state = self._state
        assert state is not None
        return param.array, param.grad, *[state[name] for name in self.state_names]

    def store(self, param: Variable, new: tuple[Any, ...]) -> None:
        """Take over what the kernel returned."""
        state = self._state
        assert state is not None
        for name, array in zip(self.state_names, new[1:], strict=True):
            state[name] = array
        if new[0] is not param.array:  # else it was written in place, and `end` says so
            param.array = new[0]

    # Precision. ------------------------------------------------------------------------------------------------------

    def use_fp32_update(self, flag: bool = True) -> None:
        """Keep a float32 copy of a float16 or bfloat16 parameter, and update that one.

        A step of less than half a unit in the last place would otherwise be lost: at 1.0 that is 2.4e-4 in float16.
        """
        self._use_fp32_update = flag

    def updates_in_float32(self, param: Parameter) -> bool:
        """Tell whether a float32 copy of the parameter is what is updated."""
        return self._use_fp32_update and param.dtype.name in _HALF

    def _float32_copy(self, param: Parameter) -> Variable:
        device, xp = param.device, param.xp
        float32 = device.backend.native_dtype("float32")
        master = self._master
        if master is None or self._master_version != param.version or master.device is not device:
            array = xp.astype(param.array, float32)
            if self._saved_master is not None:
                saved, self._saved_master = device.send(self._saved_master), None
                # Where the parameter was changed since, its own value counts.
                array = xp.where(xp.astype(saved, param.array.dtype) == param.array, saved, array)
            master = self._master = constant(device.backend.as_array(array, param.array), device)
            master.name = param.name
            self._master_version = param.version
        gradient = None if param.grad is None else xp.astype(param.grad, float32)
        if gradient is not None and self.gradient_factor is not None:
            gradient = device.backend.as_array(gradient * self.gradient_factor, gradient)
        master.grad = gradient
        return master

    def copies(self, param: Parameter) -> tuple[Any, dict[str, Any]]:
        """Return copies of what an update changes: the parameter's array, or its float32 copy's, and the states."""
        target, types = self.prepare(param), param.device.backend.array_types
        copied = partial(param.xp.asarray, copy=True)
        state = {name: copied(value) for name, value in (self._state or {}).items() if isinstance(value, types)}
        return copied(target.array), state

    def keep_if(self, safe: Any, param: Parameter, copies: tuple[Any, dict[str, Any]]) -> None:
        """Go back to the copies where the 0-d array ``safe`` is false, without looking at it."""
        backend, (array, state) = param.device.backend, copies
        target = self._master if self.updates_in_float32(param) else param
        assert target is not None
        assert self._state is not None
        target.array = backend.as_array(param.xp.where(safe, target.array, array), array)
        if target is not param:
            param.array = param.xp.astype(target.array, param.array.dtype)
            self._master_version = param.version
        for name, old in state.items():
            self._state[name] = backend.as_array(param.xp.where(safe, self._state[name], old), old)

    def _check_epsilon(self, target: Any) -> None:
        """Refuse an ``eps`` that is 0 in the parameter's dtype: the first zero gradient would give 0 / 0."""
        eps = self.hyperparam.get_dict().get("eps")
        if eps and target.dtype.name == "float16" and eps < _SMALLEST_HALF:
            raise ValueError(
                f"{type(self).__name__}: eps={eps} is 0 in float16; use at least {_SMALLEST_HALF:.0e}, "
                "or optimizer.use_fp32_update()"
            )

    # Saving. ---------------------------------------------------------------------------------------------------------

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load ``t`` and the state: ``t``, ``m``, ``v``, and so on; and the float32 copy, if there is one."""
        t = serializer("t", self.t)
        if isinstance(serializer, Deserializer):
            state = self._load_state(serializer)
            saved_master = None
            with contextlib.suppress(KeyError):
                saved_master = serializer("float32_copy", None)
            if not serializer.rehearsing:
                self.t, self._state = t, state
                self._state_device = None  # the next update brings it to the parameter
                self._master, self._saved_master = None, saved_master
        elif self._state is not None:
            for name, value in self._state.items():
                serializer(name, value)
            if self._master is not None:
                serializer("float32_copy", self._master.array)

    def _load_state(self, serializer: Deserializer) -> dict[str, Any] | None:
        """Return the state in the file; None where it has none, because the rule had not run when it was saved."""
        known = dict.fromkeys(self._names_of_state()) if self._state is None else self._state
        loaded, missing = {}, None
        for name, value in known.items():
            try:
                loaded[name] = serializer(name, value)
            except KeyError as error:
                missing = error
        if missing is not None and loaded:
            raise missing
        if missing is not None or any(value is None for value in loaded.values()):
            return None
        return loaded if known else self._state

    def _names_of_state(self) -> list[str]:
        """Return the names of the arrays that `init_state` makes, found by letting it make them for one element."""
        probe = copy.copy(self)
        probe._state = {}
        device = default_device()
        element = constant(device.xp.zeros((1,), dtype=device.backend.native_dtype("float32")), device)
        element.grad = element.array
        probe.init_state(element)
        return list(probe._state)

    def _moved(self, name: str, value: Any, target: Any) -> Any:
        """Return a state entry where the parameter is now; what is no array stays as it is."""
        try:
            moved = target.device.send(value)
        except TypeError:
            return value
        if name in self.state_names and moved.dtype != target.array.dtype:
            return target.xp.astype(moved, target.array.dtype)
        return moved
