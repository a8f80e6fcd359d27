"""A server process under a guard: it ends with the process that started it, however that ended.

Between the two stands a small Python process.  Its standard input is a pipe from the owner, and a
pipe ends with its writer: then it kills the server.  If the small process itself is killed, the
kernel kills the server.  It also removes the server's files if the owner could not.

A server that asked the kernel to watch the owner would not do: the kernel watches the *thread* that
started it, and fixtures may start servers in threads.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEGIN_WITHIN = 30.0
_END_WITHIN = 10.0

#: Runs on its own, from a string: the owner's `sys.path` may hold anything.
_POST = """
import ctypes, os, select, shutil, signal, subprocess, sys
def follow():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
signal.signal(signal.SIGCHLD, lambda *_: None)
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=sys.stderr,
                          preexec_fn=follow)
os.write(1, b"%d\\n" % server.pid)
while server.poll() is None:
    ready = select.select([reading, sys.stdin.fileno()], [], [])[0]
    if reading in ready:
        os.read(reading, 4096)  # a server that was stopped or went on says so in this way, too
    if sys.stdin.fileno() in ready:
        wanted = os.read(sys.stdin.fileno(), 1)
        server.kill()
        server.wait()
        if not wanted:
            shutil.rmtree(sys.argv[1], ignore_errors=True)
sys.exit(1 if server.returncode else 0)
"""


class GuardedProcess:
    """A server process that does not outlive this one.

    Args:
        command: The program, by its full path or found on ``PATH``, and its arguments.
        environment: All of its environment.
        directory: Where it runs, and where its files lie; removed if this process is killed.
        log: The file that gets what it prints.

    Attributes:
        pid: Of the server itself.

    Raises:
        OSError: It cannot be started; the text ends with what the log says.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path
    ) -> None:
        self._log = log
        with log.open("ab") as stream:
            self._post = subprocess.Popen(  # the commands are those of this package
                [sys.executable, "-I", "-S", "-c", _POST, str(directory), *command],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                # Ctrl-C is for the process that owns the server.
                start_new_session=True,
            )
        self._end = weakref.finalize(self, _end, self._post)
        self.pid = self._hear_pid(command[0])

    def __repr__(self) -> str:
        state = "running" if self.running else "ended"
        return f"<GuardedProcess pid={self.pid} {state}>"

    def _hear_pid(self, program: str) -> int:
        assert self._post.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._post.stdout, selectors.EVENT_READ)
            line = self._post.stdout.readline() if selector.select(_BEGIN_WITHIN) else b""
        if not line:
            self._end()
            raise OSError(f"{program} did not start: {last_words(self._log)}")
        return int(line)

    @property
    def running(self) -> bool:
        """Whether the server lives (or is stopped by a signal)."""
        return self._end.alive and self._post.poll() is None

    def signal(self, number: int) -> None:
        """Send signal *number* to the server; nothing happens when it is gone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the server with SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._end()


def last_words(log: Path, lines: int = 25) -> str:
    """Return the last *lines* lines of a log; 0: all."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(it wrote nothing)"


def _end(post: subprocess.Popen[bytes]) -> None:
    """End the small process, and with it the server."""
    assert post.stdin is not None
    # Any word tells an end that is wanted from the end of this process.
    with contextlib.suppress(BrokenPipeError):
        os.write(post.stdin.fileno(), b"x")
    for stream in (post.stdin, post.stdout):
        if stream is not None:
            stream.close()
    try:
        post.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        # The kernel kills the server with it.
        post.kill()
        post.wait()
