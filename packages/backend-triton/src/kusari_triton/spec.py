"""The plugin: what core asks of it."""

from __future__ import annotations

from kusari.backend import BackendSpec, hookimpl

_INSTALL = "pip install 'triton>=3.6,<3.10' (Linux)"


@hookimpl
def kusari_register_backend() -> list[BackendSpec]:
    """Return the specs of ``triton`` (CuPy's arrays) and ``triton-interpret`` (NumPy's, kernels interpreted)."""
    return [
        BackendSpec("triton", "kusari_triton.backend:open_triton", contract=1, base="cupy", install=_INSTALL),
        BackendSpec(
            "triton-interpret", "kusari_triton.backend:open_interpreter", contract=1, base="numpy", install=_INSTALL
        ),
    ]
