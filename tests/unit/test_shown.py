"""How often a password arrives at servers: once, however its login ends."""

from __future__ import annotations

import re
import socket
import struct
from base64 import b64decode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
from loopback import Answers, Peer, exactly, hiveserver2, hiveserver2_over_http

import impala_ha
from impala_ha import AuthenticationFailed, Cluster
from impala_ha._clock import SystemClock
from impala_ha._driver import ImpylaDriver
from impala_ha._options import Options
from impala_ha._shown import Book, Doubted, Withheld
from impala_ha._wire import CallFailed
from impala_ha.cli._doctor_practice import Practice
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.timeout(60)

RESET = struct.pack("ii", 1, 0)


class Servers:
    """
    Servers that know one password, and how often each came.

    Attributes:
        good: The password of now.
        ending: How a login with another one ends.
        delay: Seconds before it does.
        scheme: Of the Authorization header.
        counted: How often each was shown.
    """

    def __init__(self, protocol):
        self.protocol = protocol
        self.good = "good"
        self.ending = "FIN"
        self.scheme = b"Basic"
        self.delay = 0.0
        self.counted = Counter()
        self.peers = []

    @property
    def hosts(self):
        return [peer.coordinator for peer in self.peers]

    def end(self, connection, peer):
        peer.gone.wait(self.delay)
        if self.ending == "RST":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif self.ending == "silence":
            peer.gone.wait(20)
        elif self.ending == "garbage":
            connection.sendall(b"\x16\x03\x01 what is this? " * 4)
        elif self.ending == "status":
            status = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            told = struct.pack(">BI", 4, 2) + b"no" if self.protocol == "binary" else status
            connection.sendall(told)
        connection.close()

    def binary(self, connection, peer):
        mechanism = exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
        if mechanism != b"PLAIN":
            connection.sendall(struct.pack(">BI", 3, 0))
            return
        said = exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
        password = said.decode().split("\0")[2]
        self.counted[password] += 1
        if password != self.good:
            self.end(connection, peer)
            return
        connection.sendall(struct.pack(">BI", 5, 0))
        hiveserver2(Answers(), framed=True)(connection)

    def http(self, connection, peer):
        def look(head):
            found = re.search(rb"(?i)authorization: %s (\S+)" % self.scheme, head)
            if not found:
                connection.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                )
                raise EOFError
            password = found[1].decode()
            if self.scheme == b"Basic":
                password = b64decode(password).decode().partition(":")[2]
            self.counted[password] += 1
            if password != self.good:
                self.end(connection, peer)
                raise EOFError

        hiveserver2_over_http(Answers(), look)(connection)


@contextmanager
def serving(protocol, number=3):
    servers = Servers(protocol)
    with ExitStack() as stack:
        for _ in range(number):
            peer = Peer(None)
            talk = getattr(servers, protocol)
            peer._talk = lambda connection, talk=talk, peer=peer: talk(connection, peer)
            servers.peers.append(stack.enter_context(peer))
        yield servers


@pytest.fixture(params=["binary", "http"])
def servers(request, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving(request.param) as found:
        yield found


ENDINGS = pytest.mark.parametrize("ending", ["status", "FIN", "RST", "silence", "garbage"])


def words(servers, **more):
    return {
        "auth_mechanism": "LDAP",
        "user": "etl",
        "use_http_transport": servers.protocol == "http",
        "connect_timeout": 0.7,
        "deadline": 3,
        "hedge_after": 0.05,
        "probe_after": 0,
        **more,
    }


def connect(servers, **more):
    return impala_ha.connect(Cluster(servers.hosts), **words(servers, **more))


@ENDINGS
def test_a_wrong_password_arrives_once_in_a_process(servers, ending):
    servers.ending = ending
    for _ in range(3):
        with pytest.raises(AuthenticationFailed) as caught:
            connect(servers, password="wrong")

    assert {"wrong": 1} == servers.counted
    assert "this password was shown to 127.0.0.1:" in str(caught.value)
    assert "wrong" not in str(caught.value).replace("went wrong", "")


@ENDINGS
def test_twenty_threads_show_a_wrong_password_once(servers, ending):
    servers.ending = ending

    def failed(_):
        with pytest.raises(AuthenticationFailed):
            connect(servers, password="wrong")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(failed, range(20)))

    assert {"wrong": 1} == servers.counted


@ENDINGS
def test_a_pool_shows_the_old_password_once_after_a_change(servers, ending):
    servers.ending = ending
    now = ["good"]
    pooled = [connect(servers, password=lambda: now[0]) for _ in range(20)]
    old = servers.counted["good"]
    servers.good = now[0] = "better"
    for each in pooled:
        each._failover.leave(each._failover.link)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda each: each.cursor(), pooled))

    assert old + 1 == servers.counted["good"]
    for each in pooled:
        each.close()


@ENDINGS
def test_a_probe_takes_a_refusal_for_a_sign_of_life_and_shows_the_password_once(servers, ending):
    servers.ending = ending
    driver = ImpylaDriver(Options(**words(servers, password="good")), SystemClock(), servers.hosts)
    driver.open(servers.hosts[0], "etl", {}, 5.0).close()
    old = servers.counted["good"]
    servers.good = "better"
    told = [driver.probe(servers.hosts[0], "etl") for _ in range(3)]

    assert ["", ""] == told[1:]
    assert told[0] == "" or (ending, servers.protocol) not in {
        ("status", "http"),
        ("FIN", "binary"),
    }
    assert old + 1 == servers.counted["good"]


def test_a_password_that_was_accepted_goes_on_from_a_coordinator_that_ended(servers):
    connect(servers, password="good").close()
    servers.peers[0].end()

    for _ in range(3):
        connect(servers, password="good").close()


def test_a_coordinator_that_ends_in_a_login_does_not_speak_against_a_password_that_is_known():
    with serving("binary") as servers:
        cluster = Cluster(servers.hosts, policy="ordered")
        impala_ha.connect(cluster, **words(servers, password="good")).close()
        first = servers.peers[0]

        def end(connection, peer):
            peer._listener.shutdown(socket.SHUT_RDWR)
            peer._listener.close()
            servers.good = "good"

        servers.end, servers.good = end, "another"
        told = impala_ha.connect(cluster, **words(servers, password="good"))

        assert told.coordinator != first.coordinator
        told.close()


@ENDINGS
def test_a_hedged_open_shows_the_old_password_to_one_coordinator_after_a_change(servers, ending):
    servers.ending, servers.delay = ending, 0.5
    connect(servers, password="good").close()
    old = servers.counted["good"]
    reads = iter(["good"])
    servers.good = "better"
    connect(servers, password=lambda: next(reads, "better"), connect_timeout=3, deadline=9).close()

    assert old + 1 == servers.counted["good"]


@ENDINGS
def test_the_doctor_shows_a_wrong_password_to_one_coordinator(servers, ending):
    servers.ending = ending
    practice = Practice(
        Options(**words(servers, password="wrong")), SystemClock(), 0, servers.hosts
    )
    for host in servers.hosts:
        with suppress(CallFailed):
            practice.open(host)

    assert {"wrong": 1} == servers.counted


def test_a_token_that_was_refused_arrives_once(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving("http") as servers:
        servers.scheme, servers.ending = b"Bearer", "status"
        for _ in range(3):
            with pytest.raises(AuthenticationFailed):
                connect(servers, auth_mechanism="JWT", jwt="wrong", user=None)

        assert {"wrong": 1} == servers.counted


def test_a_statement_outlives_a_password_that_is_changed(servers):
    servers.ending = "FIN" if servers.protocol == "binary" else "status"
    connection = connect(servers, password="good", probe_after=0.1, connect_timeout=5)
    try:
        cursor = connection.cursor()
        servers.good = "better"
        watch = connection._failover.link.client.wire.watch

        assert ["", "", ""] == [watch() for _ in range(3)]
        assert cursor is not None
    finally:
        connection.close()


# The book, on a clock that is wound by hand.

A, B = "a:21050", "b:21050"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def book(clock):
    return Book(clock.now)


def begun(book, where=A, scope=(A, B), **how):
    return book.begin(b"key", scope, "password", where, 0.05, **how)


def test_what_was_refused_is_never_shown_again_in_its_cluster(book, clock):
    begun(book).refused("no")
    clock.sleep(1e6)

    with pytest.raises(Withheld, match=r"was shown to a:21050 at .* and was refused \(no\)"):
        begun(book, B)
    begun(book, "c:21050", ("c:21050",)).accepted()


def test_what_nobody_answered_is_kept_back_for_longer_each_time(book, clock):
    for seconds in (60, 120, 240):
        begun(book).broke("reset")
        clock.sleep(seconds - 1)
        with pytest.raises(Withheld, match="may have refused it .* not shown again for 1 s"):
            begun(book, B)
        clock.sleep(1)


def test_a_secret_that_was_accepted_is_read_anew_where_a_login_breaks(book):
    begun(book).accepted()
    begun(book).broke("reset")

    with pytest.raises(Doubted, match="broke at a:21050"):
        begun(book, B)
    begun(book, B, read_anew=True).accepted()
    begun(book).over()


def test_a_secret_that_was_accepted_and_then_refused_is_not_believed(book):
    begun(book).accepted()
    begun(book).refused("no")

    assert not book.trusts(b"key", (A, B))
    with pytest.raises(Withheld):
        begun(book)


def test_a_login_that_never_ends_holds_up_others_no_longer_than_it_may_take(book, clock):
    begun(book)
    clock.sleep(11)

    begun(book).accepted()
