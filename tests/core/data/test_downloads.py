"""Downloads, and the datasets made of them, by small files of the same formats."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from kusari import datasets
from kusari.dataset import cache_or_load_file, cached_download, get_dataset_root, set_dataset_root
from kusari.dataset import download as download_module
from kusari.datasets import cifar, fashion_mnist, kuzushiji_mnist, mnist, ptb, svhn


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "_chosen_root", [])
    set_dataset_root(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine; return the folder and its URL."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    asked: list[str] = []
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{serving.server_port}/", asked
        serving.shutdown()
        thread.join()


def put(url, content):
    """Put a file where its download would be."""
    path = download_module.download_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_root(root, monkeypatch):
    assert get_dataset_root() == str(root)
    monkeypatch.setattr(download_module, "_chosen_root", [])
    monkeypatch.setenv("KUSARI_DATASET_ROOT", "/elsewhere")
    assert get_dataset_root() == "/elsewhere"
    monkeypatch.delenv("KUSARI_DATASET_ROOT")
    monkeypatch.setenv("HOME", "/someone")
    assert Path(get_dataset_root()) == Path("/someone/.kusari/dataset")


def test_a_file_is_downloaded_once_and_checked(server, root):
    pytest.importorskip("pooch", reason="needs pooch")
    folder, url, asked = server
    (folder / "data.bin").write_bytes(b"content")
    known = "sha256:" + hashlib.sha256(b"content").hexdigest()
    path = cached_download(url + "data.bin", known)
    assert Path(path).read_bytes() == b"content"
    assert Path(path).is_relative_to(root)
    assert cached_download(url + "data.bin", known) == path
    assert asked == ["/data.bin"]


def test_a_file_with_another_hash_is_not_kept(server):
    pytest.importorskip("pooch", reason="needs pooch")
    folder, url, _ = server
    (folder / "data.bin").write_bytes(b"content")
    with pytest.raises(ValueError, match="hash"):
        cached_download(url + "data.bin", "md5:" + "0" * 32)
    assert not download_module.download_path(url + "data.bin").exists()


def test_without_a_network_the_text_says_where_to_put_the_file(server):
    pytest.importorskip("pooch", reason="needs pooch")
    _, url, _ = server
    with pytest.raises(OSError, match=r"put the file at .*-missing.bin, or set KUSARI_DATASET_ROOT"):
        cached_download(url + "missing.bin")
    path = put(url + "missing.bin", b"by hand")
    assert cached_download(url + "missing.bin") == str(path)


def test_without_pooch_the_text_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install kusari\[datasets\]; or put the file at"):
        cached_download("http://127.0.0.1:9/data.bin")


def test_a_file_is_made_once_and_whole(tmp_path):
    path = tmp_path / "folder" / "made.txt"
    made = []

    def create(temporary):
        made.append(temporary)
        Path(temporary).write_text("text")
        assert not path.exists()
        return "text"

    for _ in range(2):
        assert cache_or_load_file(str(path), create, lambda path: Path(path).read_text()) == "text"
    assert len(made) == 1
    assert os.path.basename(made[0]) == "made.txt"
    assert [entry.name for entry in path.parent.iterdir()] == ["made.txt"]


def test_a_file_that_could_not_be_made_leaves_nothing(tmp_path):
    def fail(temporary):
        Path(temporary).write_text("half")
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        cache_or_load_file(str(tmp_path / "made"), fail, fail)
    with pytest.raises(ValueError, match="wrote no file"):
        cache_or_load_file(str(tmp_path / "made"), lambda path: 0, fail)
    assert not any(path.name.startswith((".making", "made")) for path in tmp_path.iterdir())


def test_several_threads_may_make_one_file(tmp_path):
    path = tmp_path / "made"
    together = threading.Barrier(4)
    found = []

    def create(temporary):
        together.wait(20)
        Path(temporary).write_text("text")
        return "text"

    def run():
        found.append(cache_or_load_file(str(path), create, lambda path: Path(path).read_text()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["text"] * 4


# MNIST and its successors. -------------------------------------------------------------------------------------

random = np.random.default_rng(0)
IMAGES = {
    "train": random.integers(0, 256, (5, 28, 28), np.uint8),
    "t10k": random.integers(0, 256, (3, 28, 28), np.uint8),
}
LABELS = {"train": np.array([0, 9, 3, 5, 1], np.uint8), "t10k": np.array([7, 2, 0], np.uint8)}
MNISTS = {
    "mnist": (mnist.SOURCE, datasets.get_mnist),
    "fashion": (fashion_mnist.SOURCE, datasets.get_fashion_mnist),
    "kuzushiji": (kuzushiji_mnist.SOURCE, datasets.get_kuzushiji_mnist),
}


def idx(array):
    """Write the format by its description: two zeros, the type, the rank, lengths in big endian, the bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(header + array.tobytes())


def put_mnist(source):
    for part in ("train", "t10k"):
        put(f"{source.url}{part}-images-idx3-ubyte.gz", idx(IMAGES[part]))
        put(f"{source.url}{part}-labels-idx1-ubyte.gz", idx(LABELS[part]))


@pytest.mark.parametrize("name", MNISTS)
def test_mnists(name):
    source, load = MNISTS[name]
    put_mnist(source)
    for dataset, part in zip(load(), ("train", "t10k"), strict=True):
        images, labels = map(np.stack, zip(*dataset[:], strict=True))
        np.testing.assert_allclose(images, IMAGES[part].reshape(-1, 784) / 255, rtol=1e-6)
        assert images.dtype == np.float32
        assert labels.dtype == np.int32
        assert labels.tolist() == LABELS[part].tolist()


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"ndim": 2}, (28, 28)),
        ({"ndim": 3}, (1, 28, 28)),
        ({"ndim": 3, "rgb_format": True}, (3, 28, 28)),
        ({"ndim": 1, "scale": 255.0, "dtype": np.float16}, (784,)),
    ],
)
def test_shapes_and_types_of_mnist(options, shape):
    put_mnist(mnist.SOURCE)
    train, test = datasets.get_mnist(withlabel=False, **options)
    assert (train.shape, test.shape) == ((5, *shape), (3, *shape))
    assert train.dtype == options.get("dtype", np.float32)
    whole = np.broadcast_to(IMAGES["train"].reshape(5, *((1, 28, 28) if len(shape) == 3 else shape)), train.shape)
    np.testing.assert_allclose(train, whole * (options.get("scale", 1.0) / 255), rtol=1e-3)
    labeled = datasets.get_mnist(label_dtype=np.uint8)[0]
    assert labeled[0][1].dtype == np.uint8


def test_shapes_that_mnist_does_not_have():
    put_mnist(mnist.SOURCE)
    with pytest.raises(ValueError, match="ndim=4"):
        datasets.get_mnist(ndim=4)
    with pytest.raises(ValueError, match="rgb_format needs ndim=3"):
        datasets.get_mnist(rgb_format=True)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<html>", "not a whole gzip file"),
        (idx(IMAGES["train"])[:-20], "not a whole gzip file"),
        (gzip.compress(b"\0\0\x08\x03"), "expected an IDX file"),
        (idx(LABELS["train"]), "with 3 axes"),
        (
            gzip.compress(gzip.decompress(idx(IMAGES["train"]))[:-1]),
            r"shape \(5, 28, 28\) takes 3920 bytes, the file has 3919",
        ),
    ],
    ids=["not gzip", "cut", "no sizes", "labels for images", "a byte less"],
)
def test_damaged_files_of_mnist(content, text):
    put_mnist(mnist.SOURCE)
    put(mnist.SOURCE.url + "train-images-idx3-ubyte.gz", content)
    with pytest.raises(ValueError, match=text):
        datasets.get_mnist()


def test_labels_of_mnists():
    assert len(datasets.get_fashion_mnist_labels()) == len(datasets.get_kuzushiji_mnist_labels()) == 10
    assert datasets.get_kuzushiji_mnist_labels()[9] == ("wo", "を")
    datasets.get_fashion_mnist_labels().clear()
    assert datasets.get_fashion_mnist_labels()


# The others. ---------------------------------------------------------------------------------------------------


def put_archive(source, images, labels):
    """Write an archive of records by its description: labels, then the image by channel."""
    names = (*source.train, *source.test)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, part, own in zip(
            names, np.array_split(images, len(names)), np.array_split(labels, len(names)), strict=True
        ):
            content = b"".join(bytes(label) + image.tobytes() for label, image in zip(own, part, strict=True))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo("readme.html"), io.BytesIO())
    return put(source.url, file.getvalue())


def test_cifar():
    images = random.integers(0, 256, (12, 3, 32, 32), np.uint8)
    put_archive(cifar.CIFAR10, images, np.arange(12)[:, np.newaxis].astype(np.uint8) % 10)
    train, test = datasets.get_cifar10(scale=255)
    assert (len(train), len(test)) == (10, 2)
    np.testing.assert_allclose(np.stack([image for image, _ in train]), images[:10], rtol=1e-6)
    assert [int(label) for _, label in test] == [0, 1]
    assert test[0][1].dtype == np.int32
    flat, _ = datasets.get_cifar10(withlabel=False, ndim=1, dtype="float64")
    assert (flat.shape, flat.dtype) == ((10, 3072), np.float64)

    coarse_and_fine = np.stack([np.full(12, 7), np.arange(12) + 80], axis=1).astype(np.uint8)
    put_archive(cifar.CIFAR100, images, coarse_and_fine)
    train, test = datasets.get_cifar100()
    assert [int(label) for _, label in train] == list(range(80, 86))
    np.testing.assert_allclose(test[0][0], images[6] / 255, rtol=1e-6)
    with pytest.raises(ValueError, match="ndim=2"):
        datasets.get_cifar10(ndim=2)


def test_damaged_files_of_cifar():
    images = random.integers(0, 256, (12, 3, 32, 32), np.uint8)
    path = put_archive(cifar.CIFAR10, images, np.zeros((12, 2), np.uint8))
    with pytest.raises(ValueError, match=r"records of 3073 bytes, found 6148 bytes"):
        datasets.get_cifar10()
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="not a whole archive"):
        datasets.get_cifar10()


def test_svhn():
    scipy_io = pytest.importorskip("scipy.io", reason="needs SciPy")
    images = {name: random.integers(0, 256, (32, 32, 3, 4), np.uint8) for name in svhn.MD5}
    for name, array in images.items():
        file = io.BytesIO()
        scipy_io.savemat(file, {"X": array, "y": np.array([[1], [10], [9], [5]])})
        put(svhn.URL + name, file.getvalue())
    train, test, extra = datasets.get_svhn(add_extra=True, scale=255)
    assert [int(label) for _, label in train] == [1, 0, 9, 5]
    np.testing.assert_allclose(test[2][0], images["test_32x32.mat"][..., 2].transpose(2, 0, 1), rtol=1e-6)
    assert extra[0][1].dtype == np.int32
    assert len(datasets.get_svhn(withlabel=False)) == 2
    put(svhn.URL + "train_32x32.mat", b"not a matrix")
    with pytest.raises(ValueError, match="cannot be read"):
        datasets.get_svhn()


def test_ptb():
    texts = {
        "ptb.train.txt": " the cat sat \n the <unk> \n",
        "ptb.valid.txt": " cat the \n",
        "ptb.test.txt": " N cat \n",
    }
    for name, text in texts.items():
        put(ptb.URL + name, text.encode())
    vocabulary = datasets.get_ptb_words_vocabulary()
    assert vocabulary == {"the": 0, "cat": 1, "sat": 2, "<eos>": 3, "<unk>": 4, "N": 5}
    train, valid, test = datasets.get_ptb_words()
    assert (train.tolist(), valid.tolist(), test.tolist()) == ([0, 1, 2, 3, 0, 4, 3], [1, 0, 3], [5, 1, 3])
    assert train.dtype == np.int32
