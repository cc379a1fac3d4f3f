"""Running statistics: what training makes of them, and what leaves them as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.backend import Backend, Device

X = np.random.default_rng(0).normal(2, 3, (6, 3)).astype("f")


def test_training_moves_the_statistics_toward_the_batch_s(device: Device) -> None:
    layer = L.BatchNormalization(3, decay=0.75).to_device(device)
    layer(device.send(X))
    to_host = device.backend.to_host
    np.testing.assert_allclose(to_host(layer.avg_mean), 0.25 * X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(to_host(layer.avg_var), 0.75 + 0.25 * X.var(0, ddof=1), rtol=1e-5)


def test_outside_of_training_the_statistics_stay_and_are_used() -> None:
    layer = L.BatchNormalization(3, initial_avg_mean=1, initial_avg_var=4, eps=0)
    with kusari.using_config("train", False):
        np.testing.assert_allclose(layer(X).array, (X - 1) / 2, rtol=1e-5)
    assert layer.avg_mean is not None
    np.testing.assert_array_equal(layer.avg_mean, 1)


@pytest.mark.parametrize(
    "layer",
    [L.BatchNormalization(3), L.BatchRenormalization(3), L.DecorrelatedBatchNormalization(3, groups=1)],
    ids=lambda layer: type(layer).__name__,
)
def test_a_part_that_is_computed_again_counts_once(layer: Any) -> None:
    x = kusari.Variable(X)
    y = F.forget(layer, x)
    before = layer.avg_mean.copy()
    assert before.any()
    F.sum(y * y).backward()
    np.testing.assert_array_equal(layer.avg_mean, before)


def blocks_of_two(layer: Any, forget: Any) -> Any:
    """Return what x goes through: a block that calls the layer twice, one alone, and one inside of another."""

    def twice(x: Any) -> Any:
        return layer(layer(x * x) + x)

    def inside(x: Any) -> Any:
        return forget(layer, F.tanh(x)) * x

    return lambda x: forget(inside, forget(layer, forget(twice, x)))


@pytest.mark.parametrize("finetune", [False, True])
def test_batch_renormalization_computed_again_is_the_same(finetune: bool, device: Device) -> None:
    found = []
    for forget in (lambda function, x: function(x), F.forget):
        layer = L.BatchRenormalization(3, rmax=2, dmax=0.5, decay=0.5).to_device(device)
        model = blocks_of_two(lambda x, layer=layer: layer(x, finetune=finetune), forget)
        x = kusari.Variable(device.send(X))
        y = model(x)
        layer.cleargrads()
        F.sum(y * y * y).backward()
        results = (y.array, x.grad, layer.gamma.grad, layer.beta.grad, layer.avg_mean, layer.avg_var)
        found.append([device.backend.to_host(array) for array in results])
    for plain, again in zip(*found, strict=True):
        np.testing.assert_allclose(again, plain, rtol=1e-6)


def test_fine_tuning_averages_over_all_batches() -> None:
    layer: Any = L.BatchNormalization(3)
    layer(X + 7)
    layer.start_finetuning()
    for batch in (X, X + 1, X + 5):
        layer(batch, finetune=True)
    assert layer.N == 3
    np.testing.assert_allclose(layer.avg_mean, X.mean(0) + 2, rtol=1e-5)


def test_statistics_loaded_before_there_are_any_go_to_the_layer_s_device(strict: Backend) -> None:
    source = L.BatchNormalization(3)
    source(X)
    stored = kusari.serializers.DictionarySerializer()
    stored.save(source)
    late = L.BatchNormalization().to_device(Device(strict))
    kusari.serializers.NpzDeserializer(stored.target).load(late)
    with kusari.using_config("train", False):
        y = late(late.device.send(X))
        np.testing.assert_allclose(strict.to_host(y.array), source(X).array, rtol=1e-5)


@pytest.mark.parametrize("keyword", ["test", "train"])
def test_old_keywords_get_advice(keyword: str) -> None:
    with pytest.raises(ValueError, match="using_config"):
        L.BatchNormalization(3)(X, **{keyword: True})


def test_an_axis_that_is_no_integer_is_an_error() -> None:
    with pytest.raises(TypeError, match="axis='channels'"):
        L.BatchNormalization(3, axis="channels")  # type: ignore[arg-type]


def test_mixed_precision_keeps_parameters_and_statistics_in_float32() -> None:
    layer = L.BatchNormalization(3, dtype="mixed16")
    assert layer(X.astype("float16")).dtype == np.float16
    assert layer.avg_mean is not None
    assert [str(array.dtype) for array in (layer.gamma, layer.avg_mean)] == ["float32", "float32"]
