"""LinkHook: registration, order, threads, and what a hook sees."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import numpy as np
import pytest

from kusari.configuration import current_state
from kusari.model import Chain, Link, LinkHook, Sequential


class Echo(Link):
    """Returns what it is called with."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs


class Broken(Link):
    def forward(self, x: Any) -> Any:
        raise ValueError("broken")


class Recording(LinkHook):
    """Writes down what it sees."""

    def __init__(self, name: str, log: list[tuple[Any, ...]], mark: str | None = None) -> None:
        self.name, self.log, self.mark = name, log, mark or name

    def added(self, link: Link | None) -> None:
        self.log.append(("added", self.mark, link))

    def deleted(self, link: Link | None) -> None:
        self.log.append(("deleted", self.mark, link))

    def forward_preprocess(self, args: Any) -> None:
        self.log.append(("pre", self.mark, args))

    def forward_postprocess(self, args: Any) -> None:
        self.log.append(("post", self.mark, args))


def calls(log: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    return [(kind, mark) for kind, mark, _ in log if kind in ("pre", "post")]


# Registration.


def test_a_local_hook_is_told_when_it_comes_and_goes() -> None:
    log: list[tuple[Any, ...]] = []
    link, hook = Echo(), Recording("a", log)
    assert link.add_hook(hook) is link
    assert link.local_link_hooks == {"a": hook}
    link.add_hook(hook, "other name")
    link.delete_hook("a")
    assert list(link.local_link_hooks) == ["other name"]
    assert [(kind, seen) for kind, _, seen in log] == [("added", link), ("added", link), ("deleted", link)]


def test_a_local_hook_is_still_registered_while_it_is_told_that_it_goes() -> None:
    class Looking(LinkHook):
        def deleted(self, link: Link | None) -> None:
            assert link is not None
            self.seen = list(link.local_link_hooks)

    link, hook = Echo(), Looking()
    link.add_hook(hook)
    link.delete_hook("LinkHook")
    assert hook.seen == ["LinkHook"]
    assert link.local_link_hooks == {}


def test_a_with_block_s_hook_is_told_with_none() -> None:
    log: list[tuple[Any, ...]] = []
    with Recording("a", log) as hook:
        assert current_state().link_hooks == (("a", hook),)
    assert current_state().link_hooks == ()
    assert log == [("added", "a", None), ("deleted", "a", None)]


def test_leaving_a_block_leaves_the_other_blocks_hooks() -> None:
    log: list[tuple[Any, ...]] = []
    with Recording("outer", log):
        with Recording("inner", log):
            pass
        Echo()()
    assert calls(log) == [("pre", "outer"), ("post", "outer")]


def test_a_second_hook_of_one_name_is_refused_and_the_first_stays() -> None:
    log: list[tuple[Any, ...]] = []
    with Recording("a", log, "first"):
        with pytest.raises(KeyError, match="'a'"), Recording("a", log, "second"):
            pass
        Echo()()
    assert calls(log) == [("pre", "first"), ("post", "first")]


def test_a_hook_that_refuses_with_blocks_is_not_left_in_force() -> None:
    class LocalOnly(LinkHook):
        def added(self, link: Link | None) -> None:
            if link is None:
                raise NotImplementedError("only for one link")

    with pytest.raises(NotImplementedError), LocalOnly():
        pass
    assert current_state().link_hooks == ()


def test_other_threads_do_not_see_a_with_block_s_hook() -> None:
    log: list[tuple[Any, ...]] = []
    link = Echo()
    with Recording("a", log):
        thread = threading.Thread(target=link)
        thread.start()
        thread.join()
        assert calls(log) == []
        copied = contextvars.copy_context()
        thread = threading.Thread(target=copied.run, args=(link,))
        thread.start()
        thread.join()
    assert calls(log) == [("pre", "a"), ("post", "a")]


# Order.


def test_with_blocks_come_before_local_hooks_and_local_ones_replace_their_namesakes() -> None:
    log: list[tuple[Any, ...]] = []
    link = Echo()
    link.add_hook(Recording("y", log, "local y"))
    link.add_hook(Recording("x", log, "local x"))
    with Recording("z", log), Recording("x", log), Recording("w", log):
        link()
    order = ["z", "local x", "w", "local y"]
    assert calls(log) == [("pre", mark) for mark in order] + [("post", mark) for mark in order]


def test_every_link_called_fires_its_own_hooks() -> None:
    log: list[tuple[Any, ...]] = []
    child = Echo()
    model = Sequential(child)
    child.add_hook(Recording("child", log))
    with Recording("all", log):
        model(1)
    assert [(kind, mark, args.link) for kind, mark, args in log if kind in ("pre", "post")] == [
        ("pre", "all", model),
        ("pre", "all", child),
        ("pre", "child", child),
        ("post", "all", child),
        ("post", "child", child),
        ("post", "all", model),
    ]


def test_a_class_that_defines_call_bypasses_hooks() -> None:
    class Direct(Echo):
        def __call__(self, x: Any) -> Any:
            return x

    log: list[tuple[Any, ...]] = []
    with Recording("a", log):
        assert Direct()(3) == 3
    assert calls(log) == []


def test_a_base_s_call_that_goes_before_forward_is_watched() -> None:
    class Mixin:
        def __call__(self, x: Any) -> Any:
            return ("mixin", x)

    class Mixed(Link, Mixin):
        pass

    log: list[tuple[Any, ...]] = []
    with Recording("a", log):
        assert Mixed()(1) == ("mixin", 1)
    assert calls(log) == [("pre", "a"), ("post", "a")]


# What a hook sees and does.


def test_a_hook_sees_the_arguments_and_afterwards_the_result() -> None:
    log: list[tuple[Any, ...]] = []
    link = Echo()
    with Recording("a", log):
        link(1, key=2)
    before, after = log[1][2], log[2][2]
    for args in (before, after):
        assert (args.link, args.forward_name, args.args, args.kwargs) == (link, "forward", (1,), {"key": 2})
    assert not hasattr(before, "out")
    assert after.out == ((1,), {"key": 2})
    assert after.exception is None


def test_what_a_hook_returns_or_replaces_does_not_change_the_call() -> None:
    class Replacing(LinkHook):
        def forward_preprocess(self, args: Any) -> Any:
            args.args, args.kwargs, args.link = (7,), {}, None
            return 8

        def forward_postprocess(self, args: Any) -> Any:
            args.out = 9
            return 9

    with Replacing():
        assert Echo()(1, key=2) == ((1,), {"key": 2})


def test_a_hook_acts_by_changing_the_link() -> None:
    class Doubling(LinkHook):
        def forward_preprocess(self, args: Any) -> None:
            self.original = args.link.W
            args.link.W = self.original * 2

        def forward_postprocess(self, args: Any) -> None:
            args.link.W = self.original

    class Weight(Link):
        def forward(self, x: Any) -> Any:
            return self.W + x

    link = Weight(W=(1,))
    link.W.array[...] = 3
    link.add_hook(Doubling())
    assert link(np.ones(1, "f")).array.tolist() == [7]
    assert [path for path, _ in link.namedparams()] == ["/W"]
    assert link.W.array.tolist() == [3]


def test_after_a_failed_call_hooks_see_its_end_with_the_exception() -> None:
    log: list[tuple[Any, ...]] = []
    with Recording("a", log), pytest.raises(ValueError, match="broken") as caught:
        Sequential(Broken())(1)
    ends = [args for kind, _, args in log if kind == "post"]
    assert [args.exception for args in ends] == [caught.value, caught.value]
    assert [args.out for args in ends] == [None, None]
    assert caught.value.__notes__ == ["at link /0 (Broken)"]


def test_a_hook_that_fails_on_a_failed_call_does_not_hide_why_it_failed() -> None:
    class Careless(LinkHook):
        name = "careless"

        def forward_postprocess(self, args: Any) -> None:
            _ = args.out.shape

    with Careless(), pytest.raises(ValueError, match="broken") as caught:
        Broken()(1)
    assert any("'careless' failed on this, too" in note for note in caught.value.__notes__)


def test_when_a_hook_s_start_fails_those_before_it_see_the_end() -> None:
    class Failing(LinkHook):
        name = "failing"

        def forward_preprocess(self, args: Any) -> None:
            raise RuntimeError("no")

        def forward_postprocess(self, args: Any) -> None:
            raise AssertionError("was not shown the start")

    log: list[tuple[Any, ...]] = []
    with Recording("a", log), Failing(), pytest.raises(RuntimeError, match="no"):
        Echo()()
    assert calls(log) == [("pre", "a"), ("post", "a")]


def test_hooks_observe_children_unless_they_say_otherwise() -> None:
    class Profiler(LinkHook):
        observes_children = False

    assert LinkHook().observes_children
    assert not Profiler().observes_children


def test_hooks_are_let_go_of_when_a_block_ends_with_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), LinkHook():
        Chain(a=Broken()).a(1)
    assert current_state().link_hooks == ()
