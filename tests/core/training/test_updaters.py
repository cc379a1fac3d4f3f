from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.training.updaters import MultiprocessParallelUpdater, ParallelUpdater, StandardUpdater

Make = Callable[..., training.Trainer]


class Numbers(kusari.dataset.Iterator):
    """An iterator over given batches that counts them as epochs of two."""

    def __init__(self, *batches: Any) -> None:
        self.batches, self.count, self.finalized = batches, 0, False

    def __next__(self) -> Any:
        self.count += 1
        return self.batches[self.count - 1]

    epoch = property(lambda self: self.count // 2)
    epoch_detail = property(lambda self: self.count / 2)
    previous_epoch_detail = property(lambda self: (self.count - 1) / 2)
    is_new_epoch = property(lambda self: self.count % 2 == 0)

    def finalize(self) -> None:
        self.finalized = True


def optimizer(model: Any = None, lr: float = 1.0) -> Any:
    return kusari.optimizers.SGD(lr).setup(L.Linear(1, 1) if model is None else model)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([(np.ones(1), np.zeros(1))], ([(1, 1), (1, 1)], {})),
        ([{"a": np.ones(1), "b": np.zeros(1)}], ([], {"a": (1, 1), "b": (1, 1)})),
        ([np.ones(3)], ([(1, 3)], {})),
    ],
)
def test_how_the_loss_function_is_called(batch: Any, expected: Any) -> None:
    seen: list[Any] = []
    model = L.Linear(1, 1)

    def loss(*args: Any, **kwargs: Any) -> Any:
        seen.append(([a.shape for a in args], {key: value.shape for key, value in kwargs.items()}))
        return F.sum(model.W)

    StandardUpdater(Numbers(batch), optimizer(model), loss_func=loss).update()
    assert seen == [expected]


def test_an_iteration() -> None:
    model, iterator = L.Linear(2, 1, initialW=0), Numbers(np.ones((3, 2), "f"), np.ones((3, 2), "f"))
    updater = StandardUpdater(iterator, optimizer(model), loss_func=lambda x: F.sum(model(x)))
    updater.update()
    assert model.W.array.tolist() == [[-3, -3]]
    assert (updater.iteration, updater.epoch, updater.epoch_detail, updater.previous_epoch_detail) == (1, 0, 0.5, 0)
    assert not updater.is_new_epoch
    updater.update()
    assert updater.is_new_epoch
    assert updater.get_optimizer("main").epoch == 1
    updater.finalize()
    assert iterator.finalized


def test_epochs_by_hand() -> None:
    chosen = optimizer()
    updater = StandardUpdater(Numbers(*np.ones((2, 1, 1), "f")), chosen, auto_new_epoch=False)
    updater.loss_func = lambda x: F.sum(chosen.target(x))
    updater.update()
    updater.update()
    assert chosen.epoch == 0
    chosen.new_epoch()
    with pytest.raises(RuntimeError, match="auto_new_epoch=False"):
        optimizer_of(StandardUpdater(Numbers(), optimizer())).new_epoch()


def optimizer_of(updater: StandardUpdater) -> Any:
    return updater.get_optimizer("main")


def test_names() -> None:
    first, second = optimizer(), optimizer()
    updater = StandardUpdater({"main": Numbers(), "other": Numbers()}, {"main": first, "second": second})
    assert updater.get_optimizer("second") is second
    assert updater.get_all_optimizers() == {"main": first, "second": second}
    assert isinstance(updater.get_iterator("other"), Numbers)
    with pytest.raises(KeyError, match="no optimizer 'third'; it has 'main', 'second'"):
        updater.get_optimizer("third")
    with pytest.raises(KeyError, match="the updater has no iterator 'main'; it has 'train'"):
        StandardUpdater({"train": Numbers()}, first).update()
    with pytest.raises(TypeError, match="unexpected keyword"):
        StandardUpdater(Numbers(), first, devise="numpy")


def test_an_updater_of_its_own_needs_no_main_optimizer() -> None:
    class Both(StandardUpdater):
        def update_core(self) -> None:
            for name in ("one", "other"):
                found = self.get_optimizer(name)
                found.update(lambda target=found.target: F.sum(target.b))

    updater = Both(Numbers(), {"one": optimizer(), "other": optimizer(lr=2.0)})
    trainer = training.Trainer(updater)
    updater.update()
    assert [updater.get_optimizer(name).target.b.array.item() for name in ("one", "other")] == [-1.0, -2.0]
    with trainer.reporter:
        kusari.report({"x": 1.0}, updater.get_optimizer("other").target)
    assert trainer.reporter.observation == {"other/x": 1.0}
    with pytest.raises(KeyError, match="no optimizer 'main'; it has 'one', 'other'"):
        StandardUpdater.update_core(updater)


def test_devices(strict: kusari.backend.Backend) -> None:
    model = L.Linear(1, 1)
    batch = [np.ones(1, "f")] * 2
    updater = StandardUpdater(
        Numbers(batch, batch), optimizer(model), device="strict", loss_func=lambda x: F.sum(model(x))
    )
    assert str(updater.device) == str(updater.input_device) == str(model.device) == "strict:0"
    updater.update()
    apart = StandardUpdater(Numbers(), optimizer(), device="numpy", input_device="strict:1")
    assert (str(apart.device), str(apart.input_device)) == ("numpy", "strict:1")
    staying = StandardUpdater(Numbers(), optimizer(model))
    assert staying.device is None
    assert str(model.device) == "strict:0"


def test_training_does_not_wait_for_the_device(small: Make, strict: kusari.backend.Backend) -> None:
    """Reports and logs leave values there until an interval ends."""
    trainer = small(until=(7, "iteration"), optimizer=kusari.optimizers.SGD(0.1), device="strict")
    log = training.extensions.LogReport(trigger=(3, "iteration"))
    checked: list[bool] = []
    trainer.extend(lambda trainer: checked.append(kusari.config.forbid_synchronization))
    trainer.extend(lambda trainer: _forbid(trainer.updater.iteration % 3 != 0))
    trainer.extend(log, priority=-1)
    trainer.extend(lambda trainer: _forbid(True), priority=-2, call_before_training=True)
    try:
        trainer.run()
    finally:
        _forbid(False)
    assert checked == [True] * 7
    assert [entry["iteration"] for entry in log.log] == [3, 6]
    assert all(0 < entry["main/loss"] < 10 for entry in log.log)


def _forbid(on: bool) -> None:
    kusari.config.forbid_synchronization = on


def test_hyperparameters_are_part_of_the_run(round_trip: Any) -> None:
    def make(lr: float) -> StandardUpdater:
        return StandardUpdater(
            kusari.iterators.SerialIterator([1, 2], 1), kusari.optimizers.MomentumSGD(lr).setup(L.Linear(1, 1))
        )

    source, target = make(0.25), make(1)
    rule = source.get_optimizer("main").target.W.update_rule
    target_rule = target.get_optimizer("main").target.W.update_rule
    rule.hyperparam.lr, target_rule.hyperparam.lr = 0.125, 3
    round_trip(source, target)
    assert target.get_optimizer("main").lr == 0.25
    assert target_rule.hyperparam.lr == 0.125
    assert target.get_optimizer("main").target.b.update_rule.hyperparam.lr == 0.25


def test_loss_scale() -> None:
    model = L.Linear(1, 1, initialW=0)
    updater = StandardUpdater(
        Numbers(np.ones((1, 1), "f")), optimizer(model), loss_scale=64, loss_func=lambda x: F.sum(model(x))
    )
    seen: list[float] = []
    updater.get_optimizer("main").add_hook(lambda opt: seen.append(model.W.grad.item()), name="look")
    updater.update()
    assert seen == [1]
    assert model.W.array.item() == -1


# Several devices. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [["numpy", "numpy"], ["numpy", "strict:1", "strict:0"]])
@pytest.mark.parametrize("size", [1, 6])
def test_parallel(strict: kusari.backend.Backend, devices: list[str], size: int) -> None:
    """Gradients of the parts are added up."""
    batches = np.random.default_rng(0).normal(size=(2, size, 3)).astype("f")
    plain, split = (L.Linear(3, 2, initialW=np.ones((2, 3), "f")) for _ in range(2))
    reference = StandardUpdater(Numbers(*batches), optimizer(plain, 0.1), loss_func=lambda x: F.sum(plain(x) ** 2))

    class Model(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.layer = split

        def forward(self, x: Any) -> Any:
            loss = F.sum(self.layer(x) ** 2)
            kusari.report({"loss": loss}, self)
            return loss

    names = dict(zip(["main", "second", "third"], devices, strict=False))
    updater = ParallelUpdater(Numbers(*batches), optimizer(Model(), 0.1), devices=names)
    trainer = training.Trainer(updater, (2, "iteration"))
    observed: list[set[str]] = []
    trainer.extend(lambda trainer: observed.append(set(trainer.observation)))
    trainer.run()
    reference.update()
    reference.update()
    assert np.allclose(split.W.array, plain.W.array, atol=1e-5)
    assert observed == [{f"{name}/loss" for name in list(names)[:size]}] * 2
    assert updater.iteration == 2


def test_parallel_over_given_models() -> None:
    main, second = L.Classifier(L.Linear(2, 2)), L.Classifier(L.Linear(2, 2))
    batch = [(np.ones(2, "f"), np.int32(0))] * 4
    updater = ParallelUpdater(Numbers(batch, batch), optimizer(main), models={"main": main, "second": second})
    updater.update()
    before = main.predictor.W.array.copy()
    updater.update()
    assert np.array_equal(second.predictor.W.array, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give devices="),
        ({"devices": {"main": "numpy"}, "models": {"main": None}}, "not both"),
        ({"devices": {"first": "numpy"}}, "named 'main'; got 'first'"),
        ({"models": {"main": None}}, "main optimizer's target"),
    ],
)
def test_wrong_arguments_of_parallel(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelUpdater(Numbers(), optimizer(), **options)


def test_processes_are_refused_with_advice() -> None:
    assert not MultiprocessParallelUpdater.available()
    with pytest.raises(RuntimeError, match="use ParallelUpdater"):
        MultiprocessParallelUpdater([Numbers()], optimizer(), devices=[0])


def test_the_base_says_what_is_missing() -> None:
    updater = training.Updater()
    for call in (updater.update, updater.get_all_optimizers, lambda: updater.get_optimizer("main")):
        with pytest.raises(NotImplementedError, match="Updater does not define"):
            call()


def regression(count: int = 24) -> Any:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((count, 3)).astype("f")
    return kusari.datasets.TupleDataset(x, (x @ np.float32([[1.0], [-2.0], [0.5]])).astype("f"))


def fitted(batch_size: int, steps: int, loss_scaling: Any = None, **options: Any) -> tuple[Any, Any]:
    """Train a line, and return its parameters and the updater."""
    model = L.Linear(3, 1, initialW=0.1)
    adam = kusari.optimizers.Adam(0.1).setup(model)
    if loss_scaling is not None:
        loss_scaling(adam)
    iterator = kusari.iterators.SerialIterator(regression(), batch_size, shuffle=False)
    updater = StandardUpdater(iterator, adam, loss_func=lambda x, t: F.mean_squared_error(model(x), t), **options)
    for _ in range(steps):
        updater.update()
    return np.concatenate([model.W.array.ravel(), model.b.array]), updater


@pytest.mark.parametrize(
    "loss_scaling",
    [None, lambda adam: adam.loss_scaling(scale=64.0), lambda adam: adam.loss_scaling()],
    ids=["no scale", "a fixed scale", "an adapting scale"],
)
def test_gradients_of_several_batches_make_the_update_of_one_large_batch(loss_scaling: Any) -> None:
    at_once, large = fitted(12, 8, loss_scaling)
    in_parts, small = fitted(3, 8, loss_scaling, accumulate=4)
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-4)
    assert small.iteration == large.iteration == 8
    assert small.get_optimizer("main").t == 8
    assert small.get_optimizer("main").epoch == small.epoch == large.epoch == 4


def test_an_update_of_no_batches_is_refused() -> None:
    with pytest.raises(ValueError, match="accumulate=0: expected how many batches"):
        StandardUpdater(Numbers(), optimizer(), accumulate=0)


@pytest.mark.parametrize("name", ["mixed16", "mixedbf16"])
def test_mixed_precision_trains(name: str, tmp_path: Any) -> None:
    # Both need float32 copies of the parameters; float16 needs its loss scaled, too, bfloat16 has float32's range.
    if name == "mixedbf16" and "bfloat16" not in kusari.backend.get_backend("numpy").dtypes:
        pytest.skip("the backend numpy computes nothing in bfloat16")
    # An adapting scale grows until something overflows.
    with kusari.using_config("dtype", getattr(kusari, name)), np.errstate(over="ignore", invalid="ignore"):
        model = kusari.Sequential(L.Linear(3, 16), F.relu, L.Linear(16, 1))
        adam = kusari.optimizers.Adam(0.05).setup(model)
        adam.use_fp32_update()
        if name == "mixed16":
            adam.loss_scaling()
        seen: list[str] = []

        def loss(x: Any, t: Any) -> Any:
            y = model(F.cast(x, kusari.get_dtype()))
            seen.append(y.dtype.name)
            value = F.mean_squared_error(F.cast(y, "float32"), t)
            kusari.report({"loss": value})
            return value

        iterator = kusari.iterators.SerialIterator(regression(), 8)
        trainer = training.Trainer(StandardUpdater(iterator, adam, loss_func=loss), (40, "epoch"), out=tmp_path)
        trainer.extend(training.extensions.LogReport())
        trainer.run()
    log = trainer.get_extension("LogReport").log
    assert log[-1]["loss"] < 0.02 * log[0]["loss"]
    computed = "float16" if name == "mixed16" else "bfloat16"
    assert set(seen) == {computed}
    assert {param.dtype.name for param in model.params()} == {computed}
