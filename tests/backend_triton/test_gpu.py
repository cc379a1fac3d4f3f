"""The launch path without a GPU: real machine code, packed arguments, and a CuPy that only takes notes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.backend_triton.stand_in import DriverError, StandInCupy, array, base

from kusari.backend import Device
from kusari.errors import BackendUnavailable
from kusari.kernels.conv import Convolution, MLPConvolution
from kusari_triton import backend as backends
from kusari_triton import gpu
from kusari_triton.compiled import Compiled, Slot, parameter_sizes
from kusari_triton.errors import KernelError
from kusari_triton.launch import Launch

Run = Callable[[str], "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]

# The parameters of the entry as ptxas laid them out, read from the machine code; nothing of Triton is asked.
PRELUDE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import re, subprocess, tempfile
import numpy as np
from tests.backend_triton.stand_in import StandInArray, array, gpu_backend
from kusari_triton.cross_compile import _disassembler

def laid_out(cubin):
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin); file.flush()
        command = [_disassembler(), "-elf", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"Ordinal : 0x(\\w+)\\s+Offset  : 0x(\\w+)\\s+Size    : 0x(\\w+)", text)
    return [tuple(int(number, 16) for number in row) for row in sorted(found, key=lambda row: int(row[0], 16))]

def packed(arguments):
    place, rows = 0, []
    for ordinal, value in enumerate(arguments):
        size = 8 if isinstance(value, StandInArray) else value.itemsize
        place += -place % size
        rows.append((ordinal, place, size))
        place += size
    return rows

def check(cupy):
    assert len(cupy.loaded) == len(cupy.launched)
    for cubin, (name, grid, block, arguments, shared) in zip(cupy.loaded, cupy.launched):
        assert packed(arguments) == laid_out(cubin), name
        assert all(number >= 1 for number in grid) and block[0] % 32 == 0, name
"""

CONVOLUTION = """
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.activation import RELU
from kusari.kernels.window import Window

backend, cupy = gpu_backend()
x, W, b, gy = array(2, 19, 9, 7), array(5, 19, 3, 3), array(5), array(2, 5, 5, 4)
window = Window((3, 3), (2, 2), (1, 1), (1, 1))
problem = ConvolutionProblem(x.shape, W.shape, window, x.dtype, x.strides, 1, True, RELU)
plan = Convolution.plan(backend, problem)
y = plan.forward(x, W, b)
assert type(y) is StandInArray and y.shape == (2, 5, 5, 4)
plan.grad_input(W, gy), plan.grad_weight(x, gy)
check(cupy)
names = [launch[0] for launch in cupy.launched]
assert names == [
    "convolve", "gradient_of_input", "partial_gradient_of_filters", "add_partial_gradients"
], names
name, grid, block, arguments, shared = cupy.launched[0]
assert arguments[0] is x and arguments[1] is W and arguments[2] is b and arguments[3].base is not None
assert [int(number) for number in arguments[4:11]] == [2, 19, 9, 7, 5, 5, 4]
assert grid == (1, 1, 1) and block == (256, 1, 1)
# Again: nothing is compiled or loaded, and the new arrays are passed.
z = array(2, 19, 9, 7)
plan.forward(z, W, b)
assert len(cupy.loaded) == 4 and len(cupy.launched) == 5 and cupy.launched[4][3][0] is z
# Other strides, and an address that 16 does not divide, are other machine code.
plan.forward(array(2, 9, 7, 19).transpose(0, 3, 1, 2), W, b)
plan.forward(array(2 * 19 * 9 * 7 + 1)[1:].reshape(x.shape), W, b)
assert len(cupy.loaded) == 6
# Without a bias there is one address less.
plan = Convolution.plan(backend, problem._replace(bias=False))
plan.forward(x, W, None)
assert len(cupy.launched[-1][3]) == len(arguments) - 1
assert packed(cupy.launched[-1][3]) == laid_out(cupy.loaded[-1])
# More than 48 KB of shared memory has to be asked for.
assert all(attribute == 8 and size > 48 * 1024 for attribute, size in cupy.attributes)
assert len(cupy.attributes) == sum(shared > 48 * 1024 for *_, shared in cupy.launched[:4] + cupy.launched[5:])
"""

DEPTHWISE = """
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.activation import RELU
from kusari.kernels.window import Window

backend, cupy = gpu_backend()
x, W, b = array(2, 5, 9, 7), array(10, 1, 3, 3), array(10)
problem = ConvolutionProblem(x.shape, W.shape, Window((3, 3), (2, 1), (1, 1), (1, 1)), x.dtype, None, 5, True, RELU)
gy = array(*problem.y)
plan = Convolution.plan(backend, problem)
y = plan.forward(x, W, b)
assert type(y) is StandInArray and y.shape == problem.y
plan.grad_input(W, gy), plan.grad_weight(x, gy)
check(cupy)
assert [launch[0] for launch in cupy.launched] == [
    "convolve_depthwise", "depthwise_gradient_of_input", "partial_depthwise_gradient_of_filters",
    "add_partial_gradients",
]
phases = cupy.launched[1][1][2]
assert phases == 2
"""

STACK = """
from kusari.kernels.conv import MLPConvolution, MLPConvolutionProblem
from kusari.kernels.activation import RELU
from kusari.kernels.window import Window

backend, cupy = gpu_backend()
W = ((33, 3, 3, 3), (20, 33, 1, 1), (10, 20, 1, 1))
problem = MLPConvolutionProblem((2, 3, 9, 7), W, Window((3, 3), (1, 1), (1, 1), (1, 1)), np.dtype("f"), activation=RELU)
weights = tuple(array(*shape) for filters in W for shape in (filters, filters[:1]))
for keep in (True, False):
    y, kept = MLPConvolution.plan(backend, problem._replace(keep=keep)).forward(array(*problem.x), weights)
    assert [h.shape for h in kept or ()] == ([(2, 33, 9, 7), (2, 20, 9, 7)] if keep else [])
y, kept = MLPConvolution.plan(backend, problem._replace(W=W[:2])).forward(array(*problem.x), weights[:4])
assert y.shape == (2, 20, 9, 7)
check(cupy)
assert [launch[0] for launch in cupy.launched] == ["convolve_stack"] * 3
"""

ELEMENTWISE = """
from kusari.kernels.activation import tanh, elu
from kusari.kernels.update import momentum_sgd

backend, cupy = gpu_backend()
elu(backend, array(3, 5), 0.5)
elu(backend, array(3, 5), 0.25)
assert len(cupy.loaded) == 1 and len(cupy.launched) == 2
floats = [[value for value in launch[3] if isinstance(value, np.float32)] for launch in cupy.launched]
assert floats == [[0.5], [0.25]], floats
del cupy.launched[1]
tanh(backend, array(3, 4, dtype=np.float64)[:, ::2])
elu(backend, array(7, dtype=np.float64), 0.5)
assert any(isinstance(value, np.float64) for value in cupy.launched[-1][3])
rows = [(array(3, 4), array(3, 4), array(3, 4)), (array(5), array(5), array(5))]
backend.foreach(momentum_sgd, list(zip(*rows)), [(0.1, 0.9), (0.2, 0.9)])
check(cupy)
"""


@pytest.mark.processes
@pytest.mark.parametrize(
    "code",
    [CONVOLUTION, DEPTHWISE, STACK, ELEMENTWISE],
    ids=["convolution", "depthwise", "stack", "elementwise"],
)
def test_arguments_are_packed_as_the_machine_code_takes_them(compiling: Run, code: str) -> None:
    done = compiling(PRELUDE + code)
    assert done.returncode == 0, done.stderr


def parameter(name: str) -> Any:
    return SimpleNamespace(name=name, is_constexpr=name.isupper())


def make(**arguments: Any) -> Launch:
    function = SimpleNamespace(__name__="scale", params=[parameter(name) for name in arguments])
    return Launch(_Hashable(**vars(function)), (3, 1, 1), arguments, 4, 1, "this problem")


class _Hashable(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> StandInCupy:
    """A stand-in, and a compiler of nothing."""
    slots = (Slot("x", "*fp32"), Slot("n", "i32"), Slot("far", "i64"), Slot("rate", "fp32"))
    monkeypatch.setattr(gpu, "compile_launch", lambda *_: Compiled("scale", b"code", 70_000, slots, 2))
    return StandInCupy()


def run(cupy: StandInCupy, launcher: Any = None) -> None:
    x = array(8)
    launch = make(x=x, n=48, far=2**31, rate=0.5, BLOCK=1024)
    (launcher or gpu.CupyLauncher(cupy)).run({}, "key", {"x": x, "rate": 0.5}, lambda: launch)


def test_each_argument_has_its_own_size(cupy: StandInCupy) -> None:
    run(cupy)
    ((name, grid, block, (x, n, far, rate, *hidden), shared),) = cupy.launched
    assert (name, grid, block, shared) == ("scale", (3, 1, 1), (128, 1, 1), 70_000)
    assert x.shape == (8,)
    assert (n.dtype, far.dtype, rate.dtype) == (np.int32, np.int64, np.float32)
    assert (n, far, rate) == (48, 2**31, 0.5)
    assert [value.dtype for value in hidden] == [np.uint64] * 2
    assert hidden == [0, 0]
    assert cupy.attributes == [(8, 70_000)]


@pytest.mark.parametrize("ordered", [[DriverError(2)], [None, DriverError(2)]], ids=["loading", "launching"])
def test_out_of_memory_once_is_mended(cupy: StandInCupy, ordered: list[Exception | None]) -> None:
    cupy.failures = list(ordered)
    run(cupy)
    assert cupy.freed == 1
    assert len(cupy.launched) == 1


@pytest.mark.parametrize(
    ("ordered", "verb"),
    [([DriverError(2)] * 2, "loading"), ([None, *[DriverError(2)] * 2], "launching")],
    ids=["loading", "launching"],
)
def test_out_of_memory_twice_tells_the_sizes(cupy: StandInCupy, ordered: list[Exception | None], verb: str) -> None:
    cupy.failures = list(ordered)
    with pytest.raises(MemoryError, match=verb) as caught:
        run(cupy)
    words = str(caught.value)
    for part in ("kernel scale for this problem (BLOCK=1024", "80 MiB", "5 MiB are free", "CuPy's arrays hold 3 MiB"):
        assert part in words
    assert cupy.freed == 1
    assert not cupy.launched


@pytest.mark.parametrize(
    ("ordered", "words"),
    [([DriverError(200)], "does not load on device 0: CUDA error 200"), ([None, DriverError(700)], "CUDA error 700")],
)
def test_what_cuda_refuses_names_the_kernel(cupy: StandInCupy, ordered: list[Exception | None], words: str) -> None:
    cupy.failures = list(ordered)
    with pytest.raises(KernelError, match=words) as caught:
        run(cupy)
    assert "kernel scale for this problem (BLOCK=1024, grid (3, 1, 1), 4 warps, 1 stages)" in str(caught.value)
    assert cupy.freed == 0


def test_too_much_shared_memory_is_said_before_loading(cupy: StandInCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "compile_launch", lambda *_: Compiled("scale", b"code", 300_000, (), 0))
    with pytest.raises(KernelError, match="takes 300000 bytes of shared memory, device 0 has 232448"):
        run(cupy)
    assert not cupy.loaded


def test_a_plan_forgets_rather_than_grows(cupy: StandInCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "PREPARED", 2)
    launcher, plans, x = gpu.CupyLauncher(cupy), {}, array(8)  # type: ignore[var-annotated]
    launch = make(x=x, n=48, far=2**31, rate=0.5, BLOCK=1024)
    for key in range(5):
        launcher.run(plans, key, {"x": x, "rate": 0.5}, lambda: launch)
        assert len(plans) <= 2
    assert len(cupy.loaded) == 1  # the machine code is kept


def test_what_is_made_ready_keeps_no_array(cupy: StandInCupy) -> None:
    plans: dict[Any, Any] = {}
    launcher = gpu.CupyLauncher(cupy)

    def launched() -> weakref.ref[Any]:
        x = array(8)
        launcher.run(plans, 0, {"x": x, "rate": 0.5}, lambda: make(x=x, n=48, far=2**31, rate=0.5, BLOCK=1024))
        return weakref.ref(x)

    array_that_was = launched()
    assert plans
    cupy.launched.clear()
    gc.collect()
    assert array_that_was() is None


def test_arrays_on_another_device_enter_it(cupy: StandInCupy) -> None:
    entered = []

    class Other(cupy.cuda.Device):  # type: ignore[name-defined,misc]
        def __enter__(self) -> None:
            entered.append(True)
            launcher._current_device = lambda: 0

    cupy.cuda.Device = Other
    launcher = gpu.CupyLauncher(cupy)
    launcher._current_device = lambda: 1
    run(cupy, launcher)
    assert entered == [True]
    assert len(cupy.launched) == 1


@pytest.mark.processes
def test_a_kernel_that_does_not_compile_is_named(compiling: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import triton, triton.language as tl\n\n@triton.jit\ndef broken(x, N: tl.constexpr):\n"
        "    tl.store(x + tl.arange(0, N), tl.no_such_thing(x))\n"
    )
    done = compiling(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from broken import broken\nfrom kusari_triton.compiled import compile_launch\n"
        "from kusari_triton.launch import Launch, Pointer\n"
        "compile_launch(Launch(broken, (1, 1, 1), {'x': Pointer('float32'), 'N': 64}, 4, 1, 'this problem'), 90)"
    )
    assert "KernelError: kernel broken for this problem (N=64, grid (1, 1, 1), 4 warps, 1 stages)" in done.stderr
    assert "does not compile for sm_90" in done.stderr
    assert "no_such_thing" in done.stderr


def test_parameters_of_an_entry() -> None:
    ptx = ".func g(.param .b32 q) .visible .entry f(\n .param .u64 .ptr .global .align 1 f_0,\n .param .f32 f_1\n)\n{}"
    assert parameter_sizes(ptx) == [(8, True), (4, False)]


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the process interprets kernels")
def test_without_cupy_or_gpu_it_is_unavailable_with_the_reason() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    try:
        import cupy as real

        if real.cuda.is_available():
            pytest.skip("there is a GPU")
    except ImportError:
        pass
    with pytest.raises(BackendUnavailable, match="cupy"):
        backends.open_triton()


def test_it_opens_where_cupy_and_a_gpu_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", StandInCupy())
    below = base()
    monkeypatch.setattr(below, "devices", lambda: (SimpleNamespace(compute_capability="90"),))
    monkeypatch.setattr(backends, "get_backend", lambda name: below)
    backend = backends.open_triton()
    assert backend.name == "triton"
    assert backend.chain == (backend, below)
    for family in (Convolution, MLPConvolution):
        assert backend.explain(family).verdicts[0].override.source == "triton"
    assert not Device(backend).always_current


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("index_of", (1,)),
        ("use", (2,)),
        ("is_current", (1,)),
        ("to_host", ("array",)),
        ("from_host", ("array", 1, False, True)),
        ("transfer", ("array", 1)),
        ("as_array", (1.0, "array")),
        ("synchronize", (3,)),
        ("current_stream", (1,)),
        ("event", ()),
        ("timer", ()),
        ("random", (7,)),
        ("devices", ()),
        ("device", (0,)),
    ],
)
def test_devices_transfers_and_time_are_cupys(
    name: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    below = base()
    backend = backends.GpuBackend(below, gpu.CupyLauncher(StandInCupy()))
    if name == "device":
        assert backend.device(*arguments) == below.device(*arguments)
        return
    calls = []
    monkeypatch.setattr(below, name, lambda *given: calls.append(given) or "answer")
    answer = getattr(backend, name)(*arguments)
    assert calls == [arguments]
    assert answer == (None if name == "synchronize" else "answer")


def test_a_new_array_is_tried_twice() -> None:
    cupy = StandInCupy()
    backend = backends.GpuBackend(base(), gpu.CupyLauncher(cupy))
    tries = []

    def empty(shape: Any, dtype: Any, device: Any) -> Any:
        tries.append(shape)
        if len(tries) < 2 or shape == (9,):
            raise MemoryError("no room")
        return "array"

    backend.xp = SimpleNamespace(empty=empty)
    assert backend.empty((4,), np.float32, 0) == "array"
    with pytest.raises(MemoryError, match=r"a new array \(9,\) of .*float32.*: out of memory, also after"):
        backend.empty((9,), np.float32, 0)
    assert cupy.freed == 2
    assert tries == [(4,), (4,), (9,), (9,)]


def test_an_old_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_require_triton", lambda name: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    devices = [SimpleNamespace(compute_capability="90"), SimpleNamespace(compute_capability="75")]
    monkeypatch.setattr(backends, "get_backend", lambda name: SimpleNamespace(devices=lambda: devices))
    with pytest.raises(BackendUnavailable, match=r"8\.0 or newer, device 1 has 7\.5"):
        backends.open_triton()
