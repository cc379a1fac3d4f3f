"""CuPy's calls that the plugin makes, on host memory: kernels go through the host's C++ compiler, thread by thread.

What runs is the plugin's own source, so that its numbers are proved without a GPU; lanes that work together are not.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from kusari_cupy.backend import CupyBackend, register_kernels
from kusari_cupy.syntax import CUDA

_ONE = "exp expm1 log log1p log2 log10 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh floor ceil"
_TWO = "atan2 hypot copysign pow"

# No headers: they would take ten times as long to compile as a kernel.
PREAMBLE = "\n".join(
    [
        "struct Place { long long x; }; static Place blockIdx, threadIdx, blockDim;",
        "#define __global__\n#define __device__ static inline",
        *(
            f"static inline {t} {f}({t} a) {{ return __builtin_{f}{s}(a); }}"
            for f in (*_ONE.split(), "trunc", "fabs", "rint")
            for t, s in (("float", "f"), ("double", ""))
        ),
        *(
            f"static inline {t} {f}({t} a, {t} b) {{ return __builtin_{f}{s}(a, b); }}"
            for f in _TWO.split()
            for t, s in (("float", "f"), ("double", ""))
        ),
        "static inline double cospi(double a) { return __builtin_cos(3.14159265358979323846 * a); }",
        "static inline double __longlong_as_double(long long a) {",
        "  double b; __builtin_memcpy(&b, &a, 8); return b; }",
        "static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {",
        "  return (unsigned long long)((unsigned __int128)a * b >> 64); }",
        "static inline float __fdividef(float a, float b) { return a / b; }",
        "template <class T> T __shfl_xor_sync(unsigned, T a, int) { return a; }",
        "",
    ]
)


# CuPy's types of 16 bits, which convert themselves to float and back.
HEADERS = {
    "float16": """
struct float16 {
  _Float16 held; float16() {} float16(float a) : held((_Float16)a) {} operator float() const { return (float)held; }
};
""",
    "bfloat16": """
struct bfloat16 {
  unsigned short held; bfloat16() {}
  bfloat16(float a) {
    unsigned bits; __builtin_memcpy(&bits, &a, 4);
    held = a != a ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;  // to the nearest, ties to even
  }
  operator float() const { unsigned bits = held << 16; float a; __builtin_memcpy(&a, &bits, 4); return a; }
};
""",
}


class HostDevice(str):
    """A device that needs no entering, and that NumPy takes for its own."""

    __slots__ = ()
    id = 0

    def __new__(cls, index: int = 0) -> HostDevice:
        return super().__new__(cls, "cpu")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def synchronize(self) -> None:
        return None


class HostArray(np.ndarray[Any, Any]):
    """A NumPy array that knows a device and an address, as CuPy's do."""

    device = HostDevice()

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.ctypes.data)


class HostEvent:
    """A moment."""

    def record(self, stream: Any = None) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        assert self.time


class Parameter(NamedTuple):
    """One of an ElementwiseKernel's."""

    raw: bool
    type: str
    name: str


@functools.cache
def compiled(source: str) -> ctypes.CDLL:
    """Return the library that the host's compiler makes of a source."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++) on this machine")
    folder = Path(tempfile.gettempdir()) / "kusari-host-cupy"
    folder.mkdir(exist_ok=True)
    library = folder / f"{hashlib.sha256(source.encode()).hexdigest()[:20]}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:
            made, text, headers = Path(own) / "kernel.so", Path(own) / "kernel.cc", Path(own) / "cupy"
            text.write_text(source)
            headers.mkdir()
            for name, header in HEADERS.items():
                (headers / f"{name}.cuh").write_text("#pragma once\n" + header)
            options = ["-shared", "-fPIC", "-O0", "-ffp-contract=off", "-w", f"-I{own}"]
            subprocess.run([compiler, *options, "-o", made, text], check=True)
            made.replace(library)
    return ctypes.CDLL(str(library))


class ElementwiseKernel:
    """As CuPy's: arrays must have the declared dtypes, numbers are cast."""

    def __init__(
        self,
        in_params: str,
        out_params: str,
        operation: str,
        name: str,
        preamble: str = "",
        no_return: bool = False,
        options: tuple[str, ...] = (),
    ) -> None:
        assert no_return
        assert set(options) <= {"--fmad=false"}  # the host's compiler never fuses here
        self.inputs, self.outputs = _parameters(in_params), _parameters(out_params)
        self.name, self.operation, self.preamble = name, operation, preamble

    def __call__(self, *arguments: Any) -> None:
        parameters = [*self.inputs, *self.outputs]
        assert len(arguments) == len(parameters)
        out = arguments[-1]
        types = {p.type: a.dtype for p, a in zip(parameters, arguments, strict=True) if len(p.type) == 1}
        passed: list[Any] = []
        written: list[tuple[Any, Any]] = []
        for place, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
            dtype = types[parameter.type] if len(parameter.type) == 1 else np.dtype(parameter.type)
            if not isinstance(argument, np.ndarray):
                passed.append(np.asarray(argument).astype(dtype).reshape(1))
                continue
            if argument.dtype != dtype:
                raise TypeError(f"Type is mismatched. {parameter.name} {argument.dtype} {dtype}")
            whole = argument if parameter.raw else np.broadcast_to(argument, out.shape)
            flat = np.array(whole, order="C").reshape(-1)
            passed.append(flat)
            if place >= len(self.inputs):
                written.append((argument, flat))
        self._library(types, [isinstance(a, np.ndarray) for a in arguments]).launch(
            ctypes.c_longlong(out.size), *(ctypes.c_void_p(array.ctypes.data) for array in passed)
        )
        for argument, flat in written:
            argument[...] = flat.reshape(argument.shape)

    def _library(self, types: dict[str, Any], arrays: Sequence[bool]) -> ctypes.CDLL:
        spelled = {letter: CUDA.type_name(dtype) for letter, dtype in types.items()}
        declared, loaded = [], []
        for place, (parameter, is_array) in enumerate(zip([*self.inputs, *self.outputs], arrays, strict=True)):
            kind = parameter.type if len(parameter.type) == 1 else CUDA.types[parameter.type]
            declared.append(f"{kind}* raw_{parameter.name}")
            index = "[i]" if is_array else "[0]"
            if parameter.raw:
                loaded.append(f"{kind}* {parameter.name} = raw_{parameter.name};")
            else:
                reference = "&" if place >= len(self.inputs) else ""
                loaded.append(f"{kind}{reference} {parameter.name} = raw_{parameter.name}{index};")
        used = {*spelled.values(), *(line.split("*")[0] for line in declared)}
        lines = [f"#include <cupy/{kind}.cuh>" for kind in HEADERS if kind in used]  # CuPy does so, too
        lines += [f"typedef {kind} {letter};" for letter, kind in spelled.items()]
        body = "\n".join([*loaded, self.operation])
        lines.append(f'extern "C" void launch(long long n, {", ".join(declared)}) {{')
        lines.append(f"for (long long i = 0; i < n; ++i) {{\n{body}\n}} }}")
        return compiled(PREAMBLE + self.preamble + "\n" + "\n".join(lines))


class RawKernel:
    """As CuPy's: its arguments go as they are, Python's numbers in 8 bytes."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        words: list[Any] = []
        types = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                words.append(ctypes.c_void_p(argument.ctypes.data))
                types.append("void*")
            elif isinstance(argument, float):
                words.append(ctypes.c_double(argument))
                types.append("double")
            else:
                words.append(ctypes.c_longlong(int(argument)))
                types.append("int" if isinstance(argument, np.int32) else "long long")
        names = [f"p{place}" for place in range(len(types))]
        declared = ", ".join(f"{kind} {name}" for kind, name in zip(types, names, strict=True))
        # The addresses go in as void*, which C++ does not convert by itself.
        given = ", ".join(
            f"Any{{{name}}}" if kind == "void*" else name for kind, name in zip(types, names, strict=True)
        )
        wrapper = (
            "\nstruct Any { void* p; template <class T> operator T*() const { return (T*)p; } };\n"
            f'extern "C" void launch(long long blocks, long long threads, {declared}) {{\n'
            "blockDim.x = threads;\n"
            "for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)\n"
            f"for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) {self.name}({given});\n}}\n"
        )
        launch = compiled(PREAMBLE + self.source + wrapper).launch
        launch(ctypes.c_longlong(grid[0]), ctypes.c_longlong(block[0]), *words)


def _parameters(text: str) -> list[Parameter]:
    found = []
    for declaration in filter(None, (part.strip() for part in text.split(","))):
        *raw, kind, name = declaration.split()
        found.append(Parameter(raw == ["raw"], kind, name))
    return found


def module() -> ModuleType:
    """Return the module that stands in."""
    stream = SimpleNamespace(record=object, wait_event=lambda event: None, synchronize=lambda: None, ptr=0)
    cupy = ModuleType("cupy")
    cupy.__dict__.update(
        ndarray=HostArray,
        ElementwiseKernel=ElementwiseKernel,
        RawKernel=RawKernel,
        array=lambda a, dtype, order, blocking: np.array(a, dtype=dtype, order=order).view(HostArray),
        asnumpy=lambda a: np.array(a, order="C"),
        ascontiguousarray=lambda a: np.ascontiguousarray(a).view(HostArray),
        broadcast_to=lambda a, shape: np.broadcast_to(a, shape, subok=True),
        matmul=np.matmul,
        empty=lambda shape, dtype: np.empty(shape, dtype).view(HostArray),
        cuda=SimpleNamespace(
            Device=HostDevice,
            Event=HostEvent,
            get_elapsed_time=lambda first, last: 1000 * (last.time - first.time),
            get_current_stream=lambda index=None: stream,
            pinned_memory=SimpleNamespace(is_memory_pinned=lambda pointer: False),
            runtime=SimpleNamespace(getDevice=lambda: 0),
        ),
    )
    return cupy


def host_backend() -> CupyBackend:
    """Return the plugin's backend on host memory, with its kernels."""
    backend = CupyBackend(module(), np, 1)
    register_kernels(backend)
    return backend


def array(values: Any) -> Any:
    """Return a NumPy array as the stand-in's, over the same memory."""
    return np.asarray(values).view(HostArray)
