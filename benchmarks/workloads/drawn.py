"""Thirty convolutions that nobody chose: Hypothesis drew them (`drawing`), so that no kernel was made for any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from benchmarks.workloads.layers import FORMATS, Layer, our_layer, their_layer
from benchmarks.workloads.workload import Workload

KINDS: Final = ("1×1", "dense", "strided", "dilated", "grouped", "depthwise")


class Drawn(NamedTuple):
    """A convolution as it was drawn."""

    kind: str
    batch: int
    channels: int
    size: int
    out: int
    window: int
    stride: int
    pad: int
    groups: int
    dilate: int

    @property
    def layer(self) -> Layer:
        """The layer, called for example ``dense 7·20→33, 41², 5×5/2 pad 1``, the batch first."""
        words = f"{self.kind} {self.batch}·{self.channels}→{self.out}, {self.size}²"
        words += f", {self.window}×{self.window}" if self.kind != "1×1" else ""
        words += f"/{self.stride}" if self.stride > 1 else ""
        words += f" pad {self.pad}" if self.pad else ""
        words += f" dilate {self.dilate}" if self.dilate > 1 else ""
        words += f" groups {self.groups}" if self.kind == "grouped" else ""
        return Layer(words, *self[1:9], dilate=self.dilate)


DRAWN: Final = (
    Drawn("1×1", 51, 35, 46, 23, 1, 1, 0, 1, 1),
    Drawn("dense", 54, 68, 10, 23, 4, 1, 0, 1, 1),
    Drawn("strided", 7, 165, 10, 276, 7, 3, 1, 1, 1),
    Drawn("dilated", 5, 114, 53, 28, 3, 2, 1, 1, 3),
    Drawn("grouped", 18, 27, 37, 42, 4, 2, 2, 3, 1),
    Drawn("depthwise", 25, 70, 45, 70, 4, 2, 1, 70, 1),
    Drawn("1×1", 43, 226, 15, 213, 1, 2, 0, 1, 1),
    Drawn("dense", 6, 39, 16, 264, 2, 2, 1, 1, 1),
    Drawn("strided", 54, 69, 6, 88, 4, 2, 2, 1, 1),
    Drawn("dilated", 31, 237, 13, 3, 3, 2, 2, 1, 4),
    Drawn("grouped", 36, 33, 43, 55, 3, 1, 0, 11, 1),
    Drawn("depthwise", 10, 160, 42, 160, 5, 2, 0, 160, 1),
    Drawn("1×1", 51, 179, 9, 157, 1, 1, 0, 1, 1),
    Drawn("dense", 26, 50, 13, 76, 3, 1, 1, 1, 1),
    Drawn("strided", 46, 45, 8, 193, 4, 2, 1, 1, 1),
    Drawn("dilated", 26, 2, 29, 300, 3, 1, 0, 1, 4),
    Drawn("grouped", 29, 192, 12, 168, 4, 2, 1, 6, 1),
    Drawn("depthwise", 55, 27, 22, 27, 7, 1, 2, 27, 1),
    Drawn("1×1", 29, 90, 25, 275, 1, 2, 0, 1, 1),
    Drawn("dense", 25, 26, 8, 24, 4, 1, 2, 1, 1),
    Drawn("strided", 1, 204, 51, 34, 5, 3, 0, 1, 1),
    Drawn("dilated", 4, 162, 58, 51, 2, 2, 0, 1, 4),
    Drawn("grouped", 37, 48, 5, 256, 2, 1, 1, 16, 1),
    Drawn("depthwise", 14, 23, 90, 23, 7, 1, 1, 23, 1),
    Drawn("1×1", 3, 298, 21, 239, 1, 1, 0, 1, 1),
    Drawn("dense", 2, 14, 82, 234, 2, 2, 0, 1, 1),
    Drawn("strided", 8, 2, 55, 131, 2, 2, 1, 1, 1),
    Drawn("dilated", 39, 93, 7, 194, 2, 2, 0, 1, 4),
    Drawn("grouped", 60, 70, 27, 84, 3, 2, 1, 14, 1),
    Drawn("depthwise", 44, 124, 13, 124, 5, 1, 1, 124, 1),
)


def workloads(drawn: Sequence[Drawn] = DRAWN) -> Iterator[Workload]:
    """Yield them, forward with backward, in every setting of both sides."""
    for layer in (one.layer for one in drawn):
        ours = {form: our_layer(layer, True, form) for form in FORMATS}
        theirs = {form: their_layer(layer, True, form) for form in FORMATS}
        yield Workload(layer.name, "drawn", ours, theirs, 2.0)
