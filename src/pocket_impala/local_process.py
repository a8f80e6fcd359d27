"""The supervisor of a local cluster, seen from the process that owns it: begin, hear, end."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path

# Unix sockets have short names: what the system allows, less the longest file in the directory.
_LONGEST_DIRECTORY = 85
_LAST_WORDS = 2000  # characters of its log
_START_WITHIN = 60.0
_END_WITHIN = 10.0
_SUPERVISOR = (
    "import sys; directory = sys.argv[1]; sys.path[:] = sys.argv[2:]; "
    "from pocket_impala.coordinator.supervisor import main; main(directory)"
)


def private_directory() -> str:
    """Make a directory that only its owner can enter, with a name short enough for sockets."""
    directory = tempfile.mkdtemp(prefix="impala-ha-")
    if len(directory) <= _LONGEST_DIRECTORY:
        return directory
    Path(directory).rmdir()
    return tempfile.mkdtemp(prefix="impala-ha-", dir="/tmp")  # mkdtemp makes it 0700


def start_supervisor(directory: str) -> subprocess.Popen[str]:
    """Start the supervisor of the cluster whose plan lies in *directory*."""
    # The same modules as here, and none from the current directory: a file there may be
    # called like one of ours.
    command = [sys.executable, "-c", _SUPERVISOR, directory, *filter(None, sys.path)]
    with Path(directory, "log.txt").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # every word of the command is ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C is for the process that owns the cluster.
            start_new_session=True,
        )


def wait_ready(process: subprocess.Popen[str], directory: str) -> None:
    """Wait until all coordinators of the cluster in *directory* can be called.

    Raises:
        OSError: An address is taken.
        RuntimeError: One did not come up.
    """
    assert process.stdout is not None
    # Not select(): the caller may have more than 1024 files open.
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        answered = bool(selector.select(_START_WITHIN))
        line = process.stdout.readline() if answered else ""
    if not line:
        when = "ended as it started" if answered else f"did not start within {_START_WITHIN:.0f} s"
        log = Path(directory, "log.txt").read_text("utf-8", "replace")[-_LAST_WORDS:]
        raise RuntimeError(f"the local cluster {when}; it said:\n{log}")
    news = json.loads(line)
    if "error" in news:
        kind = OSError if news["kind"] == "OSError" else RuntimeError
        raise kind(news["error"])


def end_supervisor(process: subprocess.Popen[str]) -> None:
    """End the supervisor, and with it every coordinator."""
    # The end of its standard input tells it to end.
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
