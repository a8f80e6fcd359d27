"""A socket that keeps its deadline, on real sockets of 127.0.0.1."""

import gc
import select
import socket
import ssl
import struct
import threading
from contextlib import ExitStack, contextmanager

import pytest
from loopback import HOST, Peer
from thrift.transport.TTransport import TTransportException

from impala_ha.core.clock import SystemClock
from impala_ha.net import connecting
from impala_ha.net.sockets import Socket
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.timeout(30)


def listen_on(peer, context=None, limit=5.0, timeout=None):
    """A socket that is connected to *peer*."""
    found = Socket(HOST, peer.coordinator.port, SystemClock(), context)
    found.setTimeout(None if timeout is None else timeout * 1000)
    found.set_deadline(limit)
    found.open()
    found.clear_deadline()
    return found


def silent(connection):
    """Listen to all, and say nothing."""
    while connection.recv(1000):
        pass


def echo(connection):
    while got := connection.recv(1000):
        connection.sendall(got)


@pytest.fixture
def client_context(tls):
    return ssl.create_default_context(cafile=tls.ca)


# Connecting.


def test_what_is_written_arrives_and_what_is_answered_is_read():
    with Peer(echo) as peer:
        wire = listen_on(peer)
        wire.write(b"hello")

        assert b"hello" == wire.readAll(5)
        wire.close()


def test_nobody_listening_is_told_with_the_address_and_the_reason():
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    wire = Socket(HOST, port, SystemClock())

    with pytest.raises(TTransportException, match=f"{HOST}.*{port}.*Connection refused") as caught:
        wire.open()

    assert TTransportException.NOT_OPEN == caught.value.type
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_connection_that_is_reset_before_its_handshake_leaves_no_socket(
    client_context, monkeypatch
):
    """Python's own wrapping forgets the socket then, which is a warning, and so a failure here."""

    def reset_at_once(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def wait_for_the_reset(handle):
        while handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and connected(handle):
            select.select([handle], [], [], 5.0)

    def connected(handle):
        try:
            handle.getpeername()
        except OSError:
            return False
        return True

    monkeypatch.setattr(connecting, "_keep_alive", wait_for_the_reset)
    with Peer(reset_at_once) as peer:
        wire = Socket(HOST, peer.coordinator.port, SystemClock(), client_context)

        with pytest.raises(TTransportException, match="Could not connect"):
            wire.open()
        gc.collect()  # a socket that is left is found here


@pytest.mark.parametrize("host", ["fe80::1%no-such-interface", "a..b", "a" * 64])
def test_a_name_that_cannot_be_found_is_reported(host):
    """Python's own error for a name that cannot be one is no OSError."""
    with pytest.raises(TTransportException, match="failed to resolve sockaddr for") as caught:
        Socket(host, 21050, SystemClock()).open()

    assert TTransportException.NOT_OPEN == caught.value.type


@pytest.mark.parametrize("host", ["fe80::1%no-such-interface", "a..b"])
def test_under_a_deadline_too_a_name_that_cannot_be_found_is_reported(host):
    wire = Socket(host, 21050, SystemClock())
    wire.set_deadline(5.0)

    with pytest.raises(TTransportException, match="failed to resolve sockaddr for"):
        wire.open()


def test_a_name_service_that_does_not_answer_is_left_by_the_deadline():
    asked, over = threading.Event(), threading.Event()

    def resolve():
        asked.set()
        over.wait(20)
        return []

    wire = Socket("slow.example", 21050, SystemClock())
    wire._resolveAddr = resolve
    wire.set_deadline(0.1)

    with pytest.raises(TTransportException, match="name service did not answer in time"):
        wire.open()

    assert asked.is_set()
    over.set()


@contextmanager
def full_backlog():
    """
    The address of a listener that takes nobody any more.

    A coordinator whose threads are all taken lets clients wait like that; a connect then hangs.
    """
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_connecting_to_a_full_backlog_ends_by_the_deadline():
    with full_backlog() as (host, port):
        wire = Socket(host, port, SystemClock())
        wire.set_deadline(0.3)

        with pytest.raises(TTransportException, match="timed out"):
            wire.open()


def test_the_first_address_of_a_name_leaves_time_for_the_second():
    """A name may have an IPv6 address that leads nowhere, and an IPv4 address that answers."""
    with full_backlog() as nowhere, Peer(echo) as peer:
        wire = Socket("two.example", 21050, SystemClock())
        here = (HOST, peer.coordinator.port)
        wire._resolveAddr = lambda: [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (nowhere, here)
        ]
        wire.set_deadline(0.6)

        wire.open()

        assert here == wire.handle.getpeername()
        wire.close()


def test_no_time_left_is_no_time_to_connect():
    with Peer(silent) as peer:
        clock = FakeClock()
        wire = Socket(HOST, peer.coordinator.port, clock)
        wire.set_deadline(1.0)
        clock.time += 1.0

        with pytest.raises(TTransportException, match="timed out"):
            wire.open()


def test_it_always_says_that_it_is_open():
    """impyla re-opens a transport that says no, behind the caller's back."""
    wire = Socket(HOST, 1, SystemClock())

    assert wire.isOpen()
    wire.close()
    assert wire.isOpen()


def test_the_system_watches_over_a_silent_connection():
    with Peer(silent) as peer:
        wire = listen_on(peer)

        assert 1 == wire.handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert 0 != wire.handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                option = getattr(socket, name)
                assert seconds == wire.handle.getsockopt(socket.IPPROTO_TCP, option)
        wire.close()


@pytest.mark.parametrize("missing", ["TCP_KEEPIDLE", "TCP_USER_TIMEOUT"])
def test_a_system_without_these_options_does_without(missing, monkeypatch):
    monkeypatch.delattr(socket, missing, raising=False)
    with Peer(echo) as peer:
        wire = listen_on(peer)

        assert "" == wire.dropped()
        wire.close()


# Reading and writing.


def test_a_deadline_covers_a_server_that_drips():
    """Thrift's time-out counts for each byte, and so never ends."""

    def drip(connection):
        while not peer.gone.wait(0.02):
            connection.sendall(b"x")

    with Peer(drip) as peer:
        wire = listen_on(peer, timeout=5)
        wire.set_deadline(0.2)

        with pytest.raises(TTransportException) as caught:
            wire.readAll(1_000_000)

        assert TTransportException.TIMED_OUT == caught.value.type
        wire.close()


@pytest.mark.parametrize("act", [lambda wire: wire.read(1), lambda wire: wire.write(b"x")])
def test_after_the_deadline_nothing_is_begun(act):
    with Peer(silent) as peer:
        clock = FakeClock()
        wire = Socket(HOST, peer.coordinator.port, clock)
        wire.open()
        wire.set_deadline(1.0)
        clock.time += 1.0

        with pytest.raises(TTransportException, match="timeout"):
            act(wire)

        assert not wire.written
        wire.close()


def test_without_a_deadline_one_read_may_take_the_time_out():
    with Peer(silent) as peer:
        wire = listen_on(peer, timeout=0.05)

        with pytest.raises(TTransportException, match="timeout") as caught:
            wire.read(1)

        assert TTransportException.TIMED_OUT == caught.value.type
        wire.close()


def test_a_server_that_goes_is_an_end_of_file():
    with Peer(lambda connection: None) as peer:
        wire = listen_on(peer)

        with pytest.raises(TTransportException, match="read 0 bytes") as caught:
            wire.read(1)

        assert TTransportException.END_OF_FILE == caught.value.type
        wire.close()


@pytest.mark.parametrize("act", [lambda wire: wire.read(1), lambda wire: wire.write(b"x")])
def test_a_closed_socket_takes_nothing_and_says_so(act):
    with Peer(silent) as peer:
        wire = listen_on(peer)
        wire.close()
        wire.close()

        with pytest.raises(TTransportException, match="the connection is closed"):
            act(wire)
        wire.clear_deadline()
        wire.set_deadline(1.0)


def test_it_knows_whether_anything_was_handed_to_the_system():
    with Peer(silent) as peer:
        wire = listen_on(peer)
        before = wire.written
        wire.write(b"x")

        assert (False, True) == (before, wire.written)
        wire.close()


def test_a_write_that_cannot_start_has_sent_nothing():
    with Peer(silent) as peer:
        wire = listen_on(peer)
        wire.close()
        with pytest.raises(TTransportException):
            wire.write(b"x")

        assert not wire.written


# Looking after a coordinator that says nothing.


def watched(peer, answers, timeout=None):
    """A socket whose watch gives one of *answers* after each short silence."""
    wire = listen_on(peer, timeout=timeout)
    wire.probe_after = 0.02
    looks = []

    def watch():
        looks.append(answers[len(looks)] if len(looks) < len(answers) else "")
        return looks[-1]

    wire.probe = watch
    return wire, looks


def test_a_silent_coordinator_is_given_up_after_two_probes_in_a_row():
    with Peer(silent) as peer:
        wire, looks = watched(peer, ["dead", "", "dead", "gone"])

        with pytest.raises(TTransportException, match="nor to 2 probes: gone") as caught:
            wire.read(1)

        assert TTransportException.TIMED_OUT == caught.value.type
        assert ["dead", "", "dead", "gone"] == looks
        wire.close()


def test_a_silent_coordinator_that_is_alive_is_waited_for():
    def late(connection):
        connection.recv(1)
        connection.sendall(b"y")

    with Peer(late) as peer:
        wire, looks = watched(peer, [])
        seen = wire.probe

        def watch():
            why = seen()
            if len(looks) == 3:
                wire.handle.sendall(b"x")
            return why

        wire.probe = watch

        assert b"y" == wire.read(1)
        assert ["", "", ""] == looks
        wire.write(b"x")
        wire.close()


def test_the_callers_own_time_out_ends_a_silence_first():
    with Peer(silent) as peer:
        wire, looks = watched(peer, [], timeout=0.01)

        with pytest.raises(TTransportException, match="^read timeout$"):
            wire.read(1)

        assert [] == looks
        wire.close()


def test_an_end_of_file_is_reported_at_once_also_while_watching():
    with Peer(lambda connection: None) as peer:
        wire, looks = watched(peer, [])
        wire.probe_after = 20.0

        with pytest.raises(TTransportException, match="read 0 bytes"):
            wire.read(1)

        assert [] == looks
        wire.close()


def test_under_a_deadline_nobody_is_looked_after():
    with Peer(silent) as peer:
        wire, looks = watched(peer, [])
        wire.set_deadline(0.1)

        with pytest.raises(TTransportException, match="timeout"):
            wire.read(1)

        assert [] == looks
        wire.close()


# Answers that have begun.


def answering(peer, *, stall, watch=str):
    """A socket that waits for an answer whose server is alive, as often as it is asked."""
    wire = listen_on(peer)
    wire.probe_after, wire.stall_timeout, wire.probe = 0.02, stall, watch
    wire.write(b"?")
    return wire


def begin(connection):
    connection.recv(1)
    connection.sendall(b"x")
    silent(connection)


@pytest.mark.parametrize("watch", [str, None], ids=["alive", "not probed"])
def test_an_answer_that_stops_in_its_middle_is_a_lost_connection(watch):
    """Who has begun to answer does not compute any more, so that the probe says nothing."""
    with Peer(begin) as peer:
        wire = answering(peer, stall=0.1, watch=watch)

        with pytest.raises(TTransportException, match="the answer broke off") as caught:
            wire.readAll(100)

        assert TTransportException.TIMED_OUT != caught.value.type, "so it is connected to anew"
        wire.close()


def test_an_answer_that_drips_is_a_lost_connection():
    def drip(connection):
        connection.recv(1)
        while not peer.gone.wait(0.01):
            connection.sendall(b"x")

    with Peer(drip) as peer:
        wire = answering(peer, stall=0.3)

        with pytest.raises(TTransportException, match="the answer broke off"):
            wire.readAll(2**30)
        wire.close()


def test_a_long_answer_may_take_its_time():
    """On a slow link only the silence counts."""

    def slow(connection):
        connection.recv(1)
        for _ in range(15):
            peer.gone.wait(0.1)
            connection.sendall(b"x" * 2000)

    with Peer(slow) as peer:
        wire = answering(peer, stall=1.0)

        assert 30_000 == len(wire.readAll(30_000))
        wire.close()


def test_a_small_answer_may_not():
    def slow(connection):
        connection.recv(1)
        while not peer.gone.wait(0.02):
            connection.sendall(b"x" * 2000)

    with Peer(slow) as peer:
        wire = answering(peer, stall=0.3)
        wire.small = True

        with pytest.raises(TTransportException, match="the answer broke off"):
            wire.readAll(2**30)
        wire.close()


def test_the_next_answer_may_be_late_again():
    def late(connection):
        for reply in (b"x", b"y"):
            connection.recv(1)
            peer.gone.wait(0.2)
            connection.sendall(reply)

    with Peer(late) as peer:
        wire = answering(peer, stall=0.02)

        assert b"x" == wire.read(1)
        wire.write(b"?")
        assert b"y" == wire.read(1)
        wire.close()


def test_the_callers_own_time_out_ends_a_broken_answer_first():
    with Peer(begin) as peer:
        wire = answering(peer, stall=20.0)
        wire.setTimeout(50)
        wire.read(1)

        with pytest.raises(TTransportException, match="^read timeout$") as caught:
            wire.read(1)

        assert TTransportException.TIMED_OUT == caught.value.type
        wire.close()


@pytest.mark.parametrize("watch", [str, None], ids=["alive", "not probed"])
def test_a_request_that_nobody_takes_ends(watch):
    with Peer(lambda connection: peer.gone.wait(20)) as peer:
        wire = answering(peer, stall=0.1, watch=watch)

        with pytest.raises(TTransportException, match="write timeout") as caught:
            wire.write(bytes(2**26))

        assert TTransportException.TIMED_OUT == caught.value.type
        wire.close()


# Stale connections.


def reset(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leave(connection):
    connection.recv(1)


def speak(connection):
    connection.recv(1)
    connection.sendall(b"x")
    connection.recv(1)


CASES = [(leave, "read 0 bytes"), (reset, "Connection reset"), (speak, "nobody waits for")]


@pytest.mark.parametrize(("act", "why"), CASES, ids=["FIN", "RST", "byte"])
def test_a_connection_that_is_not_in_order_is_found_out(act, why, until):
    with Peer(act) as peer:
        wire = listen_on(peer, timeout=5)
        assert "" == wire.dropped()
        wire.write(b"x")
        told = []
        until(lambda: told.append(wire.dropped()) or told[-1])

        assert why in told[-1]
        wire.close()


@pytest.mark.parametrize(("act", "why"), [CASES[0], CASES[2]], ids=["FIN", "byte"])
def test_with_tls_too(act, why, tls, client_context, until):
    with Peer(act, tls.here) as peer:
        wire = listen_on(peer, client_context)
        wire.write(b"x")
        told = []
        until(lambda: told.append(wire.dropped()) or told[-1])

        assert why in told[-1]
        wire.close()


def test_a_closed_socket_is_stale():
    assert "the connection is closed" == Socket(HOST, 1, SystemClock()).dropped()


def test_session_tickets_of_tls_are_no_reply_that_nobody_waits_for(tls, client_context):
    """After the handshake a server of TLS 1.3 sends tickets on its own account."""
    with Peer(echo, tls.here) as peer:
        wire = listen_on(peer, client_context)
        wire.write(b"x")
        assert b"x" == wire.read(1), "the tickets came before this byte"

        assert "" == wire.dropped()
        assert "TLSv1.3" == wire.handle.version()
        wire.close()


# TLS.


def test_a_certificate_of_another_name_is_not_trusted(tls, client_context):
    with Peer(echo, tls.elsewhere) as peer:
        with pytest.raises(TTransportException, match="CERTIFICATE_VERIFY_FAILED"):
            listen_on(peer, client_context)


def test_a_certificate_of_an_unknown_authority_is_not_trusted(tls):
    with Peer(echo, tls.here) as peer:
        with pytest.raises(TTransportException, match="CERTIFICATE_VERIFY_FAILED"):
            listen_on(peer, ssl.create_default_context())


def test_a_server_that_does_not_speak_tls_is_not_waited_for(client_context):
    with Peer(silent) as peer:
        with pytest.raises(TTransportException, match="timed out"):
            listen_on(peer, client_context, limit=0.2)


# Letting go.


def ending(connection):
    """How the other side of *connection* ended it."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        return "reset"
    return "end of file"


@pytest.mark.parametrize(("let_go", "seen"), [("abort", "reset"), ("close", "end of file")])
def test_a_lost_connection_is_reset_and_one_that_is_done_with_is_closed(let_go, seen, until):
    """What a reset connection had not delivered yet is never delivered."""
    found = []
    with Peer(lambda connection: found.append(ending(connection))) as peer:
        wire = listen_on(peer)
        wire.write(b"hello")

        getattr(wire, let_go)()
        until(lambda: found)

    assert [seen] == found


def test_letting_go_twice_is_no_error():
    with Peer(silent) as peer:
        wire = listen_on(peer)

        wire.abort()
        wire.abort()
        wire.close()
