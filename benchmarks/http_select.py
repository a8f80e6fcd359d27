"""How long a SELECT 1 takes over HTTPS, with impyla and with ours.

    python benchmarks/http_select.py [--rounds 5] [--statements 60]

impyla opens a new connection, with a new TLS handshake, for each call; ours keeps one.  The same
server serves both, in turns, within one run, so that what else the machine does hits both.  Each
statement is executed and fetched on an open cursor.

There are two servers, for most of what a statement costs on one machine is the server's work, the
same for both clients: one that answers from memory, in a process of its own, and shows what the
transports cost; and the local cluster, a coordinator in Python that runs the statement.

Goal: the median of ours is at most 0.35 of impyla's.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import impala.dbapi
import trustme

import impala_ha
from impala_ha import Coordinator
from impala_ha.testing import LocalCluster

GOAL = 0.35


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--statements", type=int, default=60)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    warnings.simplefilter("ignore", ResourceWarning)  # impyla's sockets
    logging.getLogger("impala_ha").setLevel(logging.ERROR)
    print(f"{arguments.rounds * arguments.statements} statements each, over TLS; ms for one")
    with tempfile.TemporaryDirectory() as folder:
        pem, ca = f"{folder}/server.pem", f"{folder}/ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
        for name, server in (("from memory", from_memory), ("local cluster", local_cluster)):
            with server(pem) as coordinator, contextlib.ExitStack() as stack:
                cursors = {
                    who: stack.enter_context(opened(connect, coordinator, ca))
                    for who, connect in CLIENTS.items()
                }
                told(name, measured(cursors, arguments.rounds, arguments.statements))


def measured(cursors: dict[str, Any], rounds: int, statements: int) -> dict[str, list[float]]:
    """Seconds of each statement, by client."""
    spent: dict[str, list[float]] = {who: [] for who in cursors}
    for cursor in cursors.values():
        timed(cursor, statements // 4)  # what is imported and opened once
    for _ in range(rounds):
        for who, cursor in cursors.items():
            spent[who] += timed(cursor, statements)
    return spent


@contextlib.contextmanager
def local_cluster(pem: str) -> Iterator[Coordinator]:
    """One coordinator that wants a password."""
    with LocalCluster(1, auth="LDAP", users={"etl": "s3cret"}, http=True, tls=pem) as cluster:
        yield Coordinator(cluster[0].host, cluster[0].http_port)


@contextlib.contextmanager
def from_memory(pem: str) -> Iterator[Coordinator]:
    """A server that answers from memory, in a process of its own."""
    command = [sys.executable, __file__, "--serve", pem]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Coordinator("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.stdin.close()


def serve(pem: str) -> None:
    """Be that server, until standard input ends."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))
    from loopback import Answers, Peer, hiveserver2_over_http  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    answers = hiveserver2_over_http(Answers())

    def talk(connection: ssl.SSLSocket) -> None:
        # Without it the end of the handshake and the answer wait 40 ms for each other.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers(connection)

    with Peer(talk, context) as peer:
        print(peer.coordinator.port, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def opened(connect: Callable[..., Any], coordinator: Any, ca: str) -> Any:
    """A cursor over HTTPS, with a password."""
    connection = connect(
        coordinator.host,
        coordinator.port,
        use_http_transport=True,
        http_path="cliservice",
        use_ssl=True,
        ca_cert=ca,
        auth_mechanism="LDAP",
        user="etl",
        password="s3cret",  # of a cluster that ends with this program
    )
    cursor = connection.cursor()
    yield cursor
    cursor.close()
    connection.close()


def timed(cursor: Any, times: int) -> list[float]:
    """Seconds of each of so many statements."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        cursor.execute("SELECT 1")
        cursor.fetchall()
        found.append(time.perf_counter() - began)
    return found


def told(name: str, spent: dict[str, list[float]]) -> None:
    medians = {who: statistics.median(seconds) for who, seconds in spent.items()}
    ratio = medians["impala-ha"] / medians["impyla"]
    columns = "".join(f"{who:>12} {median * 1000:6.2f}" for who, median in medians.items())
    verdict = "met" if ratio <= GOAL else "missed"
    print(f"{name:14}{columns}   ours / impyla's {ratio:.2f} (goal {GOAL}: {verdict})", flush=True)


CLIENTS: dict[str, Callable[..., Any]] = {
    "impyla": impala.dbapi.connect,
    "impala-ha": impala_ha.connect,
}

if __name__ == "__main__":
    main()
