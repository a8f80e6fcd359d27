"""How another process tells a coordinator, or the supervisor of the cluster, what to do.

A unix socket in the cluster's private directory: one line of JSON each way, then the connection is
closed.  The directory's mode is the only guard, as nothing here is meant for the network.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def listen(path: Path) -> socket.socket:
    """Open the socket *path* and take it over from a process that died."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    return listener


def answer_one(listener: socket.socket, commands: Mapping[str, Callable[..., Any]]) -> None:
    """Take one request and answer it.  A request that cannot be read is dropped."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError, ValueError):
        connection.settimeout(10)
        with connection.makefile("rwb") as stream:
            command, arguments = json.loads(stream.readline())
            try:
                answer = {"value": commands[command](**arguments)}
            except Exception as error:  # noqa: BLE001  # it is told to the caller, who raises it
                answer = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(answer).encode() + b"\n")


def ask(path: Path, command: str, *, within: float = 10, **arguments: Any) -> Any:
    """Ask the process behind *path* to do *command*.

    Args:
        path: Its socket.
        command: What to do.
        within: Seconds to wait for the answer.
        **arguments: What *command* needs.

    Returns:
        What it answered.

    Raises:
        OSError: Nobody listens there, or nobody answers.
        ValueError: It refused.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(within)
        connection.connect(str(path))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps([command, arguments]).encode() + b"\n")
            stream.flush()
            line = stream.readline()
    if not line:
        raise ConnectionError(f"{path.name} hung up on {command!r}")
    answer = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["value"]
