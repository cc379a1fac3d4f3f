"""What a plugin says of a backend before anything heavy is imported."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from kusari.backend.backend import Backend
from kusari.backend.kernel import CONTRACT
from kusari.errors import BackendUnavailable


@dataclass(frozen=True)
class BackendSpec:
    """Describe a backend: cheap to import, nothing opened.

    Args:
        name: What users call it.
        opener: ``"module:function"``; the function takes nothing and returns the `Backend`, or raises
            `BackendUnavailable` with the reason. The module is imported on first use.
        contract: The contract version that the plugin was written for.
        base: The name of the backend that it builds on, if any.
        install: What to type when its library is missing, for messages.

    >>> BackendSpec("example", "example_package.backend:open_backend", contract=1)
    BackendSpec(name='example', opener='example_package.backend:open_backend', contract=1, base=None, install='')
    """

    name: str
    opener: str
    contract: int
    base: str | None = None
    install: str = ""

    def open(self) -> Backend:
        """Import the module and build the backend.

        Raises:
            BackendUnavailable: The plugin needs a newer core, or its library or hardware is missing.
        """
        if self.contract > CONTRACT:
            raise BackendUnavailable(
                f"backend {self.name!r} was written for contract {self.contract}, this kusari has {CONTRACT}; "
                "install a newer kusari or an older plugin"
            )
        module_name, _, function_name = self.opener.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            hint = f"; {self.install}" if self.install else ""
            raise BackendUnavailable(f"backend {self.name!r}: {error}{hint}") from error
        function = getattr(module, function_name, None)
        if function is None:
            raise BackendUnavailable(f"backend {self.name!r}: {module_name} has no function {function_name!r}")
        backend = function()
        if not isinstance(backend, Backend):
            raise BackendUnavailable(
                f"backend {self.name!r}: {self.opener} returned a {type(backend).__name__}; expected a Backend"
            )
        if backend.name != self.name:
            raise BackendUnavailable(
                f"backend {self.name!r}: {self.opener} returned a backend called {backend.name!r}; the names must agree"
            )
        return backend
