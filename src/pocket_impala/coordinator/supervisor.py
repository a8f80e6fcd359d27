"""The supervisor: the parent of all coordinators of one cluster.

It imports everything once and forks the coordinators from there, so that a start or a restart
takes milliseconds; it reserves their addresses; it reaps those that ended; and it ends, with all
of them, when the process that started it is gone, however that came about: its standard input is a
pipe from that process, and a pipe ends with its writer.

It runs in one thread, because a process with several cannot be forked safely, and it never opens
DuckDB, for the same reason.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import shutil
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from pocket_impala.coordinator import control, coordinator
from pocket_impala.coordinator.layout import read_layout
from pocket_impala.coordinator.ports import reserve, reserve_usual

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pocket_impala.coordinator.layout import Layout

# How often, in seconds, the supervisor looks whether its parent is another.
_LOOK = 1.0
_READY_WITHIN = 60.0
# Impala's own.
_WEB_PORT, _HTTP_PORT = 25000, 28000
_READY = b"ready"


class Supervisor:
    """Starts, stops and watches coordinators.

    Args:
        layout: The cluster, with its addresses.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pids: list[int | None] = [None] * layout.size
        self._stopped = [False] * layout.size
        self._parent = os.getppid()
        self._listener = control.listen(layout.supervisor)
        self._stopping = False

    def start_all(self) -> None:
        """Start every coordinator and wait until all are ready."""
        pipes = [self._fork(index) for index in range(self._layout.size)]
        for index, pipe in enumerate(pipes):
            self._wait_ready(index, pipe)

    def run(self) -> bool:
        """Obey until told to stop (return True), or until the parent is gone (return False)."""
        commands: dict[str, Callable[..., Any]] = {
            "start": self.start,
            "kill": self.kill,
            "signal": self.signal,
            "pids": self.pids,
            "stopped": self.stopped,
            "stop": self.stop,
        }
        while not self._stopping and os.getppid() == self._parent:
            ready, _, _ = select.select([sys.stdin, self._listener], [], [], _LOOK)
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1):
                return False
            if self._listener in ready:
                control.answer_one(self._listener, commands)
        return self._stopping

    def start(self, index: int) -> int:
        """Start coordinator *index*, after a kill if it lives; return its pid."""
        self.kill(index)
        self._wait_ready(index, self._fork(index))
        return self.pids()[index] or 0

    def kill(self, index: int) -> None:
        """Kill coordinator *index* with SIGKILL and wait until it is gone."""
        pid = self.pids()[index]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._pids[index] = None

    def signal(self, index: int, number: int) -> None:
        """Send a signal to coordinator *index*."""
        pid = self.pids()[index]
        if pid is None:
            raise ValueError(f"coordinator {index} is not running")
        os.kill(pid, number)
        if number == signal.SIGSTOP and not self._stopped[index]:
            # The caller may rely on it: the process does nothing any more.
            os.waitpid(pid, os.WUNTRACED)
            self._stopped[index] = True

    def stopped(self, index: int) -> bool:
        """Whether coordinator *index* was stopped with SIGSTOP and not resumed."""
        self._reap()
        return self._stopped[index]

    def pids(self) -> list[int | None]:
        """Return the pid of each coordinator; None for one that is dead."""
        self._reap()
        return self._pids

    def _reap(self) -> None:
        """Take note of who died, stopped or went on since the last look."""
        for index in range(len(self._pids)):
            while (pid := self._pids[index]) is not None:
                found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
                if not found:
                    break
                self._stopped[index] = os.WIFSTOPPED(status)
                if not os.WIFSTOPPED(status) and not os.WIFCONTINUED(status):
                    self._pids[index] = None

    def stop(self) -> None:
        """Kill all coordinators and end."""
        for index in range(self._layout.size):
            self.kill(index)
        self._stopping = True

    def _fork(self, index: int) -> int:
        """Fork a coordinator; return the pipe on which it will say that it is ready."""
        reading, writing = os.pipe()
        supervisor = os.getpid()
        pid = os.fork()
        if pid:
            os.close(writing)
            self._pids[index] = pid
            self._stopped[index] = False
            return reading
        try:
            coordinator.die_with_parent(supervisor)
            self._listener.close()
            os.close(reading)
            coordinator.run(self._layout, index, lambda: _say(writing, _READY))
        except BaseException as error:  # noqa: BLE001  # nothing may return into its code
            traceback.print_exc()
            _say(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(1)

    def _wait_ready(self, index: int, pipe: int) -> None:
        with os.fdopen(pipe, "rb") as stream:
            readable, _, _ = select.select([stream], [], [], _READY_WITHIN)
            word = stream.read() if readable else b"it took too long"
        if word != _READY:
            raise RuntimeError(f"coordinator {index} did not start: {word.decode()}")


def main(directory: str) -> None:
    """Keep the cluster whose plan lies in *directory*; say on stdout how the start went."""
    layout = read_layout(directory)
    try:
        engine = importlib.import_module(layout.engine.partition(":")[0])
        # What is imported here need not be imported after each fork.
        getattr(engine, "warm", int)()
        reserved = reserve(layout.size, layout.port)
        reserved_web = _reserve(layout, "webserver_port", _WEB_PORT)
        reserved_http = _reserve(layout, "hs2_http_port", _HTTP_PORT) if layout.http else []
        layout = layout.at(
            [sock.getsockname() for sock in reserved],
            [sock.getsockname() for sock in reserved_web],
            [sock.getsockname() for sock in reserved_http],
        )
        layout.write()
        supervisor = Supervisor(layout)
    except Exception as error:  # noqa: BLE001  # whoever started us raises it
        _report({"error": str(error), "kind": type(error).__name__})
        return
    try:
        supervisor.start_all()
    except Exception as error:  # noqa: BLE001  # whoever started us raises it
        supervisor.stop()
        _report({"error": str(error), "kind": type(error).__name__})
        return
    _report({"ready": True})
    if supervisor.run():
        return
    supervisor.stop()
    shutil.rmtree(directory, ignore_errors=True)


def _reserve(layout: Layout, flag: str, usual: int) -> list[socket.socket]:
    asked = layout.flags.get(flag)
    return reserve_usual(layout.size, int(str(asked)) if asked else None, usual)


def _say(pipe: int, word: bytes) -> None:
    os.write(pipe, word)
    os.close(pipe)


def _report(news: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()
    # The pipe is closed, so that nothing printed later can fill it.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
