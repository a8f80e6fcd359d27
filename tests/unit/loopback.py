"""Servers of one process and one address, 127.0.0.1: a peer that talks as told, and HiveServer2.

A peer serves each client in a thread, and has ended all of them when its block is left.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from impala._thrift_gen.ImpalaService import ImpalaHiveServer2Service
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as hs2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import (
    TBufferedTransport,
    TFramedTransport,
    TMemoryBuffer,
    TTransportException,
)

from impala_ha import Coordinator
from impala_ha.testing.fakes import FakeCoordinator

HOST = "127.0.0.1"
_LIMIT = 10.0  # seconds for a thread to end once its socket is closed


class Peer:
    """
    Listens, and lets `talk(connection)` serve each client in a thread.

    Attributes:
        coordinator: Where it listens.
        accepted: How many clients came.
        gone: Set when the block is left: what a silent server waits for.
    """

    def __init__(self, talk, context: ssl.SSLContext | None = None):
        self._talk = talk
        self._context = context
        self._listener = socket.create_server((HOST, 0))
        self.coordinator = Coordinator(HOST, self._listener.getsockname()[1])
        self.accepted = 0
        self.gone = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Hang up on everybody, and listen no more."""
        self.gone.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(_LIMIT)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_LIMIT)
            assert not thread.is_alive()
        self._listener.close()

    def hush(self, _):
        """Say nothing for as long as the block lasts: for the script of `Answers`."""
        self.gone.wait(_LIMIT * 10)
        raise TTransportException(TTransportException.END_OF_FILE, "the test is over")

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            if self._context is not None:
                plain, connection = connection, None
                connection = self._context.wrap_socket(plain, server_side=True)
                self._connections.append(connection)
            self._talk(connection)
        except (OSError, TTransportException, EOFError):
            pass
        finally:
            if connection is not None:
                connection.close()


def exactly(connection, size):
    """*size* bytes; EOFError if the client goes before."""
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


class Answers:
    """
    What HiveServer2 answers: that of a coordinator in memory, as Thrift can send it.

    Attributes:
        server: The coordinator; its script may fail, its log tells what was asked.
    """

    def __init__(self):
        self.server = FakeCoordinator("memory")

    def __getattr__(self, rpc):
        def answer(request):
            got = self.server.answer(rpc, request)
            if isinstance(got, SimpleNamespace):
                kind = getattr(hs2, f"T{rpc}Resp", None) or getattr(impala, f"T{rpc}Resp")
                got = kind(status=got.status)
            return got

        return answer


def hiveserver2(answers, processor=ImpalaHiveServer2Service.Processor, users=None, framed=False):
    """
    A `talk` that speaks the binary protocol, after SASL PLAIN if there are *users*.

    It is *framed* where somebody else has let the client in.
    """

    def talk(connection):
        handle = TSocket()
        handle.setHandle(connection)
        transport = TBufferedTransport(handle)
        if users is not None:
            let_in(connection, users)
        if users is not None or framed:
            transport = TFramedTransport(handle)
        protocol = TBinaryProtocolAccelerated(transport)
        service = processor(answers)
        while True:
            service.process(protocol, protocol)

    return talk


def hiveserver2_over_http(answers, look=lambda head: None):
    """A `talk` over HTTP, on connections that are kept; *look* sees the head of each request."""

    def talk(connection):
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    raise EOFError
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
            body += exactly(connection, int(length) - len(body))
            look(head)
            reply = TMemoryBuffer()
            ImpalaHiveServer2Service.Processor(answers).process(
                TBinaryProtocolAccelerated(TMemoryBuffer(body)), TBinaryProtocolAccelerated(reply)
            )
            told = reply.getvalue()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)

    return talk


def let_in(connection, users):
    """The server's half of SASL PLAIN; a wrong password gets an end of file, as with Impala."""
    _, length = struct.unpack(">BI", exactly(connection, 5))
    if exactly(connection, length) != b"PLAIN":
        connection.sendall(struct.pack(">BI", 3, 0))
        raise EOFError
    _, length = struct.unpack(">BI", exactly(connection, 5))
    _, user, password = exactly(connection, length).decode().split("\0")
    if users.get(user) != password:
        raise EOFError
    connection.sendall(struct.pack(">BI", 5, 0))


@contextmanager
def over_http(answers, status=200):
    """HiveServer2 over HTTP; gives the coordinator and the headers of each request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(dict(self.headers))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = TMemoryBuffer()
            if status == 200:
                ImpalaHiveServer2Service.Processor(answers).process(
                    TBinaryProtocolAccelerated(TMemoryBuffer(body)),
                    TBinaryProtocolAccelerated(reply),
                )
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply.getvalue())))
            self.end_headers()
            self.wfile.write(reply.getvalue())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Coordinator(HOST, server.server_port), seen
    finally:
        server.shutdown()
        thread.join(_LIMIT)
        server.server_close()


@contextmanager
def serving_pages(pages):
    """A web server, ``host:port``, with *pages* by path, as JSON; it sees changes of *pages*."""

    class Visit(BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path.partition("?")[0])
            body = json.dumps(page).encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((HOST, 0), Visit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
