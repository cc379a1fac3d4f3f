"""Check and time Kusari on a GPU: its conformance, and its speed beside PyTorch's in one process.

    python benchmarks/gpu.py --part kit       the whole conformance suite and the digits example, on cupy and triton
    python benchmarks/gpu.py --part layers    L1 to L9 at 256 images, forward and forward with backward
    python benchmarks/gpu.py --part models    training steps of NIN, VGG and ResNet-18
    python benchmarks/gpu.py --part latency   small batches one by one, and what a call costs the host

Needs no network and installs nothing: from a checkout, with CuPy, Triton and PyTorch at hand. Each part stops in
time (``--minutes``); what it did not get to is listed, and a second call with ``--only`` adds it to the results.
Both sides run in turn; each one's fastest setting counts (memory format; PyTorch eager or compiled, cuDNN choosing by
trial). Figures are medians with a 90 % interval; a ratio below 1 means that Kusari is faster. ``roofline`` is the part
of what the machine can do: of a large product's or a large copy's speed, measured beforehand, whichever binds.

Writes ``gpu-PART.json`` and ``gpu-PART.md`` to ``--out``, with the machine named. ``--device cpu --smoke`` runs
everything on tiny shapes without a GPU: its figures say nothing. Returns 1 where something failed, 2 where the machine
lacks what is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks import gpu_kit, gpu_parts, gpu_rows
from benchmarks.gpu_session import Session, Unavailable, open_session


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", required=True, choices=("kit", *gpu_parts.PARTS))
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: to try this program")
    parser.add_argument(
        "--backend", action="append", metavar="NAME", help="cupy:0, triton:0 (both by default); may be repeated"
    )
    parser.add_argument("--numbers", nargs="+", choices=tuple(gpu_parts.NUMBERS), help="all by default")
    parser.add_argument("--only", default="", help="part of a row's workload, pass or numbers: 'L3', 'forward'")
    parser.add_argument("--minutes", type=float, default=9.0, help="begin nothing new after so long")
    parser.add_argument("--no-torch", dest="torch", action="store_false", help="Kusari alone")
    parser.add_argument("--smoke", action="store_true", help="tiny shapes")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    arguments = parser.parse_args(words)
    if arguments.device == "cpu" and not arguments.smoke:
        parser.error("--device cpu is for --smoke; benchmarks/cpu.py measures the CPU")
    if arguments.minutes <= 0:
        parser.error(f"--minutes {arguments.minutes}: expected a positive number")
    return arguments


def timed_part(session: Session, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure a part's rows while there is time."""
    numbers = arguments.numbers or (("fp32",) if session.smoke else tuple(gpu_parts.NUMBERS))
    first = {name: next(iter(gpu_parts.places(session, name).values())) for name in numbers}
    peaks = gpu_rows.measure_peaks(session, first) if arguments.part == "layers" else {}
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    for name in numbers:
        for case in gpu_parts.PARTS[arguments.part](session, name):
            if arguments.only not in case.key:
                continue
            if session.seconds_left <= 0:
                left_out.append(case.key)
                continue
            rows.append(gpu_rows.measure(session, case, peaks))
            print(_line(rows[-1]), flush=True)
            session.free()
    return {"peaks": peaks, "rows": rows, "left_out": left_out}


def _line(row: Mapping[str, Any]) -> str:
    sides = (f"{side} {found['ms']:.4g} ms" for side, found in row["sides"].items())
    failed = (f"{name}: {reason}" for name, reason in row.get("failed", {}).items())
    return f"{row['key']}: " + "; ".join([*sides, *failed])


def write(arguments: argparse.Namespace, machine: dict[str, Any], figures: dict[str, Any]) -> Path:
    """Write figures as JSON and as a table; rows of an earlier run on the same machine that are not here stay.

    Returns:
        The JSON's path.
    """
    arguments.out.mkdir(parents=True, exist_ok=True)
    path: Path = arguments.out / f"gpu-{arguments.part}.json"
    name = "step" if arguments.part == "kit" else "key"
    figures = {"machine": machine, "part": arguments.part, "smoke": arguments.smoke, **figures}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if (before.get("machine"), before.get("smoke")) == (machine, arguments.smoke):
            new = {row[name]: row for row in figures["rows"]}
            kept = {row[name]: row for row in before["rows"]}
            figures["rows"] = list((kept | new).values())
            figures["peaks"] = before.get("peaks", {}) | figures.get("peaks", {})
    done = {row[name] for row in figures["rows"]}
    figures["left_out"] = [key for key in figures.get("left_out", []) if key not in done]
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(figures), encoding="utf-8")
    return path


def markdown(figures: Mapping[str, Any]) -> str:
    """Return figures as a page: the machine, the table, and what is not in it."""
    machine = ", ".join(f"{key} {value}" for key, value in figures["machine"].items() if value is not None)
    text = f"# GPU: {figures['part']}\n\n{machine}\n\n"
    if figures["smoke"]:
        text += "Tiny shapes: the figures say nothing.\n\n"
    if figures["part"] == "kit":
        return text + gpu_kit.kit_table(figures["rows"])
    sides = list(dict.fromkeys(side for row in figures["rows"] for side in row["sides"]))
    text += gpu_rows.table(figures["rows"], sides)
    peaks = figures.get("peaks", {})
    if peaks:
        measured = [
            f"{name} {value / 1e12:.3g} T{'B' if name == 'copy' else 'FLOP'}/s" for name, value in peaks.items()
        ]
        text += f"\nMeasured peaks: {', '.join(measured)}.\n"
    failed = [
        f"- {row['key']}, {name}: {why}" for row in figures["rows"] for name, why in row.get("failed", {}).items()
    ]
    if failed:
        text += "\nFailed:\n\n" + "\n".join(failed) + "\n"
    if figures["left_out"]:
        text += "\nLeft out, for want of time: " + "; ".join(figures["left_out"]) + ".\n"
    return text


def main(words: Sequence[str] | None = None) -> int:
    """Run a part, print and write its results."""
    arguments = parse(words)
    try:
        session = open_session(arguments)
    except Unavailable as error:
        print(f"benchmarks/gpu.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if arguments.part == "kit":
        rows = []
        for row in gpu_kit.run_kit(session):
            rows.append(row)
            print(f"{row['step']}: {row['outcome']}, {row['seconds']} s", flush=True)
        figures: dict[str, Any] = {"rows": rows}
        bad = any(row["outcome"].startswith(("failed", "stopped")) for row in rows)
    else:
        figures = timed_part(session, arguments)
        bad = any("failed" in row for row in figures["rows"])
    path = write(arguments, session.machine(), figures)
    print(f"{path} and {path.with_suffix('.md').name} written")
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
