"""Every kernel's source through NVIDIA's compiler, which needs no GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.backend_cupy.test_elementwise import elementwise_kernels

from kusari.backend import Kernel
from kusari.backend.expression import infer_dtypes, parameter_kinds, trace
from kusari.dtypes import host_dtype
from kusari_cupy.kernels import conv_unfolded, norm, pooling, roi, scatter, softmax
from kusari_cupy.random import INTEGERS, NORMAL, PHILOX, UNIFORM
from kusari_cupy.syntax import CUDA, HEADERS, operation, parameters, render_rows

CAPABILITY = "80"
"""Nothing in the sources depends on it."""
FLOATING = ("float16", "bfloat16", "float32", "float64")

Compile = Callable[..., None]


@pytest.fixture(scope="session")
def nvrtc() -> Compile:
    """A function that compiles a source, and fails with the compiler's words."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    from cupy.cuda import nvrtc as library

    try:
        library.getVersion()
    except Exception as error:  # noqa: BLE001 - whatever CuPy says where the library is missing
        pytest.skip(f"no NVRTC: {error}")
    headers = list(_headers(cupy))
    if not headers:
        pytest.skip("no CUDA headers (cuda_fp16.h); the package nvidia-cuda-runtime has them")
    folders = [Path(cupy.__file__).parent / "_core" / "include", *headers]
    options = ("-std=c++17", f"-arch=sm_{CAPABILITY}", *(f"-I{folder}" for folder in folders))

    def compile_source(source: str, more: tuple[str, ...] = ()) -> None:
        program = library.createProgram(source, "kernel.cu", (), ())
        try:
            library.compileProgram(program, (*options, *more))
            assert library.getCUBIN(program)
        except library.NVRTCError:
            pytest.fail(f"{library.getProgramLog(program)}\n{source}")
        finally:
            library.destroyProgram(program)

    return compile_source


def _headers(cupy: ModuleType) -> Iterator[Path]:
    """Yield the folders that have CUDA's headers: of its packages, and of the toolkit."""
    places = [Path(toolkit)] if (toolkit := cupy.cuda.get_cuda_path()) else []
    for name in ("nvidia.cuda_runtime", "nvidia.cu13", "nvidia.cu12"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        places += [] if found is None else map(Path, found.submodule_search_locations or [])
    for place in places:
        if (place / "include" / "cuda_fp16.h").exists():
            yield place / "include"


def framed(inputs: str, outputs: str, body: str, letters: str = "", preamble: str = "") -> str:
    """Write a kernel around an ElementwiseKernel's body as CuPy does: values of arrays, references to outputs."""
    declared, loaded = [], []
    for text, reference in ((inputs, ""), (outputs, "&")):
        for part in filter(None, text.split(", ")):
            *raw, kind, name = part.split()
            kind = kind if len(kind) == 1 else CUDA.types[kind]
            if raw:
                declared.append(f"const {kind}* {name}")
                continue
            declared.append(f"{'' if reference else 'const '}{kind}* raw_{name}")
            loaded.append(f"{'' if reference else 'const '}{kind}{reference} {name} = raw_{name}[i];")
    lines = "\n    ".join([*loaded, *body.splitlines()])
    text = "".join((letters, *declared, lines))
    headers = "".join(f"#include <{header}>\n" for name, header in HEADERS.items() if name in text)
    return (
        f"{headers}{letters}{preamble}\n"
        f'extern "C" __global__ void kernel({", ".join(declared)}, long long n) {{\n'
        f"  for (long long i = threadIdx.x; i < n; i += blockDim.x) {{\n    {lines}\n  }}\n}}\n"
    )


@pytest.mark.parametrize("kernel", elementwise_kernels(), ids=lambda kernel: kernel.key)
def test_elementwise_kernels_compile(nvrtc: Compile, kernel: Kernel[..., Any]) -> None:
    kinds = parameter_kinds(kernel.portable)
    if "static" in kinds.values():
        pytest.skip("has static parameters, whose values only its own tests know")
    expression = trace(kernel.portable, kernel.__name__, (), kernel.donates)
    single, half = ([host_dtype(name)] * len(expression.arrays) for name in ("float32", "bfloat16"))
    inferred = infer_dtypes(expression, single)
    nvrtc(framed(*parameters(expression, inferred, single), operation(expression, inferred)))
    nvrtc(render_rows(expression, infer_dtypes(expression, half), half))


Array = Any  # a trace reads the annotations as text
Backend = Any


def everything(backend: Backend, x: Array, k: Array, t: float) -> tuple[Array, Array, Array, Array, Array]:
    xp = backend.xp
    y = xp.where(xp.isfinite(x), xp.sign(x) * xp.round(x), xp.maximum(x, t)) + xp.abs(k)
    z = xp.where(xp.isinf(x), xp.inf, xp.where(xp.isnan(x), xp.nan, x)) + xp.where(x < 0, -xp.inf, x)
    w = xp.atan2(xp.hypot(x, 2), xp.copysign(x, -1)) * xp.log1p(xp.expm1(xp.tanh(x))) ** 2
    return y, (x > 0) & ~xp.isnan(x), xp.astype(k * k - 3, k.dtype), z, w + xp.astype(xp.astype(x, xp.float16), x.dtype)


def flagged(backend: Backend, x: Array, k: Array) -> Array:
    return backend.xp.where(k, x, -x) + backend.xp.astype(k, x.dtype)


INTEGERS_OF = dict.fromkeys(FLOATING, ("bool", "int8", "int16", "int32", "int64", "uint8", "uint64"))
INTEGERS_OF["bfloat16"] = ("bool", "int8", "uint8")  # with wider ones it has no common dtype


@pytest.mark.parametrize(("floating", "integer"), [(f, i) for f, names in INTEGERS_OF.items() for i in names])
def test_every_dtype_compiles(nvrtc: Compile, floating: str, integer: str) -> None:
    expression = trace(flagged, "flagged") if integer == "bool" else trace(everything, "everything")
    dtypes = [host_dtype(floating), np.dtype(integer)]
    inferred = infer_dtypes(expression, dtypes)
    nvrtc(framed(*parameters(expression, inferred, dtypes), operation(expression, inferred)))
    nvrtc(render_rows(expression, inferred, dtypes))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("lanes", [1, softmax.WARP])
@pytest.mark.parametrize("name", softmax.BODIES)
def test_softmax_compiles(nvrtc: Compile, name: str, lanes: int, dtype: str) -> None:
    nvrtc(softmax.source(name, host_dtype(dtype), lanes))


@pytest.mark.parametrize("dtype", [*FLOATING, "int8", "int32", "uint64"])
def test_scattering_compiles(nvrtc: Compile, dtype: str) -> None:
    body = scatter.RUN_SUM.replace("SUM", scatter.sum_type(dtype))
    nvrtc(framed(scatter.IN.replace("int64 columns", "raw int64 all_columns"), "T y", *_with(body, dtype)))


def _with(body: str, dtype: str) -> tuple[str, str]:
    return f"const long long columns = all_columns[0];\n{body}", f"typedef {CUDA.types[dtype]} T;\n"


@pytest.mark.parametrize("dtype", [*FLOATING, "int8", "int64"])
@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ("float64 low, float64 high, float64 below", UNIFORM),
        ("float64 mean, float64 deviation", NORMAL),
        ("int64 low, uint64 range", INTEGERS),
    ],
)
def test_random_numbers_compile(nvrtc: Compile, arguments: str, body: str, dtype: str) -> None:
    if dtype.startswith(("float", "bfloat")) == (body == INTEGERS):
        pytest.skip("not drawn in this dtype")
    letters = f"typedef {CUDA.types[dtype]} T;\n"
    nvrtc(framed(f"uint64 key, uint64 first, {arguments}", "T y", body, letters, PHILOX))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("far", [False, True])
def test_unfolding_compiles(nvrtc: Compile, far: bool, dtype: str) -> None:
    passed, *sizes = conv_unfolded.IN.split(", int32 ")
    body = "".join(f"const int {size} = 5 + (int)first % 3;\n" for size in sizes) + conv_unfolded.UNFOLD
    sights = (conv_unfolded.Sight(1, 1, 0, 1), conv_unfolded.Sight(3, 2, -1, 2), conv_unfolded.Sight(2, 1, 1, -1))
    body = "const long long first = first_of_all[0];\n" + body
    letters = f"typedef {CUDA.types[dtype]} T;\n"
    passed = passed.replace("int64 first", "raw int64 first_of_all")
    nvrtc(framed(passed, "T y", body, letters, conv_unfolded.preamble(sights, far)))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", pooling.KERNELS)
def test_pooling_compiles(nvrtc: Compile, name: str, dtype: str) -> None:
    inputs, outputs, body = pooling.KERNELS[name]
    passed, sizes = inputs.split(", int64 C")[0], "C D H W OD OH OW".split()
    body = "".join(f"const long long {size} = 5 + n_images % 3;\n" for size in sizes) + body
    geometry = ((1, 1, 0, 1), (3, 2, 1, 1), (2, 1, 0, 2))
    letters = f"typedef {CUDA.types[dtype]} T;\n"
    preamble = pooling.constants(geometry, False, pooling.SUMS[dtype])
    nvrtc(framed(f"{passed}, int64 n_images", outputs, body, letters, preamble))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", norm.BODIES)
def test_normalization_compiles(nvrtc: Compile, name: str, dtype: str) -> None:
    for parameter in ("float32", "float64"):
        for y, rectifies in ((dtype, True), (parameter, False)):
            nvrtc(norm.source(name, *map(host_dtype, (dtype, parameter, y)), rectifies))


@pytest.mark.parametrize("coordinates", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", roi.KERNELS)
def test_pooling_of_regions_compiles(nvrtc: Compile, name: str, dtype: str, coordinates: str) -> None:
    inputs, outputs, body = roi.KERNELS[name]
    parts = inputs.split(", ")
    scalars = [part.split() for part in parts if not part.startswith("raw")]
    arrays = [part for part in parts if part.startswith("raw")]
    body = "".join(f"const {CUDA.types[kind]} {scalar} = 5 + unknown % 3;\n" for kind, scalar in scalars) + body
    letters = f"typedef {CUDA.types[dtype]} T;\ntypedef {CUDA.types[coordinates]} P;\n"
    source = framed(", ".join([*arrays, "int64 unknown"]), outputs, body, letters, roi.POINTS)
    nvrtc(source, roi.OPTIONS)
