"""Configuration: values of the process, each thread's own on top, restored key by key."""

from __future__ import annotations

import contextvars
import copy
import gc
import io
import pickle
import re
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.configuration import (
    DebugMode,
    GlobalConfig,
    LocalConfig,
    change_state,
    config,
    current_state,
    global_config,
    is_debug,
    set_debug,
    using_config,
    using_state,
)
from kusari.dtypes import get_dtype, mixed16

DOCUMENTED = {
    "autotune": False,
    "compute_mode": None,
    "cudnn_deterministic": False,
    "cudnn_fast_batch_normalization": False,
    "debug": False,
    "dtype": np.dtype("float32"),
    "enable_backprop": True,
    "in_recomputing": False,
    "keep_graph_on_report": False,
    "lazy_grad_sum": False,
    "legacy_behavior": False,
    "schedule_func": None,
    "sequential_numbering": "native",
    "train": True,
    "type_check": True,
    "use_cudnn": "auto",
    "use_cudnn_tensor_core": "auto",
    "use_ideep": "never",
    "use_static_graph": True,
    "warn_nondeterministic": False,
}


@pytest.fixture
def pair() -> tuple[GlobalConfig, LocalConfig]:
    """A configuration of this test alone."""
    shared = GlobalConfig()
    return shared, LocalConfig(shared)


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what ``function`` returns in a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_defaults() -> None:
    assert {key: getattr(global_config, key) for key in DOCUMENTED} == DOCUMENTED
    assert {key: getattr(config, key) for key in DOCUMENTED} == DOCUMENTED


def test_the_page_about_configuration_has_every_key_and_variable() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "configuration.md").read_text()
    keys = set(re.findall(r"`([a-z_]+)`", page))
    assert {key for key in global_config._values if not key.startswith("_")} - keys == set()
    source = (root / "packages/core/src/kusari/configuration.py").read_text()
    assert set(re.findall(r"KUSARI_\w+", source)) - set(re.findall(r"KUSARI_\w+", page)) == set()


def test_a_local_value_hides_the_global_one(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    shared, local = pair
    shared.answer = 1
    assert local.answer == 1
    local.answer = 2
    assert (shared.answer, local.answer) == (1, 2)
    shared.answer = 3
    assert local.answer == 2
    del local.answer
    assert local.answer == 3
    assert "answer" in local
    assert "answer" in shared
    del shared.answer
    assert "answer" not in local


def test_missing_keys(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    shared, local = pair
    shared.known = 1
    for one in pair:
        with pytest.raises(AttributeError, match="no configuration key 'nosuch'; known: known"):
            _ = one.nosuch
    with pytest.raises(AttributeError, match="no configuration key 'nosuch'"):
        del shared.nosuch
    with pytest.raises(AttributeError, match="'known' has no value of this thread's own to delete"):
        del local.known


def test_a_new_thread_starts_with_the_global_values(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    shared, local = pair
    shared.answer = 1
    local.answer = 2
    assert in_thread(lambda: local.answer) == 1

    def set_and_read() -> Any:
        local.answer = 3
        return local.answer

    assert in_thread(set_and_read) == 3
    assert local.answer == 2


def test_a_global_change_reaches_running_threads(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    shared, local = pair
    shared.debug = False
    changed, seen = threading.Event(), []
    started = [threading.Event(), threading.Event()]

    def work(index: int, own: bool) -> None:
        if own:
            local.debug = False
        before = local._variable.get().debug
        started[index].set()
        assert changed.wait(10)
        seen.append((index, before, local.debug, local._variable.get().debug))

    threads = [threading.Thread(target=work, args=(index, own)) for index, own in enumerate((False, True))]
    for thread, event in zip(threads, started, strict=True):
        thread.start()
        assert event.wait(10)
    shared.debug = True
    changed.set()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(0, False, True, True), (1, False, False, False)]


@pytest.mark.parametrize("key", ["enable_backprop", "type_check", "debug"])
def test_the_hot_paths_slots_follow_every_change(key: str) -> None:
    default = getattr(config, key)
    assert getattr(current_state(), key) is default
    with using_config(key, not default):
        assert getattr(current_state(), key) is not default
    assert getattr(current_state(), key) is default
    setattr(global_config, key, not default)
    try:
        assert getattr(current_state(), key) is not default
    finally:
        setattr(global_config, key, default)


def test_using_config_restores_also_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), using_config("train", False):
        raise ZeroDivisionError
    assert config.train
    assert "train" not in current_state().overrides


def test_using_config_nests_and_restores_a_local_value(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    _, local = pair
    local.answer = 1
    with using_config("answer", 2, local):
        with using_config("answer", 3, local):
            assert local.answer == 3
        assert local.answer == 2
    assert local.answer == 1


def test_blocks_of_different_keys_may_end_in_any_order() -> None:
    def block(key: str) -> Generator[None]:
        with using_config(key, "inside"):
            yield

    first, second = block("dtype"), block("schedule_func")
    next(first)
    next(second)
    first.close()
    assert (config.dtype, config.schedule_func) == ("float32", "inside")
    second.close()
    assert config.schedule_func is None
    assert not {"dtype", "schedule_func"} & set(current_state().overrides)


def test_a_suspended_generator_is_seen_outside_until_it_ends() -> None:
    # A generator runs in its caller's context: what is set inside stays set while it is suspended.
    def steps() -> Generator[bool]:
        with using_config("train", False):
            yield config.train

    generator = steps()
    assert next(generator) is False
    assert config.train is False
    generator.close()
    assert config.train is True


def test_a_generator_that_ends_in_another_thread_harms_nobody() -> None:
    def steps() -> Generator[None]:
        with using_config("train", False):
            yield

    generator = steps()

    def finish() -> bool:
        next(generator, None)
        return bool(config.train)

    in_thread(lambda: next(generator))
    assert in_thread(finish) is True
    assert config.train is True


def test_a_copied_context_has_its_own_values() -> None:
    def inside() -> bool:
        config.train = False
        return bool(config.train)

    assert contextvars.copy_context().run(inside) is False
    assert config.train is True


def test_show_prints_every_key_sorted(pair: tuple[GlobalConfig, LocalConfig]) -> None:
    shared, local = pair
    shared.b = 1
    shared.long_key = "text"
    local.a = None
    out = io.StringIO()
    local.show(out)
    assert out.getvalue() == "a        None\nb        1\nlong_key text\n"
    out = io.StringIO()
    shared.show(out)
    assert out.getvalue() == "b        1\nlong_key text\n"


def test_show_goes_to_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with using_config("train", False):
        config.show()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert "train" in [line.split()[0] for line in lines if line.endswith("False")]


def test_states_that_nobody_uses_are_forgotten() -> None:
    gc.collect()
    before = len(global_config._states)
    for _ in range(20):
        with using_config("train", False):
            pass
    assert len(global_config._states) <= before + 1


def test_parts_of_the_state_restore_themselves() -> None:
    with using_state(function_hooks=("hook",)) as state:
        assert state is current_state()
        assert current_state().function_hooks == ("hook",)
        config.train = False  # a change inside survives the block: only the named parts are restored
    assert current_state().function_hooks == ()
    assert config.train is False
    del config.train


def test_change_state_holds_in_this_thread_alone() -> None:
    change_state(link_hooks=("hook",))
    try:
        assert in_thread(lambda: current_state().link_hooks) == ()
        assert current_state().link_hooks == ("hook",)
    finally:
        change_state(link_hooks=())


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("KUSARI_DEBUG", "1", "debug", "True"),
        ("KUSARI_TYPE_CHECK", "0", "type_check", "False"),
        ("KUSARI_DTYPE", "float16", "dtype", "dtype('float16')"),
        ("KUSARI_DTYPE", "mixed16", "dtype", "dtype('mixed16')"),
        ("KUSARI_PRECISION", "tf32", "precision", "'tf32'"),
        ("KUSARI_KEEP_GRAPH_ON_REPORT", "1", "keep_graph_on_report", "True"),
        ("KUSARI_LAZY_GRAD_SUM", "1", "lazy_grad_sum", "True"),
        ("KUSARI_USE_CUDNN", "always", "use_cudnn", "'always'"),
        ("KUSARI_CUDNN", "0", "use_cudnn", "'never'"),
        ("KUSARI_CUDNN_FAST_BATCH_NORMALIZATION", "1", "cudnn_fast_batch_normalization", "True"),
        ("KUSARI_USE_IDEEP", "auto", "use_ideep", "'auto'"),
    ],
)
def test_environment(run_python: Callable[..., str], variable: str, value: str, key: str, expected: str) -> None:
    code = f"from kusari.configuration import config; print(repr(config.{key}))"
    assert run_python(code, **{variable: value}) == expected


def test_a_choice_that_is_none(run_python: Callable[..., str]) -> None:
    code = "try:\n    import kusari.configuration\nexcept ValueError as error:\n    print(error)"
    assert (
        run_python(code, KUSARI_USE_CUDNN="sometimes") == "KUSARI_USE_CUDNN='sometimes': expected always, auto, never"
    )


def test_debug_mode() -> None:
    assert not is_debug()
    set_debug(True)
    try:
        assert is_debug()
        assert current_state().debug
        assert not in_thread(is_debug)
        with DebugMode(False):
            assert not is_debug()
        assert is_debug()
    finally:
        del config.debug
    assert not is_debug()


def test_a_seed_from_the_environment(run_python: Callable[..., str]) -> None:
    code = "import kusari; {}; print(kusari.backend.host_generator().integers(1 << 40))"
    drawn = run_python(code.format("0"), KUSARI_SEED="7")
    assert drawn == run_python(code.format("kusari.seed(7)"))
    assert drawn == run_python(code.format("kusari.seed(7)"), KUSARI_SEED="8")
    assert drawn != run_python(code.format("0"), KUSARI_SEED="8")
    wrong = "import kusari\ntry:\n    kusari.backend.host_generator()\nexcept ValueError as error:\n    print(error)"
    assert run_python(wrong, KUSARI_SEED="x") == "KUSARI_SEED='x': expected a number from 0 on"


def test_the_dtype_compares_with_numpys() -> None:
    assert global_config.dtype == np.float32  # what old programs ask
    with using_config("dtype", mixed16):
        assert config.dtype == mixed16
        assert get_dtype() == np.float16
        assert pickle.loads(pickle.dumps(config.dtype)) is copy.deepcopy(mixed16) is mixed16
    with using_config("dtype", "float64"):
        assert get_dtype() == np.float64


def test_a_dtype_that_is_none(run_python: Callable[..., str]) -> None:
    code = "try:\n    import kusari.configuration\nexcept ValueError as error:\n    print(error)"
    assert run_python(code, KUSARI_DTYPE="word").startswith("KUSARI_DTYPE='word': expected float32, mixed16 or")


def test_a_flag_that_is_neither_0_nor_1(run_python: Callable[..., str]) -> None:
    code = "try:\n    import kusari.configuration\nexcept ValueError as error:\n    print(error)"
    assert run_python(code, KUSARI_DEBUG="yes") == "KUSARI_DEBUG='yes': expected 0 or 1"
