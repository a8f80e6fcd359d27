"""How long a SELECT 1 takes over HTTPS, with impyla and with ours.

    python benchmarks/http_select.py [--statements 300]

impyla opens a new connection, with a new TLS handshake, for each call; ours keeps one.  The same
server serves both, in turns, within one run, so that what else the machine does hits both.  Each
statement is executed and fetched on an open cursor.

There are two servers, for most of what a statement costs on one machine is the server's work, the
same for both clients: one that answers from memory, in a process of its own, and shows what the
transports cost; and the local cluster, a coordinator in Python that runs the statement.

Goal: the median of ours is at most 0.35 of impyla's.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme
from _shared import CLIENTS, HEAD, Program, connected, interleaved, line, parser, statement

from impala_ha.testing import LocalCluster

GOAL = 0.35


def main() -> None:
    program = parser(__doc__)
    program.add_argument("--statements", type=int, default=300)
    program.add_argument("--serve", metavar="PEM", help="be the server that answers from memory")
    arguments = program.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    warnings.simplefilter("ignore", ResourceWarning)  # impyla's sockets
    logging.getLogger("impala_ha").setLevel(logging.ERROR)
    print(f"{arguments.statements} statements each, over TLS; medians")
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        pem, ca = f"{folder}/server.pem", f"{folder}/ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
        for name, server in (("from memory", from_memory), ("local cluster", local_cluster)):
            with server(pem) as (host, port), contextlib.ExitStack() as stack:
                work = {}
                for client in CLIENTS:
                    cursor = stack.enter_context(opened(client, host, port, ca))
                    work[client] = lambda cursor=cursor: statement(cursor)
                interleaved(work, 15)  # what is imported and opened once
                took = interleaved(work, arguments.statements)
                medians = {c: statistics.median(took[c]) * 1000 for c in CLIENTS}
                line(f"{name}, ms", medians, GOAL, "{:.2f}")


@contextlib.contextmanager
def local_cluster(pem: str) -> Iterator[tuple[str, int]]:
    """One coordinator that wants a password."""
    with LocalCluster(1, auth="LDAP", users={"etl": "s3cret"}, http=True, tls=pem) as cluster:
        yield cluster[0].host, cluster[0].http_port


@contextlib.contextmanager
def from_memory(pem: str) -> Iterator[tuple[str, int]]:
    """A server that answers from memory, in a process of its own."""
    with Program(__file__, "--serve", pem) as server:
        yield server.host, server.port


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
def opened(client: str, host: str, port: int, ca: str) -> Iterator[Any]:
    """A cursor over HTTPS, with a password."""
    connection = connected(
        client,
        host,
        port,
        use_http_transport=True,
        http_path="cliservice",
        use_ssl=True,
        ca_cert=ca,
        auth_mechanism="LDAP",
        user="etl",
        password="s3cret",  # of a cluster that ends with this program
    )
    with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
        yield cursor


if __name__ == "__main__":
    main()
