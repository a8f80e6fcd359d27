"""
What the benchmarks share: the two clients, processes, faults, and how figures are printed.

A benchmark takes its figures of impyla and of impala-ha in turns, within one run: what else the
machine does hits both.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

CLIENTS = ("impyla", "impala-ha")
MODULES = {"impyla": "impala.dbapi", "impala-ha": "impala_ha.dbapi"}
_MANY_FILES = 4096


def parser(doc: str) -> argparse.ArgumentParser:
    """For the arguments of a program, described by the first line of its docstring."""
    return argparse.ArgumentParser(description=doc.strip().partition("\n")[0])


# -- clients -------------------------------------------------------------------------------------


def connected(client: str, host: str, port: int, **options: Any) -> Any:
    """A connection of one of `CLIENTS`, without a log-in unless *options* say otherwise."""
    options.setdefault("auth_mechanism", "NOSASL")
    return import_module(MODULES[client]).connect(host, port, **options)


def cursors_at(server: Any, stack: contextlib.ExitStack) -> dict[str, Any]:
    """An open cursor of each of `CLIENTS`, until the *stack* unwinds."""
    found = {}
    for client in CLIENTS:
        connection = stack.enter_context(
            contextlib.closing(connected(client, server.host, server.port))
        )
        found[client] = stack.enter_context(contextlib.closing(connection.cursor()))
    return found


def statement(cursor: Any, sql: str = "select 1") -> Any:
    """Execute it and fetch all."""
    cursor.execute(sql)
    return cursor.fetchall()


def job(connection: Any, sql: str = "select 1") -> Any:
    """The whole life of a short program: cursor, statement, rows, close."""
    with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
        return statement(cursor, sql)


# -- figures -------------------------------------------------------------------------------------


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def interleaved(work: dict[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Seconds of each of so many calls, by client; they take turns."""
    took: dict[str, list[float]] = {client: [] for client in work}
    for _ in range(times):
        for client, call in work.items():
            took[client].append(timed(call))
    return took


def percentile(values: list[float], percent: int) -> float:
    """Where *percent* of the values lie below."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def verdict(met: bool) -> str:
    """How a goal is said to be kept or not."""
    return "met" if met else "missed"


HEAD = f"{'':26}{'impyla':>12}{'impala-ha':>12}{'ratio':>8}{'goal':>6}"


def line(
    name: str,
    values: dict[str, float],
    goal: float | None = None,
    form: str = "{:.3f}",
    *,
    least: bool = False,
) -> None:
    """
    Print a line below `HEAD`.

    Args:
        name: What was measured.
        values: By client.
        goal: For ours / impyla's, as printed.
        form: Of one value.
        least: Whether the ratio must be at least the goal, and not at most.
    """
    theirs, ours = (values[client] for client in CLIENTS)
    columns = "".join(f"{form.format(value):>12}" for value in (theirs, ours))
    found = round(ours / theirs, 2)
    said = ""
    if goal is not None:
        said = f"{goal:>6}  {verdict(found >= goal if least else found <= goal)}"
    print(f"{name:26}{columns}{found:>8.2f}{said}", flush=True)


# -- processes -----------------------------------------------------------------------------------


class Program:
    """
    A server in a process of its own, so that its work is not in the client's CPU.

    Its first line of output is its port; each line of input is a question that it answers with a
    line; it ends when its input does.

    Args:
        program: The file.
        arguments: Of its command line.

    Attributes:
        host: 127.0.0.1.
        port: Where it listens.
    """

    host = "127.0.0.1"

    def __init__(self, program: str | Path, *arguments: object):
        self._command = [sys.executable, str(program), *map(str, arguments)]
        self.port = 0

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self) -> str:
        """What it answers to a line."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def serve(handle: Callable[[socket.socket], None], answer: Callable[[], object]) -> None:
    """
    Be a `Program`, until standard input ends.

    Args:
        handle: Is given each connection, in a thread of its own.
        answer: What a line of input is answered with.
    """
    with socket.create_server((Program.host, 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=handle, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        while sys.stdin.readline():
            print(answer(), flush=True)


# -- faults --------------------------------------------------------------------------------------

Fault = Callable[[Any], contextlib.AbstractContextManager[None]]


def fault(begin: str, end: str) -> Fault:
    """What a coordinator of a local cluster is told to do, and to end."""

    @contextlib.contextmanager
    def hurt(coordinator: Any) -> Iterator[None]:
        getattr(coordinator, begin)()
        try:
            yield
        finally:
            getattr(coordinator, end)()

    return hurt


@contextlib.contextmanager
def black_hole(coordinator: Any) -> Iterator[None]:
    """
    Let a coordinator fall silent as if its cable were cut, until the end of the context.

    It is stopped, and its queue of new connections is filled, so that the kernel drops who comes.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_MANY_FILES, most), most))
    with contextlib.ExitStack() as stack:
        stack.enter_context(fault("hang", "resume")(coordinator))
        for _ in range(_MANY_FILES):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect((coordinator.host, coordinator.port))
            except TimeoutError:
                break
        else:
            raise OSError(errno.ENOTSUP, "this system does not drop connections")
        yield
