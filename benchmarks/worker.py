"""Runs in a process of their own that take turns with this one: how another interpreter joins the same rounds.

A line of JSON asks for something, a line answers. The worker times its own runs, so that the pipe costs nothing.
This file is read by old interpreters too and imports nothing that they lack.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import SETTLING, stopwatch

THREAD_VARIABLES = ("KUSARI_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries of either side read at their start."""


def environment(threads: int) -> dict[str, str]:
    """Return this process's environment, with so many threads for every library."""
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))


class WorkerError(RuntimeError):
    """The worker could not do what it was asked; the text is its own."""


class Worker:
    """A process that runs workloads when told to.

    Args:
        label: What messages call it.
        command: The interpreter and the script, which ends in `serve`.
        threads: How many threads its libraries get.
        setting: An environment variable of its own, ``NAME=value``, or nothing.
    """

    def __init__(self, label: str, command: list[str], threads: int, setting: str = "") -> None:
        self.label = label
        own = dict([setting.split("=", 1)]) if setting else {}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads) | own
        )

    def about(self) -> str:
        """Return what runs there, with versions."""
        return str(self._ask({"about": 1})["about"])

    def open(self, name: str, group: str) -> None:
        """Make the run of a workload, in place of the one before.

        Raises:
            WorkerError: The worker does not have it, or making it failed.
        """
        self._ask({"open": [name, group]})

    def seconds(self) -> float:
        """Run, and return how long the second of two runs took."""
        return float(self._ask({"run": 1})["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # a question that it did not live to read
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.label}: the process ended, with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.label}: {answer['error']}")
        return answer


def serve(find: Callable[[str, str], Callable[[], Any]], about: str) -> None:
    """Answer on standard output what standard input asks, to its end.

    Args:
        find: Returns the run of a workload by name and group; LookupError where there is none.
        about: What runs here, with versions.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not come between the answers
    run: Callable[[], Any] | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {}
            if "about" in request:
                answer = {"about": about}
            elif "open" in request:
                run = None  # the one before may hold much memory
                run = find(*request["open"])
            elif run is None:
                raise LookupError("nothing was opened")
            else:
                answer = {"seconds": stopwatch(run, settling=SETTLING)()}
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side is to hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def script(name: str) -> str:
    """Return the path of a script of this folder."""
    return str(Path(__file__).parent / name)
