"""summary: what a model's links are, make, hold, and run on."""

from __future__ import annotations

import html
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kusari.autograd import FunctionHook, FunctionNode, as_variable
from kusari.backend import Family
from kusari.backend.random import StreamStates, replay
from kusari.configuration import using_config, using_state
from kusari.model.link_hook import LinkHook

if TYPE_CHECKING:
    from kusari.model.link import Link
    from kusari.model.link_hook import ForwardPostprocessArguments, ForwardPreprocessArguments

COLUMNS: Final = ("path", "link", "output", "dtype", "parameters", "device", "runs on")


class Row(NamedTuple):
    """What the summary says of one link; empty where it was not called."""

    path: str
    link: str
    output: str
    dtype: str
    parameters: str
    device: str
    implementation: str


class ModelSummary:
    """A table of links: rich on a terminal, plain text elsewhere, HTML in a notebook.

    Args:
        rows: One for each link.
        parameters: How many numbers are trained, each counted once.
        size: How many bytes they take.
    """

    def __init__(self, rows: list[Row], parameters: int, size: int) -> None:
        self.rows = rows
        self.parameters = parameters
        self.size = size

    @property
    def total(self) -> str:
        """The last line."""
        return f"{self.parameters:,} parameters, {self.size / 2**20:,.2f} MiB"

    def __str__(self) -> str:
        return self._rich_text() if sys.stdout.isatty() else self._plain_text()

    __repr__ = __str__

    def _plain_text(self) -> str:
        table = [COLUMNS, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([*(line.rstrip() for line in lines), self.total])

    def _rich_text(self) -> str:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*COLUMNS, caption=self.total, caption_justify="left")
        for row in self.rows:
            table.add_row(*[Text(cell, overflow="fold") for cell in row])
        console = Console()
        with console.capture() as capture:
            console.print(table)
        return capture.get().rstrip("\n")

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

        body = "".join(line(row, "td") for row in self.rows)
        return f"<table><thead>{line(COLUMNS, 'th')}</thead><tbody>{body}</tbody></table><p>{self.total}</p>"


def summary(link: Link, *inputs: Any, **options: Any) -> ModelSummary:
    """Return a table of a model's links: what each makes, how much it holds, where it is, and what runs it.

    The model is run once, on a copy, in test mode, without graph and without other hooks: neither its parameters nor
    its state nor random streams change. Links that were not called, such as those inside a fused one, have no output.

    Args:
        link: The model.
        *inputs: What it is called with: arrays or Variables.
        **options: Passed on to the call.

    >>> model = kusari.Sequential(L.Linear(None, 4), F.relu, L.Linear(4, 2))
    >>> print(kusari.summary(model, np.ones((8, 3), "f")))
    path  link        output  dtype    parameters  device  runs on
    /     Sequential  (8, 2)  float32  26          numpy
    /0    Linear      (8, 4)  float32  16          numpy
    /1    Linear      (8, 2)  float32  10          numpy
    26 parameters, 0.00 MiB
    >>> model[0].W.array is None
    True
    """
    with replay(StreamStates()):
        twin = _copy(link)
        watch = _Watch()
        functions = _Plans(watch)
        with (
            using_config("train", False),
            using_config("enable_backprop", False),
            using_state(link_hooks=((watch.name, watch),), function_hooks=((functions.name, functions),)),
        ):
            twin(*inputs, **options)
    rows = [_row(path, one, watch.calls.get(id(one))) for path, one in twin.namedlinks()]
    pairs = zip(link.params(), twin.params(), strict=True)  # by the original's: a copy may divide what it shares
    params = {id(own): param for own, param in pairs if param.array is not None}.values()
    return ModelSummary(rows, sum(p.size for p in params), sum(p.size * p.dtype.itemsize for p in params))


def _copy(link: Link) -> Link:
    """Return a copy without hooks, that may be called without changing the link."""
    # Sharing takes no memory, but a parameter that gets data in one copy has it in the other.
    complete = all(param.array is not None for param in link.params())
    twin = link.copy("share" if complete else "copy")
    for one in twin.links():
        one._hooks = None
    return twin


class _Call:
    """What was seen of a link's last call."""

    def __init__(self, note: str) -> None:
        self.out: Any = None
        self.plans: dict[str, None] = {}
        self.note = note


class _Watch(LinkHook):
    """Keep what every link returned."""

    name = "summary"
    observes_children = False

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self.open: list[_Call] = []

    def forward_preprocess(self, args: ForwardPreprocessArguments) -> None:
        why = getattr(args.link, "why_not_fused", None)
        reason = None if why is None or not args.args else why(as_variable(args.args[0]))
        call = self.calls[id(args.link)] = _Call("" if reason is None else f"its links, one by one: {reason}")
        self.open.append(call)

    def forward_postprocess(self, args: ForwardPostprocessArguments) -> None:
        self.open.pop().out = args.out


class _Plans(FunctionHook):
    """Note, for the link that is being called, which implementations its functions chose."""

    name = "summary"

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        if self._watch.open:
            for plan in vars(function).values():
                if isinstance(plan, Family):
                    self._watch.open[-1].plans[_named(plan)] = None


def _named(plan: Family[Any]) -> str:
    kind = type(plan)
    return f"{kind.__name__} ({'portable' if kind is kind.definition else kind.__module__.partition('.')[0]})"


def _row(path: str, link: Link, call: _Call | None) -> Row:
    made = [] if call is None else [one for one in _flat(call.out) if hasattr(one, "shape")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of parameters without data, which count 0
        count = link.count_params()
    return Row(
        path,
        type(link).__name__,
        ", ".join(str(tuple(one.shape)) for one in made),
        ", ".join(dict.fromkeys(str(one.dtype) for one in made)),
        f"{count:,}",
        str(link.device),
        "" if call is None else "; ".join([*call.plans, *([call.note] if call.note else [])]),
    )


def _flat(out: Any) -> Iterator[Any]:
    """Yield what tuples, lists and dicts hold, within each other too."""
    if isinstance(out, dict):
        out = list(out.values())
    if isinstance(out, tuple | list):
        for one in out:
            yield from _flat(one)
    else:
        yield out
