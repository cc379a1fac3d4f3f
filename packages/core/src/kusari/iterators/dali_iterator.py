"""A name of old programs, and what to use in its place."""

from __future__ import annotations

from typing import Any

from kusari.dataset.iterator import Iterator


class DaliIterator(Iterator):
    """Refuse: pipelines of NVIDIA DALI are not supported.

    Args:
        pipeline: A DALI pipeline.
        repeat: As in `SerialIterator`.

    Raises:
        NotImplementedError: Always; the text says what to use.
    """

    def __init__(self, pipeline: Any, repeat: bool = True) -> None:
        raise NotImplementedError(
            "DaliIterator: NVIDIA DALI pipelines are not supported; wrap the pipeline in a class derived from "
            "kusari.dataset.Iterator whose __next__() returns a batch, or decode in a dataset and use "
            "kusari.iterators.MultiprocessIterator"
        )
