"""Where files of trained weights are looked for, and how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kusari.dataset.download import ROOT_VARIABLE, cached_download, get_dataset_root
from kusari.serializers import load_npz, load_safetensors

FOLDER = Path("pfnet", "chainer", "models")
"""Below the folder of datasets: that of the original, so that its files are found."""
SUFFIXES = (".npz", ".safetensors")

HOW_TO_CONVERT = """\
To convert a caffemodel, run once in an environment that has the original library and its converter's packages

    chainer.links.{name}.convert_caffemodel_to_npz("{stem}.caffemodel", "{stem}.npz")

and load what it wrote here: the names and shapes in that file are this model's. Weights of any other source load, too,
once numpy.savez() has written them under these names, which kusari.serializers.save_npz() of the model shows."""


def folders() -> list[Path]:
    """Return where files are looked for: below this library's datasets, then below those of the original."""
    roots = [get_dataset_root()]
    roots.append(os.environ.get("CHAINER_DATASET_ROOT") or os.path.join(os.path.expanduser("~"), ".chainer", "dataset"))
    return [Path(root) / FOLDER for root in roots]


def weights_file(name: str, stem: str, pretrained_model: Any) -> Path:
    """Return the file that ``pretrained_model`` means.

    Args:
        name: The model's class, for messages.
        stem: What its file is called, without the suffix.
        pretrained_model: ``auto``, a path, or a URL that ends with ``#sha256=…``.

    Raises:
        FileNotFoundError: There is none; the text says where it was looked for, and how to make it.
        NotImplementedError: A caffemodel.
        OSError: A URL's file cannot be had.
        ValueError: A URL without a checksum, or a file that has another one.
    """
    if str(pretrained_model).startswith(("http://", "https://")):
        return _downloaded(name, pretrained_model)
    if pretrained_model != "auto":
        path = Path(pretrained_model)
        if path.suffix == ".caffemodel":
            raise cannot_convert(name, path.stem)
        if not path.exists():
            raise FileNotFoundError(f"{name}(pretrained_model={pretrained_model!r}): there is no such file")
        return path
    for folder in folders():
        for suffix in SUFFIXES:
            if (folder / f"{stem}{suffix}").exists():
                return folder / f"{stem}{suffix}"
    looked = " or ".join(str(folder / f"{stem}.npz") for folder in folders())
    raise FileNotFoundError(
        f"{name}(pretrained_model='auto') found no weights at {looked}, nor as .safetensors there. They are published "
        f"as {stem}.caffemodel only, so that there is nothing to download. Put the file there (or set {ROOT_VARIABLE}),"
        " or give its path as pretrained_model; pretrained_model=None starts from random values.\n\n"
        + HOW_TO_CONVERT.format(name=name, stem=stem)
    )


def _downloaded(name: str, url: str) -> Path:
    """Return the file of a URL, downloaded once and checked: a stranger's weights run in somebody's model."""
    address, _, checksum = url.partition("#")
    kind, _, digits = checksum.partition("=")
    if kind != "sha256" or not digits:
        raise ValueError(f"{name}(pretrained_model={url!r}): expected a checksum behind the URL, as in {url}#sha256=…")
    return Path(cached_download(address, f"sha256:{digits}"))


def cannot_convert(name: str, stem: str) -> NotImplementedError:
    """Return the error that says how to come from a caffemodel to a file that loads."""
    advice = HOW_TO_CONVERT.format(name=name, stem=stem)
    return NotImplementedError(f"{name} does not read caffemodels: Caffe and its packages are out of care.\n\n{advice}")


def load_weights(path: Path, link: Any) -> None:
    """Load a file of trained weights into a link."""
    (load_safetensors if path.suffix == ".safetensors" else load_npz)(path, link)
