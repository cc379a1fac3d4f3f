"""Downloads and the files made of them: kept below one folder, made whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

ROOT_VARIABLE: Final = "KUSARI_DATASET_ROOT"
_chosen_root: list[str] = []


def get_dataset_root() -> str:
    """Return the folder where datasets are kept.

    What `set_dataset_root` said, else the environment variable ``KUSARI_DATASET_ROOT``, else ``~/.kusari/dataset``.
    """
    if _chosen_root:
        return _chosen_root[0]
    return os.environ.get(ROOT_VARIABLE) or os.path.join(os.path.expanduser("~"), ".kusari", "dataset")


def set_dataset_root(path: str | os.PathLike[str]) -> None:
    """Keep datasets below another folder from now on.

    Args:
        path: It is made when something is kept there.
    """
    _chosen_root[:] = [os.fspath(path)]


def cached_download(url: str, known_hash: str | None = None) -> str:
    """Download a file, once; return where it is.

    Args:
        url: Where it comes from. It is kept under a name made from this.
        known_hash: ``md5:…`` or ``sha256:…`` of the file, checked after the download. None: nothing is checked.

    Returns:
        The path. A file that is there already is not downloaded again, and needs neither a network nor pooch.

    Raises:
        ImportError: The package pooch is missing; the text says how to install it.
        OSError: The file cannot be had, or the folder cannot be made; the text says where to put the file by hand.
        ValueError: It has another hash.
    """
    path = download_path(url)
    if path.exists():
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import pooch
    except ImportError:
        raise ImportError(
            f"downloading {url} needs the package pooch: pip install kusari[datasets]; or put the file at {path}"
        ) from None
    try:
        return str(pooch.retrieve(url, known_hash, fname=path.name, path=path.parent, downloader=_downloader(pooch)))
    except OSError as error:
        raise OSError(
            f"{url} cannot be downloaded ({type(error).__name__}: {error}). Without a network, put the file at {path}, "
            f"or set {ROOT_VARIABLE} to a folder that has it"
        ) from error


def download_path(url: str) -> Path:
    """Return where `cached_download` keeps the file of a URL.

    >>> download_path("https://example.org/data/train.gz").name.endswith("-train.gz")
    True
    """
    digest = hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()
    name = url.rpartition("/")[2].partition("?")[0]
    return Path(get_dataset_root(), "_dl_cache", f"{digest}-{name}")


def _downloader(pooch: Any) -> Any:
    """Return a downloader that gives up on a silent server; pooch's own waits for 30 s for each of its tries."""
    return pooch.HTTPDownloader(timeout=20)


def cache_or_load_file(path: str, creator: Callable[[str], T], loader: Callable[[str], T]) -> T:
    """Return the content of a file, made when it is not there.

    Args:
        path: Where the file is kept.
        creator: Writes the file at the path that it is given, a temporary one, and returns its content. The file then
            takes its place in one step, so that others, who may be doing the same, never see half of it.
        loader: Reads the file, when it is there.

    Raises:
        OSError: The folder cannot be made or written.
        ValueError: ``creator`` wrote no file.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "one.npy")
    >>> def create(path):
    ...     np.save(path, np.ones(1))
    ...     return np.ones(1)
    >>> cache_or_load_file(path, create, np.load), cache_or_load_file(path, create, np.load)
    (array([1.]), array([1.]))
    """
    if os.path.exists(path):
        return loader(path)
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as temporary:
        made = os.path.join(temporary, os.path.basename(path))
        content = creator(made)
        if not os.path.exists(made):
            raise ValueError(f"creator wrote no file at the path that it was given, {made}")
        os.replace(made, path)
    return content
