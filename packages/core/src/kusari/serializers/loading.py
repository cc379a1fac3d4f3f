"""Loading whole files: all or nothing, and by the right numbering of Sequentials."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kusari.configuration import using_config
from kusari.model import Link, Sequential
from kusari.model.sequential import NUMBERINGS, numbering_in_files
from kusari.serializers.dictionary import DictionarySerializer, host_array
from kusari.serializers.flat import FlatDeserializer
from kusari.serializers.stored import HostArray, Stored, as_stored

NUMBERING: Final = "sequential_numbering"
"""The configuration's key, and what files call it."""


class Flattened(dict[str, HostArray]):
    """What a file of an object holds, taken now and to be written later.

    Args:
        obj: As for `flattened`.
    """

    def __init__(self, obj: Any) -> None:
        arrays, self.numbering = flattened(obj)
        super().__init__(arrays)

    def __reduce__(self) -> Any:
        return _flattened_again, (dict(self), self.numbering)


def _flattened_again(arrays: dict[str, HostArray], numbering: str | None) -> Flattened:
    values = Flattened({})
    values.update(arrays)
    values.numbering = numbering
    return values


def flattened(obj: Any) -> tuple[dict[str, HostArray], str | None]:
    """Return what a file of an object holds, and the numbering of Sequentials by which it was made.

    Args:
        obj: Something with a ``serialize`` method, or a dict; nobody knows the numbering of its names, unless it is
            `Flattened`.

    Raises:
        TypeError: A value that is no array, number, string or None.
    """
    if isinstance(obj, dict):
        return {name: host_array(name, value) for name, value in obj.items()}, getattr(obj, "numbering", None)
    serializer = DictionarySerializer()
    serializer.save(obj)
    return serializer.target, numbering_in_files()


def load_whole(deserializer: FlatDeserializer, obj: Any, numbering: str | None) -> None:
    """Load an object from a file, or raise and leave it as it was.

    The load is rehearsed first, so that every value has been read and checked before the first is changed.

    Args:
        deserializer: Of the whole file.
        obj: Something with a ``serialize`` method.
        numbering: Of Sequentials, where the file says it; None: by ``config.sequential_numbering``.
    """
    values = _Remembering(deserializer.values)
    with _numbered(numbering):
        try:
            _Rehearsal(deserializer, values).rehearse(obj)
        except (KeyError, ValueError, TypeError) as error:
            if numbering is None and _fits_otherwise(deserializer, obj):
                error.add_note(f"The file fits by the other numbering of Sequentials: {_advice(_other_numbering())}")
            raise
        if numbering is None and numbering_in_files() == "native" and _numbering_matters(obj):
            _warn_if_ambiguous(deserializer, obj)
        deserializer.over(values).load(obj)


class _Rehearsal(FlatDeserializer):
    """Walks through an object like a load, and changes nothing: every value comes back as it was handed in."""

    rehearsing = True

    def __init__(self, deserializer: FlatDeserializer, values: _Remembering) -> None:
        super().__init__(values, deserializer.path, deserializer.strict, deserializer.ignore_names)
        self._deserializer = deserializer
        self._problems: list[BaseException] = []

    def rehearse(self, obj: Any) -> None:
        """Raise what a load would raise of the file.

        An error of the object's own ``serialize`` is left to the load itself: it may come of a value that was None and
        stayed so.
        """
        try:
            self.load(obj)
        except Exception as error:
            if any(error is problem for problem in self._problems):
                raise

    def __getitem__(self, key: str) -> _Rehearsal:
        part = super().__getitem__(key)
        with self._watched():
            part._deserializer = self._deserializer[key]
        return part

    def __call__(self, key: str, value: Any) -> Any:
        with self._watched():
            return super().__call__(key, value)

    def new_array(self, key: str, dtype: Any) -> Any:
        with self._watched():
            return super().new_array(key, dtype)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Know an error of the file again, by whatever ``serialize`` methods it comes."""
        try:
            yield
        except Exception as error:
            self._problems.append(error)
            raise

    def missing(self, name: str) -> Exception:
        return self._deserializer.missing(name)

    def _take(self, value: Any, loaded: Any) -> Any:
        return value


class _Remembering(Mapping[str, Stored | None]):
    """Values that keep what was read in the rehearsal until it is read again."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._met: dict[str, _Remembered | None] = {}

    def __getitem__(self, name: str) -> Stored | None:
        if name not in self._met:
            stored = as_stored(name, self._values[name])
            self._met[name] = None if stored is None else _Remembered(stored)
        return self._met[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Remembered(Stored):
    """A stored value that is read once for two readers."""

    def __init__(self, stored: Stored) -> None:
        super().__init__(stored.name, stored.shape, stored.dtype)
        self._stored = stored
        self._array: HostArray | None = None

    def read(self) -> HostArray:
        return self._once(self._stored.read)

    def read_any_size(self) -> HostArray:
        return self._once(self._stored.read_any_size)

    def _once(self, read: Any) -> HostArray:
        array, self._array = self._array, None
        if array is None:
            array = self._array = read()
        return array


# The numbering of Sequentials. ---------------------------------------------------------------------------------------
def _numbered(numbering: str | None) -> contextlib.AbstractContextManager[None]:
    if numbering is None:
        return contextlib.nullcontext()
    if numbering not in NUMBERINGS:
        raise ValueError(f"the file numbers Sequentials by {numbering!r}, which this version does not know")
    return using_config(NUMBERING, numbering)


def _other_numbering() -> str:
    return "native" if numbering_in_files() == "legacy" else "legacy"


def _fits_otherwise(deserializer: FlatDeserializer, obj: Any) -> bool:
    """Tell whether the file would load by the other numbering."""
    with using_config(NUMBERING, _other_numbering()):
        try:
            _Rehearsal(deserializer, _Remembering(deserializer.values)).rehearse(obj)
        except (KeyError, ValueError, TypeError):
            return False
    return True


def _numbering_matters(obj: Any) -> bool:
    """Tell whether a model, or what an optimizer trains, has a Sequential that the original numbers otherwise."""
    link = obj if isinstance(obj, Link) else getattr(obj, "target", None)
    links = link.links() if isinstance(link, Link) else ()
    return any(isinstance(each, Sequential) and each.numbering_matters for each in links)


def _warn_if_ambiguous(deserializer: FlatDeserializer, obj: Any) -> None:
    if _fits_otherwise(deserializer, obj):
        warnings.warn(
            "the file does not say how it numbers the links of a Sequential, and both ways fit: they are loaded in "
            f"their order. If the file is the original's, {_advice('legacy')}; saving the model again settles it",
            UserWarning,
            stacklevel=4,
        )


def _advice(numbering: str) -> str:
    return f"load it within `with kusari.using_config({NUMBERING!r}, {numbering!r}):`"
