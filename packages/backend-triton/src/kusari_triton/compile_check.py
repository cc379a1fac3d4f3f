"""Compile every kernel that is shipped for sm_80 and sm_90, and refuse those that spill or do not fit.

Needs no GPU: ``python -m kusari_triton.compile_check``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import itertools
import json
import math
import multiprocessing
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import kusari.kernels
from kusari.backend import Kernel, find_kernel, kernel_names
from kusari.backend.expression import NotElementwise, parameter_kinds, trace
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem, MLPConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_triton.cross_compile import SHARED_MEMORY, Case, Resources, cross_compile
from kusari_triton.interpreter import INTERPRET, requested
from kusari_triton.launch import Launch, Pointer
from kusari_triton.resource_table import resource_table
from kusari_triton.row_cases import row_cases

if TYPE_CHECKING:
    from kusari_triton.elementwise import Typed


class Result(NamedTuple):
    """What came of one case on one chip."""

    case: str
    capability: int
    resources: Resources
    complaints: list[str]


# (label, x, W, stride, pad, groups): NIN on 32×32 images, a downsampling layer, sizes that nothing divides, groups.
SIZES: Final[Sequence[tuple[str, Shape, Shape, int, int, int]]] = (
    ("3x3 64-128", (32, 64, 32, 32), (128, 64, 3, 3), 1, 1, 1),
    ("1x1 192-96", (32, 192, 32, 32), (96, 192, 1, 1), 1, 0, 1),
    ("5x5 3-192", (32, 3, 32, 32), (192, 3, 5, 5), 1, 2, 1),
    ("7x7/2 3-64", (8, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
    ("3x3/2 37-53", (7, 37, 19, 23), (53, 37, 3, 3), 2, 1, 1),
    ("3x3 64-64 groups 4", (8, 64, 32, 32), (64, 16, 3, 3), 1, 1, 4),
    ("3x3 24-24 groups 8", (8, 24, 32, 32), (24, 3, 3, 3), 1, 1, 8),
)
PRECISIONS: Final = (("float32", "ieee"), ("float32", "tf32"), ("float16", "ieee"), ("bfloat16", "ieee"))


def convolution_cases() -> Iterator[Case]:
    """Yield the convolution in each dtype and precision, memory format and size of interest."""
    from kusari_triton.kernels.conv import convolution_launch, packed_axes

    for label, problem, cores in _convolutions():
        dtype = problem.dtype.name
        W = Pointer(dtype, _dense(problem.W, packed_axes(problem, gradient=False)))
        b, y = Pointer(dtype, (1,)), Pointer(dtype, _channels_last(problem.y))
        for layout, strides in (("NCHW", _dense(problem.x)), ("channels-last", _channels_last(problem.x))):
            launch = convolution_launch(problem, Pointer(dtype, strides), W, b, y, interpreted=False)
            yield Case(f"convolution {label} {layout}", launch, cores)


def gradient_cases() -> Iterator[Case]:
    """Yield the convolution's gradients as `convolution_cases` does its forward, where they have kernels."""
    from kusari_triton.kernels import conv_gradient as gradient
    from kusari_triton.kernels.conv import packed_axes

    for label, problem, cores in _convolutions():
        if gradient.why_by_definition(problem) is not None:
            continue
        dtype = problem.dtype.name
        W = Pointer(dtype, _dense(problem.W, packed_axes(problem, gradient=True)))
        gx = Pointer(dtype, _channels_last(problem.x))
        partial = Pointer("float32")
        for layout, lay in (("NCHW", _dense), ("channels-last", _channels_last)):
            x, gy = Pointer(dtype, lay(problem.x)), Pointer(dtype, lay(problem.y))
            launch = gradient.input_gradient_launch(problem, W, gy, gx, interpreted=False)
            yield Case(f"gradient of input {label} {layout}", launch, cores)
            launch = gradient.partial_gradient_launch(problem, x, gy, partial, interpreted=False)
            yield Case(f"gradient of filters {label} {layout}", launch, cores)
        launch = gradient.add_gradients_launch(problem, partial, Pointer(dtype), interpreted=False)
        yield Case(f"sum of gradients of filters {label}", launch, False)


# (label, x, W, stride): a layer of MobileNet, few channels with two filters each, a sequence, a volume.
DEPTHWISE: Final[Sequence[tuple[str, Shape, Shape, int]]] = (
    ("3x3 128", (32, 128, 56, 56), (128, 1, 3, 3), 1),
    ("5x5/2 12-24", (7, 12, 29, 31), (24, 1, 5, 5), 2),
    ("31 512", (16, 512, 400), (512, 1, 31), 1),
    ("3x3x3/2 37", (2, 37, 16, 28, 30), (37, 1, 3, 3, 3), 2),
)


def depthwise_cases() -> Iterator[Case]:
    """Yield depthwise convolution and its gradients in each dtype, memory format and size of interest.

    bfloat16 only in the first size: its code differs from float16's in the conversions alone.
    """
    from kusari_triton.kernels import conv_depthwise as depthwise

    for dtype, (label, x, W, stride) in itertools.product(("float32", "float16", "bfloat16"), DEPTHWISE):
        if dtype == "bfloat16" and label != DEPTHWISE[0][0]:
            continue
        axes = len(x) - 2
        window = Window(W[2:], (stride,) * axes, tuple(size // 2 for size in W[2:]), (1,) * axes)
        asked = ConvolutionProblem(x, W, window, host_dtype(dtype), None, x[1], True, RELU)
        problem = depthwise.with_three_axes(asked)
        name, b, partial = f"depthwise {label} {dtype}", Pointer(dtype, (1,)), Pointer("float32")
        filters = Pointer(dtype, _dense(W, (*range(1, len(W)), 0)))  # as `TritonDepthwiseConvolution` packs them
        gx, y = (Pointer(dtype, _channels_last(shape)) for shape in (x, asked.y))
        for layout, lay in (("NCHW", _dense), ("channels-last", _channels_last)):
            image, gy = Pointer(dtype, lay(x)), Pointer(dtype, lay(asked.y))
            launch = depthwise.depthwise_launch(problem, image, filters, b, y, interpreted=False)
            yield Case(f"{name} {layout}", launch, False)
            launch = depthwise.depthwise_input_gradient_launch(problem, filters, gy, gx, interpreted=False)
            yield Case(f"gradient of input {name} {layout}", launch, False)
            launch = depthwise.depthwise_partial_gradient_launch(problem, image, gy, partial, interpreted=False)
            yield Case(f"gradient of filters {name} {layout}", launch, False)
        launch = depthwise.add_depthwise_gradients_launch(problem, partial, Pointer(dtype), interpreted=False)
        yield Case(f"sum of gradients of filters {name}", launch, False)


# (label, x, widths, window): the blocks of NIN, sizes that nothing divides, two layers.
STACKS: Final[Sequence[tuple[str, Shape, Shape, int]]] = (
    ("5x5 3-192-160-96", (32, 3, 32, 32), (192, 160, 96), 5),
    ("5x5 96-192-192-192", (32, 96, 16, 16), (192, 192, 192), 5),
    ("3x3 192-192-192-10", (32, 192, 8, 8), (192, 192, 10), 3),
    ("3x3 37-53-200-10", (7, 37, 19, 23), (53, 200, 10), 3),
    ("3x3 192-192-64-10", (32, 192, 8, 8), (192, 64, 10), 3),
    ("3x3 37-53-50-10", (7, 37, 19, 23), (53, 50, 10), 3),
    ("5x5 3-96-64-96", (32, 3, 32, 32), (96, 64, 96), 5),
    ("3x3 64-128-64", (8, 64, 32, 32), (128, 64), 3),
)


def stack_cases() -> Iterator[Case]:
    """Yield the fused stack of MLPConvolution in each dtype and precision: images as they come, then channels-last."""
    from kusari_triton.kernels.conv_stack import stack_launch, why_not_stacked

    for dtype, precision in PRECISIONS:
        kind = dtype if dtype != "float32" else f"{dtype} {precision}"
        dense = Pointer(dtype)
        for label, x, widths, size in STACKS:
            window = Window((size, size), (1, 1), (size // 2, size // 2), (1, 1))
            channels = (x[1], *widths)
            W = tuple(
                (o, c, *(window.size if index == 0 else (1, 1)))
                for index, (c, o) in enumerate(itertools.pairwise(channels))
            )
            problem = MLPConvolutionProblem(x, W, window, host_dtype(dtype), None, RELU, len(W) == 3, precision)
            if why_not_stacked(problem) is not None:
                continue
            third, keep = dense if len(W) == 3 else None, dense if problem.keep else None
            launch = stack_launch(
                problem,
                interpreted=False,
                x=Pointer(dtype, _dense(x) if x[1] == 3 else _channels_last(x)),
                W1=Pointer(dtype, _dense(W[0])),
                **dict.fromkeys(("b1", "W2", "b2", "y"), dense),
                **dict.fromkeys(("W3", "b3"), third),
                **dict.fromkeys(("hidden1", "hidden2"), keep),
            )
            yield Case(f"stack {label} {kind}", launch, kind != "float32 ieee")


def _convolutions() -> Iterator[tuple[str, ConvolutionProblem, bool]]:
    """Yield each problem, named, and whether its products must run on tensor cores."""
    for dtype, precision in PRECISIONS:
        kind = dtype if dtype != "float32" else f"{dtype} {precision}"
        for label, x, W, stride, pad, groups in SIZES:
            window = Window(W[2:], (stride, stride), (pad, pad), (1, 1))
            problem = ConvolutionProblem(x, W, window, host_dtype(dtype), None, groups, True, RELU, precision)
            yield f"{label} {kind}", problem, kind != "float32 ieee"


def elementwise_cases(note: Callable[[str], None] = print) -> Iterator[Case]:
    """Yield every elementwise kernel of the core over dense arrays, and one over a strided operand.

    Update rules, which donate arguments, also as one launch over many parameters. A kernel that has no single form,
    or that Triton cannot write, is left out with a ``note``.
    """
    for kernel in _elementwise_kernels():
        static = [name for name, kind in parameter_kinds(kernel.portable).items() if kind == "static"]
        if static:
            note(f"{kernel.key}: not checked, it has a form for each {' and '.join(static)}")
            continue
        try:
            _typed(kernel, "float32")
        except NotElementwise as error:
            note(f"{kernel.key}: not checked, runs operation by operation: {error}")
            continue
        for dtype in ("float32", "bfloat16") if kernel.donates else ("float32", "float16", "bfloat16", "float64"):
            yield Case(f"{kernel.key} {dtype}", _fused(kernel, dtype, (1 << 20,)), False)
            if kernel.donates:
                yield Case(f"{kernel.key} {dtype} rows", _fused_rows(kernel, dtype), False)
    yield Case("tanh float32 strided", _fused(find_kernel("tanh"), "float32", (32, 64, 31, 33), sliced=True), False)


def _elementwise_kernels() -> Iterator[Kernel[..., Any]]:
    for module in pkgutil.iter_modules(kusari.kernels.__path__, "kusari.kernels."):
        importlib.import_module(module.name)
    for name in kernel_names():
        kernel = find_kernel(name)
        if getattr(kernel, "elementwise", False) and kernel.__module__.startswith("kusari.kernels."):
            yield kernel


def check(
    cases: Sequence[Case], capabilities: Sequence[int], report: Callable[[Result], None] = lambda _: None
) -> list[Result]:
    """Compile each case for each compute capability, and hand every result to ``report`` as it comes.

    In a process per core; forked, because kernels do not pickle.
    """
    tasks = [(case, capability) for case in cases for capability in capabilities]
    results = []
    with multiprocessing.get_context("fork").Pool(initializer=_take_over, initargs=(tasks,)) as pool:
        for result in pool.imap(_compile, range(len(tasks))):
            results.append(result)
            report(result)
    return results


_tasks: list[tuple[Case, int]] = []


def _take_over(tasks: list[tuple[Case, int]]) -> None:
    _tasks[:] = tasks


def _compile(index: int) -> Result:
    case, capability = _tasks[index]
    resources = cross_compile(case.launch, capability)
    return Result(case.name, capability, resources, resources.complaints(capability, tensor_cores=case.tensor_cores))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; return 1 where a kernel is refused."""
    parser = argparse.ArgumentParser(prog="python -m kusari_triton.compile_check", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write a table of what the kernels take to FILE")
    parser.add_argument("--only", default="", metavar="TEXT", help="check only the cases whose name has TEXT in it")
    options = parser.parse_args(arguments)
    if requested():
        parser.error(f"{INTERPRET} is set: kernels would be interpreted, not compiled; unset it")
    products = (*convolution_cases(), *gradient_cases(), *depthwise_cases(), *stack_cases())
    shipped = (*products, *row_cases(), *elementwise_cases())
    cases = [case for case in shipped if options.only in case.name]
    if not cases:
        parser.error(f"no case has {options.only!r} in its name")
    print(f"{'kernel':52} {'chip':6} {'regs':>4} {'stack':>5} {'shared':>7}  instructions", flush=True)
    results = check(cases, sorted(SHARED_MEMORY), _print)
    if options.json is not None:
        options.json.write_text(json.dumps(_as_json(results), indent=1) + "\n", encoding="utf-8")
    if options.table is not None:
        table = resource_table({case.name: case.launch for case in cases}, results)
        options.table.write_text(table, encoding="utf-8")
    refused = [result for result in results if result.complaints]
    print(f"{len(results) - len(refused)} of {len(results)} compilations are as they should be")
    return 1 if refused else 0


def _fused(kernel: Kernel[..., Any], dtype: str, shape: Shape, *, sliced: bool = False) -> Launch:
    """Return the launch of an elementwise kernel over arrays of one shape, as a call would make it."""
    from kusari_triton.elementwise import Placed, fused_launch
    from kusari_triton.layout import lay_out
    from kusari_triton.syntax import scalar_names

    typed = _typed(kernel, dtype)
    expression = typed.expression
    walks = [_dense(shape)] * len(expression.arrays)
    if sliced:  # the first one is every other pixel of a larger image
        walks[0] = tuple(2 * stride for stride in _dense(shape))
    layout = lay_out((shape,) * len(walks), tuple(walks))
    pointers = [Pointer(dtype, walk) for walk in walks]
    results = []
    for place, out in enumerate(typed.outputs):
        donated = expression.donated[place : place + 1]
        walk = expression.arrays.index(donated[0]) if donated else len(walks)
        results.append(Placed(pointers[walk] if donated else Pointer(out.name), walk))
    scalars = (0.5,) * len(scalar_names(expression))
    return fused_launch(typed, layout, pointers, results, scalars, typed.block)


def _fused_rows(kernel: Kernel[..., Any], dtype: str) -> Launch:
    """Return the launch of an update rule over a table of parameters."""
    from kusari_triton.foreach import Tables, rows_launch, scalar_table_dtype

    typed = _typed(kernel, dtype)
    scalars = Pointer(scalar_table_dtype(typed).name)
    tables = Tables(Pointer("int64"), Pointer("int64"), scalars, Pointer("int32"), Pointer("int64"))
    return rows_launch(typed, tables, 64, typed.block)


def _typed(kernel: Kernel[..., Any], dtype: str) -> Typed:
    from kusari_triton.elementwise import Typed

    expression = trace(kernel.portable, kernel.__name__, (), kernel.donates)
    return Typed(expression, (host_dtype(dtype),) * len(expression.arrays))


def _dense(shape: Shape, order: Shape | None = None) -> Shape:
    """Return the strides of a dense array whose axes lie in memory in this order; in C order without one."""
    axes = tuple(range(len(shape))) if order is None else order
    behind = {axis: math.prod(shape[other] for other in axes[place + 1 :]) for place, axis in enumerate(axes)}
    return tuple(behind[axis] for axis in range(len(shape)))


def _channels_last(shape: Shape) -> Shape:
    channels, *spatial = shape[1:]
    return (math.prod(shape[1:]), 1, *(channels * math.prod(spatial[axis + 1 :]) for axis in range(len(spatial))))


def _print(result: Result) -> None:
    resources = result.resources
    counts = " ".join(f"{name} {count}" for name, count in resources.instructions.items() if count)
    numbers = f"{resources.registers:4} {resources.stack:5} {resources.shared:7}"
    print(f"{result.case:52} sm_{result.capability}  {numbers}  {counts}", flush=True)
    for complaint in result.complaints:
        print(f"    REFUSED: {complaint}", flush=True)


def _as_json(results: Sequence[Result]) -> dict[str, Any]:
    rows = [{**result._asdict(), "resources": result.resources._asdict()} for result in results]
    return {"triton": importlib.metadata.version("triton"), "results": rows}


if __name__ == "__main__":
    sys.exit(main())
