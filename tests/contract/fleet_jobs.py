"""Short programs, each a process of its own that connects once, and a coordinator that is dead."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import impala_ha

AT_A_TIME = 4
LIMIT = 60.0  # seconds for a job
JOB = """
import json, sys, impala_ha
connection = impala_ha.connect(sys.argv[1], **json.loads(sys.argv[2]))
print(connection.coordinator)
connection.close()
"""


def job(hosts: str, **options: Any) -> str:
    """Where a new interpreter was connected to."""
    command = [sys.executable, "-c", JOB, hosts, json.dumps(options)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT)
    return done.stdout.strip()


def spawned(hosts: Sequence[str], **options: Any) -> Counter[str]:
    """How many of these jobs were connected to each; some run at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return Counter(pool.map(lambda each: job(each, **options), hosts))


def forked(hosts: Sequence[str], at_a_time: int = AT_A_TIME, **options: Any) -> Counter[str]:
    """The same, each a fork of this process; one that hangs shows where, and ends."""
    context = get_context("fork")
    told = context.SimpleQueue()

    def work(where: str) -> None:
        faulthandler.dump_traceback_later(LIMIT, exit=True, file=sys.__stderr__)
        with contextlib.closing(impala_ha.connect(where, **options)) as connection:
            told.put(str(connection.coordinator))

    children = [context.Process(target=work, args=[where]) for where in hosts]
    for first in range(0, len(children), at_a_time):
        some = children[first : first + at_a_time]
        for child in some:
            child.start()
        for child in some:
            child.join()
        assert [0] * len(some) == [child.exitcode for child in some]
    return Counter(told.get() for _ in children)


@contextlib.contextmanager
def dead_coordinator() -> Iterator[tuple[str, list[float]]]:
    """A port that hangs up on whoever comes, and when they came."""
    came: list[float] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    came.append(time.monotonic())
                    connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
