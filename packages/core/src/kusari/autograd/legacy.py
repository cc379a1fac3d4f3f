"""Documented members of old programs, whose names name libraries, or layouts that strides say today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.backend import default_device, get_device
from kusari.errors import UnknownBackend

if TYPE_CHECKING:
    from kusari.backend import Device

_CHAINERX_ENDED = "ChainerX has ended; pip install kusari-backend-cupy, then to_device('cupy:0')"


class LegacyVariable:
    """The part of Variable that only old programs ask for."""

    __slots__ = ()

    if TYPE_CHECKING:
        device: Device

        @property
        def array(self) -> Any: ...
        def to_device(self, device: Any) -> None: ...

    def to_cpu(self) -> None:
        """Move to the host; `to_device` moves anywhere."""
        self.to_device(default_device())

    def to_gpu(self, device: Any = None) -> None:
        """Move to a GPU; `to_device` moves anywhere.

        Args:
            device: A GPU's number; None: the one where it is, else the first.

        Raises:
            RuntimeError: There is no GPU, or no backend for it; the text names what to install.
        """
        if device is None and not self.device.backend.on_host:
            return
        try:
            target = get_device(0 if device is None else device)
        except UnknownBackend as error:
            raise RuntimeError(f"to_gpu(): {error}") from None
        self.to_device(target)

    def to_intel64(self) -> None:
        """Move to a backend called intel64.

        Raises:
            RuntimeError: There is none; the text names what does its work today.
        """
        try:
            target = get_device("intel64")
        except UnknownBackend:
            raise RuntimeError(
                "to_intel64(): no backend is called intel64 (iDeep has ended); fused kernels for the host: "
                "pip install kusari-backend-numpy[fast], then to_device('numpy')"
            ) from None
        self.to_device(target)

    def to_chx(self) -> None:
        """Raise: ChainerX has ended.

        Raises:
            RuntimeError: Always; the text names what to install instead.
        """
        raise RuntimeError(f"to_chx(): {_CHAINERX_ENDED}")

    def from_chx(self) -> None:
        """Do nothing: there are no ChainerX arrays to convert."""

    @property
    def chx_array(self) -> Any:
        """Nothing: no Variable has a ChainerX array.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"chx_array: no Variable has a ChainerX array; use array. {_CHAINERX_ENDED}")

    @property
    def raw_array(self) -> Any:
        """The array, as `array` is: shapes have one meaning, whatever the strides."""
        return self.array

    @property
    def layout(self) -> None:
        """None: the memory format is the array's strides."""
        return None

    def as_layout(self, layout: None) -> Any:
        """Return self, for None.

        Raises:
            ValueError: Another layout; the memory format is the array's strides.
        """
        if layout is not None:
            raise ValueError(f"as_layout({layout!r}): expected None; the memory format is the array's strides")
        return self


class LegacyFunctionNode:
    """The part of FunctionNode that only old programs ask for."""

    if TYPE_CHECKING:
        inputs: tuple[Any, ...]
        output_count: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise: a node is run by ``apply``.

        Raises:
            RuntimeError: Always.
        """
        name = type(self).__name__
        raise RuntimeError(
            f"{name} is a function node, which is not called: write {name}(...).apply((x, ...)), or use the function "
            "of kusari.functions that does so"
        )

    def forward_chainerx(self, inputs: tuple[Any, ...]) -> Any:
        """Raise: nothing calls it any more, also where a class defines it.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(f"forward_chainerx(): {_CHAINERX_ENDED}")

    def check_layout_forward(self, inputs: tuple[Any, ...]) -> None:
        """Accept every input: layouts are strides, which `forward` takes as they come."""

    @property
    def input_layouts(self) -> tuple[None, ...]:
        """None for each input."""
        return (None,) * len(self.inputs)

    @property
    def output_layouts(self) -> tuple[None, ...]:
        """None for each output."""
        return (None,) * self.output_count
