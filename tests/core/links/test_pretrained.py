"""Trained weights: where they are found, how images get to a network, and what is said where there is nothing."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.backend import Backend, Device
from kusari.links.caffe import CaffeFunction
from kusari.links.model.vision import googlenet, resnet, vgg
from kusari.links.model.vision.images import center_crops, ten_crops
from kusari.links.model.vision.pretrained import PretrainedLayers, start
from kusari.links.model.vision.weights import FOLDER
from kusari.serializers import save_npz, save_safetensors

GREEN_AND_BLUE = np.zeros((3, 5, 4), "uint8") + np.asarray([0, 100, 200], "uint8")[:, None, None]


class Small(PretrainedLayers):
    """Two layers and a branch, on the way that all networks for images share."""

    mean = (1.0, 2.0, 3.0)
    default_features = "conv"
    branches = {"side": "conv"}  # noqa: RUF012 - never changed

    def __init__(self, pretrained_model: Any = "auto") -> None:
        load = start(type(self), "small", pretrained_model)
        super().__init__()
        with self.init_scope():
            self.conv = L.Convolution2D(3, 2, 1)
        self.calls: list[str] = []
        load(self)

    def _called(self, name: str, function: Any) -> Any:
        return lambda x: self.calls.append(name) or function(x)

    @property
    def functions(self) -> Any:
        return {
            "conv": [self.conv, F.relu],
            "pool": [self._called("pool", lambda x: F.mean(x, axis=(2, 3)))],
            "prob": [self._called("prob", F.softmax)],
            "side": [self._called("side", F.sum)],
        }


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep datasets of both libraries below a new folder."""
    monkeypatch.setenv("KUSARI_DATASET_ROOT", str(tmp_path / "ours"))
    monkeypatch.setenv("CHAINER_DATASET_ROOT", str(tmp_path / "theirs"))
    monkeypatch.setattr("kusari.dataset.download._chosen_root", [])
    return tmp_path


@pytest.mark.parametrize("library", ["ours", "theirs"])
@pytest.mark.parametrize(("suffix", "save"), [("npz", save_npz), ("safetensors", save_safetensors)])
def test_weights_are_found_where_they_are_kept(root: Path, library: str, suffix: str, save: Any) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors", reason="needs safetensors")
    trained = Small(None)
    folder = root / library / FOLDER
    folder.mkdir(parents=True)
    save(folder / f"small.{suffix}", trained)
    for found in (Small(), Small(folder / f"small.{suffix}"), Small(str(folder / f"small.{suffix}"))):
        np.testing.assert_array_equal(found.conv.W.array, trained.conv.W.array)


def test_weights_are_downloaded_once_and_checked(root: Path) -> None:
    pytest.importorskip("pooch", reason="needs pooch")
    served, trained = root / "served", Small(None)
    served.mkdir()
    save_npz(served / "small.npz", trained)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/small.npz"
        right = hashlib.sha256((served / "small.npz").read_bytes()).hexdigest()
        try:
            with pytest.raises(ValueError, match="hash"):
                Small(f"{url}#sha256={'0' * 64}")
            Small(f"{url}#sha256={right}")
        finally:
            server.shutdown()
    found = Small(f"{url}#sha256={right}")  # the server is gone, the file is here
    np.testing.assert_array_equal(found.conv.W.array, trained.conv.W.array)
    with pytest.raises(ValueError, match=r"checksum behind the URL, as in .*small.npz#sha256="):
        Small(url)


@pytest.mark.parametrize(
    ("make", "stem"),
    [
        (L.VGG16Layers, "VGG_ILSVRC_16_layers"),
        (L.VGG19Layers, "VGG_ILSVRC_19_layers"),
        (L.GoogLeNet, "bvlc_googlenet"),
        (L.ResNet50Layers, "ResNet-50-model"),
        (L.ResNet101Layers, "ResNet-101-model"),
        (L.ResNet152Layers, "ResNet-152-model"),
    ],
)
def test_weights_that_are_nowhere_are_an_error_with_advice(root: Path, make: Any, stem: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        make()
    text = str(caught.value)
    assert str(root / "ours" / "pfnet" / "chainer" / "models" / f"{stem}.npz") in text
    assert str(root / "theirs" / "pfnet" / "chainer" / "models" / f"{stem}.npz") in text
    assert f"{make.__name__}.convert_caffemodel_to_npz" in text
    with pytest.raises(NotImplementedError, match=r"convert_caffemodel_to_npz\(\"weights.caffemodel\""):
        make("some/weights.caffemodel")
    with pytest.raises(NotImplementedError, match="once in an environment that has the original library"):
        make.convert_caffemodel_to_npz("weights.caffemodel", "weights.npz")
    with pytest.raises(FileNotFoundError, match="no such file"):
        make(root / "nothing.npz")


def test_a_network_runs_no_further_than_it_has_to() -> None:
    model, x = Small(None), np.ones((2, 3, 4, 4), "f")
    assert model.available_layers == ["conv", "pool", "prob", "side"]
    assert list(model(x)) == ["prob"]
    assert list(model(x, layers=["side", "conv"])) == ["conv", "side"]
    assert model.calls == ["pool", "prob", "side"]
    assert model(x, layers=[]) == {}
    np.testing.assert_allclose(model(x, layers=["side"])["side"].array, model(x, ["conv"])["conv"].array.sum(), 1e-6)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: m(np.ones((1, 3, 4, 4), "f"), layers=["fc9", "prob"]), ValueError, "no fc9; expected some of conv"),
        (lambda m: m(np.ones((1, 3, 4, 4), "f"), test=True), ValueError, "using_config"),
        (lambda m: m(np.ones((1, 3, 4, 4), "f"), train=True), TypeError, "'train'"),
        (lambda m: m.extract([GREEN_AND_BLUE], volatile=True), ValueError, "no_backprop_mode"),
        (lambda m: m.extract([]), ValueError, "at least one image"),
        (lambda m: m.predict([]), ValueError, "at least one image"),
        (lambda m: resnet.ResNetLayers(None, 34), ValueError, "50, 101 or 152"),
        (lambda m: vgg.VGGLayers(None, 11), ValueError, "16 or 19"),
        (lambda m: CaffeFunction("net.caffemodel"), NotImplementedError, "load_npz"),
        (lambda m: L.TheanoFunction([], []), NotImplementedError, "FunctionNode"),
    ],
)
def test_errors_say_what_to_do(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(Small(None))


# Images. -------------------------------------------------------------------------------------------------------------
def image_library() -> Any:
    return pytest.importorskip("PIL.Image", reason="needs pillow")


@pytest.mark.parametrize(
    ("module", "mean"),
    [
        (vgg, (103.939, 116.779, 123.68)),
        (resnet, (103.063, 115.903, 123.152)),
        (googlenet, (104, 117, 123)),
    ],
    ids=["vgg", "resnet", "googlenet"],
)
def test_images_are_blue_first_and_without_their_mean(module: Any, mean: Any) -> None:
    Image = image_library()
    rgb = GREEN_AND_BLUE
    expected = np.broadcast_to((np.asarray([200, 100, 0]) - mean)[:, None, None], (3, 5, 4))
    forms = {
        "(3, H, W)": rgb,
        "(H, W, 3)": rgb.transpose(1, 2, 0),
        "floats": rgb + np.float32(0.75),
        "Pillow": Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0))),
        "with alpha": Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0))).convert("RGBA"),
    }
    for form, image in forms.items():
        made = module.prepare(image, size=None)
        assert (made.dtype, made.flags.c_contiguous) == (np.float32, True)
        np.testing.assert_allclose(made, expected, rtol=1e-6, err_msg=form)
    grey = np.broadcast_to((100 - np.asarray(mean))[:, None, None], (3, 5, 4))
    for image in (rgb[1], rgb[1:2], Image.fromarray(np.ascontiguousarray(rgb[1]))):
        np.testing.assert_allclose(module.prepare(image, size=None), grey, rtol=1e-5)


def test_images_are_scaled_as_pillow_does() -> None:
    Image = image_library()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (13, 9, 3), "uint8"))
    made = googlenet.prepare(image, size=(5, 4))
    expected = np.asarray(image.resize((5, 4), Image.Resampling.BICUBIC), "f")[:, :, ::-1] - (104, 117, 123)
    np.testing.assert_array_equal(made, expected.transpose(2, 0, 1))
    assert googlenet.prepare(image).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("image", "error", "text"),
    [
        (np.zeros((4, 5, 6), "uint8"), ValueError, r"\(3, H, W\)"),
        (np.zeros((1, 3, 5, 6), "uint8"), ValueError, r"shape \(1, 3, 5, 6\)"),
        (np.full((3, 5, 6), 300.0), ValueError, "0 to 255"),
        (np.full((3, 5, 6), np.nan), ValueError, "0 to 255"),
        ("cat.png", TypeError, "got str"),
    ],
)
def test_what_is_no_image_is_an_error(image: Any, error: type[Exception], text: str) -> None:
    image_library()
    with pytest.raises(error, match=text):
        vgg.prepare(image)


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(RuntimeError, match=r"pip install kusari\[datasets\]"):
        Small(None).extract([GREEN_AND_BLUE])


def test_parts_of_images() -> None:
    images = np.arange(2 * 3 * 226 * 230).reshape(2, 3, 226, 230)
    middle = images[:, :, 1:225, 3:227]
    np.testing.assert_array_equal(center_crops(images), middle)
    parts = ten_crops(images).reshape(2, 10, 3, 224, 224)
    np.testing.assert_array_equal(parts[:, 0], images[:, :, :224, :224])
    np.testing.assert_array_equal(parts[:, 1], images[:, :, :224, -224:])
    np.testing.assert_array_equal(parts[:, 2], images[:, :, -224:, :224])
    np.testing.assert_array_equal(parts[:, 3], images[:, :, -224:, -224:])
    np.testing.assert_array_equal(parts[:, 4], middle)
    np.testing.assert_array_equal(parts[:, 5:], parts[:, :5, ..., ::-1])


def test_features_and_guesses_of_images(strict: Backend) -> None:
    image_library()
    images = [np.random.default_rng(seed).integers(0, 256, (3, 30, 40), "uint8") for seed in (0, 1)]
    model = Small(None)
    features = model.extract(images, size=(6, 5))
    assert {name: h.shape for name, h in features.items()} == {"conv": (2, 2, 5, 6)}
    assert features["conv"].requires_grad
    with kusari.using_config("train", True):
        whole, middle = model.predict(images), model.predict(images, oversample=False)
    assert whole.creator is None
    np.testing.assert_allclose(whole.array.sum(axis=1), [1, 1], rtol=1e-5)
    assert middle.shape == (2, 2)
    expected = [model.predict([image]).array[0] for image in images]
    np.testing.assert_allclose(whole.array, expected, rtol=1e-5)
    there = model.to_device(Device(strict)).predict(images)
    np.testing.assert_allclose(strict.to_host(there.array), whole.array, rtol=1e-4)


def test_a_stage_with_its_stride_in_the_large_window() -> None:
    early, late = (resnet.BottleneckA(4, 2, 8, 2, downsample_fb=late) for late in (False, True))
    assert (early.conv1.stride, early.conv2.stride) == ((2, 2), (1, 1))
    assert (late.conv1.stride, late.conv2.stride) == ((1, 1), (2, 2))


def test_a_block_learns(device: Device) -> None:
    block = resnet.BuildingBlock(2, 3, 2, 4, 2).to_device(device)
    x = device.send(np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype("f"))
    optimizer = kusari.optimizers.SGD(1e-3).setup(block)
    losses = []
    for _ in range(2):
        y = block(x)
        loss = F.sum((y - 1) * (y - 1))
        losses.append(loss.item())
        block.cleargrads()
        loss.backward()
        optimizer.update()
    assert losses[1] < losses[0]
