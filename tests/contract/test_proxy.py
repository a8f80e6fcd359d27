"""The fault proxy: what passes, what does not, and how a connection ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client
from impala._thrift_gen.TCLIService import ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

import impala_ha
from impala_ha.testing import FaultProxy, LocalCluster
from impala_ha.testing.proxy.messages import Reader, Talk

WAIT = 10.0
WHOLE = 10**6  # bytes: behind the end of any message here


class Echo:
    """A server that says everything back, and remembers what it read and how that ended."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.heard: list[bytearray] = []
        self.ends: list[str] = []
        self._threads[0].start()

    def stop(self):
        with contextlib.suppress(OSError):  # it was stopped before
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock):
        heard = bytearray()
        self.heard.append(heard)
        with sock:
            try:
                while data := sock.recv(65536):
                    heard += data
                    sock.sendall(data)
                self.ends.append("fin")
            except OSError:
                self.ends.append("rst")


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def proxy(echo):
    with FaultProxy(echo.address) as proxy:
        yield proxy


@contextlib.contextmanager
def client(proxy, timeout=WAIT):
    host, _, port = proxy.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as sock:
        yield sock


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, f"the end after {data!r}"
        data += part
    return data


def until_the_end(sock):
    """What comes, and how it ends: by an end of file or by a reset."""
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        return data, "rst"
    return data, "fin"


def exchange(proxy, data):
    """What comes back, and how it ends."""
    reset = False
    try:
        with client(proxy) as sock:
            try:
                sock.sendall(data)
            except ConnectionResetError:  # told once, and here already
                reset = True
            except OSError:
                pass
            got, end = until_the_end(sock)
            return got, "rst" if reset else end
    except ConnectionResetError:  # before the kernel had told us of the connection
        return b"", "rst"


def test_bytes_pass_in_both_directions_and_are_counted(proxy):
    with client(proxy) as one, client(proxy) as two:
        one.sendall(b"to be said back")
        assert b"to be said back" == exactly(one, 15)
        two.sendall(b"me too")
        assert b"me too" == exactly(two, 6)

    assert 2 == proxy.connections
    assert (15, 15) == (proxy.bytes("to_server", 1), proxy.bytes("to_client", 1))
    assert (21, 21) == (proxy.bytes("to_server"), proxy.bytes("to_client"))
    assert [] == proxy.faults_fired


def test_a_megabyte_passes_whole(proxy):
    sent = os.urandom(1 << 20)
    with client(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(sent,))
        sender.start()
        got = exactly(sock, len(sent))
        sender.join()

    assert sent == got


def test_an_end_of_file_passes(proxy, echo, until):
    with client(proxy) as sock:
        sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)

        assert (b"last words", "fin") == until_the_end(sock)
    until(lambda: proxy.open == 0)
    assert ["fin"] == echo.ends


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("byte", [0, 1, 7, 9, 10])
def test_a_cut_lets_exactly_so_many_bytes_to_the_client(proxy, until, byte, how):
    proxy.cut("to_client", byte, how)

    assert (b"0123456789"[:byte], how) == exchange(proxy, b"0123456789")
    until(lambda: proxy.open == 0)
    assert byte == proxy.bytes("to_client", 1)
    (fault,) = proxy.faults_fired
    assert ("to_client", byte, how, 1) == (fault.where, fault.byte, fault.how, fault.connection)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("byte", [1, 7, 9, 10])
def test_a_cut_lets_exactly_so_many_bytes_to_the_server(proxy, echo, until, byte, how):
    proxy.cut("to_server", byte, how)
    _, end = exchange(proxy, b"0123456789")

    assert how == end
    until(lambda: echo.ends == [how])
    assert [b"0123456789"[:byte]] == echo.heard
    assert byte == proxy.bytes("to_server", 1)


def test_a_cut_happens_once(proxy):
    proxy.cut("to_client", 3)

    assert (b"012", "fin") == exchange(proxy, b"0123456789")
    with client(proxy) as sock:
        sock.sendall(b"0123456789")
        assert b"0123456789" == exactly(sock, 10)


def test_a_cut_can_wait_for_the_second_connection(proxy):
    proxy.cut("to_client", 3, connection=2)
    with client(proxy) as one, client(proxy) as two:
        one.sendall(b"0123456789")
        assert b"0123456789" == exactly(one, 10)
        two.sendall(b"0123456789")
        assert (b"012", "fin") == until_the_end(two)


def test_after_silence_neither_side_hears_anything_not_even_the_end(proxy, echo, until):
    proxy.cut("to_client", 3, "silence")
    with client(proxy, timeout=0.05) as sock:
        sock.sendall(b"0123456789")
        assert b"012" == exactly(sock, 3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    proxy.heal()

    assert 1 == proxy.open
    assert [] == echo.ends
    assert 1 == proxy.disconnect()
    until(lambda: proxy.open == 0 and echo.ends == ["fin"])


def test_a_connection_can_be_silent_from_the_start(proxy, echo):
    proxy.cut("connect", how="silence")
    with client(proxy, timeout=0.05) as sock:
        sock.sendall(b"anybody?")
        with pytest.raises(TimeoutError):
            sock.recv(1)

    assert [] == echo.heard


def test_a_byte_is_corrupted_and_no_other(proxy):
    proxy.corrupt("to_server", 4)
    proxy.corrupt("to_client", 2)
    with client(proxy) as sock:
        sock.sendall(b"0123456789")

        assert b"01\xcd3\xcb56789" == exactly(sock, 10)


def test_a_delay_is_over_when_it_is_called_off(proxy):
    proxy.delay(3600)
    with client(proxy, timeout=0.05) as sock:
        sock.sendall(b"slowly")
        with pytest.raises(TimeoutError):
            sock.recv(1)
        proxy.delay(0)
        sock.settimeout(WAIT)

        assert b"slowly" == exactly(sock, 6)


def test_a_short_delay_is_over_by_itself(proxy):
    proxy.delay(0.01, "to_server")
    with client(proxy) as sock:
        sock.sendall(b"soon")

        assert b"soon" == exactly(sock, 4)


def test_a_throttled_direction_passes_little_by_little(proxy):
    proxy.throttle(20)
    with client(proxy, timeout=0.5) as sock:
        sock.sendall(b"x" * 100_000)
        assert 1 == len(sock.recv(65536))
        proxy.throttle(0)
        sock.settimeout(WAIT)

        assert 99_999 == len(exactly(sock, 99_999))


def test_what_was_held_back_passes_after_the_silence(proxy):
    proxy.mute()
    with client(proxy, timeout=0.05) as sock:
        sock.sendall(b"kept")
        with pytest.raises(TimeoutError):
            sock.recv(1)
        proxy.unmute()
        sock.settimeout(WAIT)

        assert b"kept" == exactly(sock, 4)


def test_who_is_refused_is_reset_until_healed(proxy):
    proxy.refuse()
    assert (b"", "rst") == exchange(proxy, b"in?")
    proxy.heal()
    with client(proxy) as sock:
        sock.sendall(b"in")

        assert b"in" == exactly(sock, 2)


def test_a_cut_can_take_the_server_away(proxy):
    proxy.cut("to_client", 3, down=True)

    assert (b"012", "fin") == exchange(proxy, b"0123456789")
    assert (b"", "rst") == exchange(proxy, b"0123456789")


def test_a_server_that_is_gone_looks_like_one_that_resets(echo):
    echo.stop()
    with FaultProxy(echo.address) as proxy:
        assert (b"", "rst") == exchange(proxy, b"anybody?")


def test_stopping_ends_connections_thread_and_sockets(echo):
    before = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    proxy = FaultProxy(echo.address)
    for _ in range(2):  # it can be started again
        with proxy, client(proxy) as sock:
            sock.sendall(b"x")
            exactly(sock, 1)
            proxy.mute()
            proxy.delay(3600, "to_server")
            sock.sendall(b"y")
            proxy.stop()

            assert (b"", "fin") == until_the_end(sock)
        proxy.stop()
    echo.stop()

    assert threading.active_count() <= before[0]
    assert len(list(Path("/proc/self/fd").iterdir())) < before[1]
    with pytest.raises(RuntimeError, match="not running"):
        proxy.heal()


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (lambda p: p.cut("to_nobody"), "where must be one of to_server, to_client, connect"),
        (lambda p: p.cut("FetchResult:response"), "did you mean FetchResults:response"),
        (lambda p: p.cut("to_client", -1), "byte must be 0 or more, not -1"),
        (lambda p: p.cut("to_client", how="politely"), "how must be 'fin', 'rst' or 'silence'"),
        (lambda p: p.cut("to_client", connection=0), "counted from 1, not from 0"),
        (lambda p: p.delay(-1), "seconds must be 0 or more"),
        (lambda p: p.throttle(float("nan")), "bytes_per_second must be 0 or more"),
        (lambda p: p.throttle(1, "OpenSession:request"), "direction must be one of"),
        (lambda p: p.bytes("sideways"), "direction must be one of"),
        (lambda p: p.mute("connect"), "where must be one of"),
        (lambda p: FaultProxy("somewhere"), "upstream must be 'host:port'"),
        (lambda p: FaultProxy("a:0"), "a port from 1, not 'a:0'"),
        (lambda p: FaultProxy("a:1", listen="b:65536"), "listen must be 'host:port'"),
    ],
)
def test_a_mistake_is_reported(proxy, order, text):
    with pytest.raises(ValueError, match=text):
        order(proxy)


def test_a_running_proxy_cannot_be_started(proxy):
    with pytest.raises(RuntimeError, match="runs already"):
        proxy.start()


# -- messages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A context for the server, and the file that makes clients trust it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.fixture(scope="module")
def guarded():
    with LocalCluster(1, auth="PLAIN") as cluster:
        yield cluster[0]


SECURITY = ["NOSASL", "PLAIN", "TLS", "TLS+PLAIN"]


@pytest.fixture
def secured(request, cluster, guarded, certificate):
    """A proxy with the security of the test, its coordinator, and what `connect` must be told."""
    context, ca = certificate
    sasl, tls = request.param.endswith("PLAIN"), request.param.startswith("TLS")
    coordinator = guarded if sasl else cluster[0]
    options = {"auth_mechanism": "PLAIN" if sasl else "NOSASL", "timeout": WAIT}
    options |= {"user": "etl", "password": "s3cret"} if sasl else {}
    options |= {"use_ssl": True, "ca_cert": ca} if tls else {}
    with FaultProxy(coordinator.address, tls=context if tls else None) as proxy:
        yield proxy, coordinator, {"host": proxy.address, **options}


def run(options, sql):
    with impala_ha.connect(**options) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.mark.servers
@pytest.mark.parametrize("secured", SECURITY, indirect=True)
def test_messages_are_known_by_name(secured):
    proxy, _, options = secured

    assert [(7,)] == run(options, "SELECT 7")
    last = proxy.messages[
        -1
    ].connection  # a password in clear text has an anonymous probe before it
    messages = [message for message in proxy.messages if message.connection == last]
    phases = [message.phase for message in messages]
    if options["auth_mechanism"] == "PLAIN":
        assert ["SASL:request", "SASL:request", "SASL:response"] == phases[:3]
        phases = phases[3:]
    assert ["OpenSession:request", "OpenSession:response"] == phases[:2]
    assert "CloseSession:response" == phases[-1]
    assert {"CloseSession:request", "FetchResults:response"} < set(phases)
    ends = [message.end for message in messages if message.phase.endswith("request")]
    assert sorted(ends) == ends
    assert proxy.bytes("to_server", last) >= ends[-1]


@pytest.mark.servers
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("byte", [0, 40, WHOLE])
@pytest.mark.parametrize("phase", ["ExecuteStatement:request", "ExecuteStatement:response"])
@pytest.mark.parametrize("secured", SECURITY, indirect=True)
def test_a_cut_finds_its_message(secured, until, phase, byte, how):
    """A request that is cut is not done; after its last byte, or in the answer, it is."""
    proxy, coordinator, options = secured
    sql = f"INSERT INTO nowhere VALUES ('{phase} {byte} {how} {sorted(options)}')"
    proxy.cut(phase, byte, how)
    with pytest.raises(impala_ha.Error):
        run(options, sql)

    done = 0 if phase.endswith("request") and byte < WHOLE else 1
    until(lambda: coordinator.connections == 0)
    assert done == coordinator.executions(sql, mode="received")
    assert [(phase, byte, how)] == [(f.where, f.byte, f.how) for f in proxy.faults_fired]


@pytest.mark.servers
@pytest.mark.parametrize("secured", ["NOSASL"], indirect=True)
def test_a_phase_can_be_held_back(secured):
    proxy, _, options = secured
    proxy.mute("FetchResults:response")
    with pytest.raises(impala_ha.Error, match="read timeout"):
        run({**options, "timeout": 2, "deadline": 1}, "SELECT 1")

    phases = [message.phase for message in proxy.messages]
    assert "FetchResults:request" in phases
    assert "FetchResults:response" not in phases


@pytest.mark.servers
@pytest.mark.parametrize("secured", ["TLS"], indirect=True)
def test_tls_that_goes_through_is_passed_and_has_no_names(secured, until):
    inner, _, options = secured
    with FaultProxy(inner.address) as outer:
        options = {**options, "host": outer.address}

        assert [(7,)] == run(options, "SELECT 7")
        assert [] == outer.messages
        until(lambda: outer.open == 0)
        assert inner.bytes("to_client") == outer.bytes("to_client")


def test_a_client_that_speaks_no_tls_is_let_go(echo, certificate):
    with FaultProxy(echo.address, tls=certificate[0]) as proxy, client(proxy) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")

        assert "fin" == until_the_end(sock)[1]
    assert [b""] == echo.heard


def recorded(rpc="ExecuteStatement", **fields):
    """One request, as bytes."""
    buffer = TMemoryBuffer()
    request = getattr(t, f"T{rpc}Req")(**fields)
    getattr(Client(TBinaryProtocol(buffer)), f"send_{rpc}")(request)
    return buffer.getvalue()


REQUESTS = [
    recorded("OpenSession", client_protocol=5, username="u", configuration={"a": "b", "c": ""}),
    recorded(
        "ExecuteStatement",
        sessionHandle=t.TSessionHandle(t.THandleIdentifier(b"g" * 16, b"s" * 16)),
        statement="SELECT 1 -- " + "x" * 300,
        confOverlay={},
    ),
    recorded("FetchResults", operationHandle=t.TOperationHandle(hasResultSet=True), maxRows=9),
]
HELLO = b"\x01\0\0\0\x05PLAIN" + b"\x02\0\0\0\x04\0u\0p"
WELCOME = b"\x05\0\0\0\0"


def chunks(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def framed(data, cuts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in chunks(data, cuts))


CUTS = st.lists(st.integers(0, 2000), max_size=30)


@given(CUTS)
def test_messages_are_found_however_they_are_cut_up(cuts):
    reader = Reader(Talk(), "request")
    pieces = [p for part in chunks(b"".join(REQUESTS), cuts) for p in reader.feed(part)]

    _check(pieces, b"".join(REQUESTS))


@given(CUTS, CUTS)
def test_messages_are_found_in_whatever_frames_they_come(frames, cuts):
    talk = Talk()
    reader = Reader(talk, "request")
    assert ["SASL:request"] * 2 == [piece.phase for piece in reader.feed(HELLO)]
    (welcome,) = Reader(talk, "response").feed(WELCOME)
    assert ("SASL:response", True) == (welcome.phase, welcome.last)
    stream = framed(b"".join(REQUESTS), frames)
    pieces = [p for part in chunks(stream, cuts) for p in reader.feed(part)]
    rest = b"".join(piece.data for piece in reader.rest())  # an empty frame at the end

    assert stream == b"".join(piece.front + piece.data for piece in pieces) + rest
    _check(pieces, b"".join(REQUESTS))


def _check(pieces, stream):
    assert stream == b"".join(piece.data for piece in pieces)
    ends = [piece for piece in pieces if piece.last]
    assert [
        "OpenSession:request",
        "ExecuteStatement:request",
        "FetchResults:request",
    ] == [piece.phase for piece in ends]
    assert [len(request) for request in REQUESTS] == [p.at + len(p.data) for p in ends]


@given(st.binary(max_size=400), CUTS, st.sampled_from([b"", b"\x80", b"\x80\x01\0\x01", HELLO]))
def test_what_cannot_be_read_passes_unchanged(data, cuts, start):
    reader = Reader(Talk(), "request")
    passed = b"".join(
        piece.front + piece.data
        for part in chunks(start + data, cuts)
        for piece in reader.feed(part)
    )
    passed += b"".join(piece.front + piece.data for piece in reader.rest())

    assert start + data == passed


def test_nesting_without_an_end_is_no_message():
    head = REQUESTS[0][: 4 + 4 + len("OpenSession") + 4]
    deep = head + b"\x0c\0\x01" * 5000
    reader = Reader(Talk(), "request")
    passed = b"".join(piece.data for piece in [*reader.feed(deep), *reader.rest()])

    assert deep == passed
