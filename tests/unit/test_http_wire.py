"""The wire of HTTP on 127.0.0.1: one kept connection, opened anew in time, never sent on twice."""

import socket
from contextlib import contextmanager

import pytest
from loopback import HOST, Peer
from thrift.Thrift import TException
from thrift.transport.TTransport import TTransportException

from impala_ha import errors
from impala_ha.core.clock import SystemClock
from impala_ha.net.cookies import CookieJar
from impala_ha.net.http_request import Auth, Target
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.net.http_transport import HttpTransport
from impala_ha.net.sockets import Socket
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.timeout(30)


class Server:
    """Answers each request with the next of *replies*, bytes as they are; None: hangs up."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    def __call__(self, connection):
        while True:
            request = self._request(connection)
            self.requests.append(request)
            reply = self.replies.pop(0)
            if reply is None:
                return
            connection.sendall(reply)
            if b"Connection: close" in reply:
                return

    @staticmethod
    def _request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                raise EOFError
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        while len(body) < int(headers["Content-Length"]):
            body += connection.recv(65536)
        return lines[0], headers, body


def reply(body=b"", status="200 OK", *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


class Known(Auth):
    """Says who it is, and has something else to say once."""

    def __init__(self, *words):
        self.words = list(words)

    def header(self, *, known):
        return self.words[0]

    def renew(self):
        self.words.pop(0)
        return bool(self.words)


def wire_to(peer, login=None, *, clock=None, patience=5.0, more=None, names="*"):
    clock = clock or SystemClock()
    coordinator = peer.coordinator
    sock = Socket(coordinator.host, coordinator.port, clock)
    target = Target(f"http://{coordinator}/x", "/x", str(coordinator), more=more)
    wire = HttpTransport(sock, target, (login or Auth(), CookieJar(names, "/x")), clock, patience)
    wire.open()
    return wire


def ask(wire, body=b"question", size=6):
    wire.write(body)
    wire.flush()
    return wire.readAll(size)


def test_requests_follow_each_other_on_one_connection():
    server = Server(reply(b"answer"), reply(b"second"))
    with Peer(server) as peer:
        wire = wire_to(peer)

        assert [b"answer", b"second"] == [ask(wire), ask(wire, b"more")]
        assert b"" == wire.read(1)
        assert 1 == peer.accepted
        assert [b"question", b"more"] == [body for _, _, body in server.requests]
        assert {"POST /x HTTP/1.1"} == {line for line, _, _ in server.requests}
        assert (True, "", True) == (wire.isOpen(), wire.dropped(), wire.written)
        wire.close()
        wire.close()


def test_before_the_first_answer_there_is_nothing_to_read():
    with Peer(Server()) as peer:
        wire = wire_to(peer)

        assert b"" == wire.read(1)
        wire.close()


def test_an_answer_that_is_too_short_is_an_end_of_file():
    with Peer(Server(reply(b"ans"))) as peer:
        wire = wire_to(peer)

        with pytest.raises(EOFError, match="ended before"):
            ask(wire)
        wire.close()


@pytest.mark.parametrize(
    "last",
    [
        reply(b"answer", "200 OK", "Connection: close"),
        reply(b"answer and more"),
        reply(b"answer") + b"what nobody asked for",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\nx\r\n",
    ],
    ids=["the last", "not read to its end", "one too many", "a chunk that is none"],
)
def test_what_cannot_be_used_again_is_opened_anew_before_the_next_request(last):
    server = Server(last, reply(b"second"))
    with Peer(server) as peer:
        wire = wire_to(peer)

        assert [b"answer", b"second"] == [ask(wire), ask(wire)]
        assert 2 == peer.accepted
        wire.close()


def test_a_connection_that_ended_while_idle_is_opened_anew_without_a_word(until):
    server = Server(reply(b"answer"), reply(b"second"))
    with Peer(server) as peer:
        wire = wire_to(peer)
        ask(wire)
        peer._connections[0].shutdown(socket.SHUT_RDWR)
        until(wire._socket.dropped)

        assert "" == wire.dropped(), "that is asked before each statement"
        assert b"second" == ask(wire)
        assert (2, 2) == (peer.accepted, len(server.requests))
        assert wire.deadline is None
        wire.close()


@pytest.mark.parametrize(("seconds", "anew"), [(0.5, False), (1.5, True)])
def test_a_connection_is_looked_at_when_nobody_spoke_for_a_while(until, seconds, anew):
    clock = FakeClock()
    with Peer(Server(reply(b"answer"), reply(b"second"))) as peer:
        wire = wire_to(peer, clock=clock)
        ask(wire)
        peer._connections[0].shutdown(socket.SHUT_RDWR)
        until(wire._socket.dropped)
        clock.time += seconds
        if anew:
            assert b"second" == ask(wire)
        else:
            with pytest.raises(TTransportException):
                ask(wire)

        assert (2 if anew else 1) == peer.accepted
        wire.close()


def test_a_request_that_was_sent_is_never_sent_again():
    server = Server(reply(b"answer"), None, reply(b"second"))
    with Peer(server) as peer:
        wire = wire_to(peer)
        ask(wire)
        wire.written = False

        with pytest.raises(TTransportException):
            ask(wire)
        assert wire.written
        assert (1, 2) == (peer.accepted, len(server.requests))
        wire.close()


def test_opening_anew_has_a_limit_of_its_own_and_nothing_was_sent():
    clock = FakeClock()
    with Peer(Server(reply(b"answer", "200 OK", "Connection: close"))) as peer:
        wire = wire_to(peer, clock=clock, patience=3.0)
        ask(wire)
        wire.written = False
        limits = []
        wire._socket.open = lambda: limits.append(wire.deadline - clock.now())
        with pytest.raises(TTransportException):
            ask(wire)
        wire.set_deadline(1.0)
        with pytest.raises(TTransportException):
            ask(wire)

        assert [3.0, 1.0] == limits
        assert not wire.written
        wire.clear_deadline()


def test_silence_and_who_looks_after_it_are_the_sockets():
    with Peer(Server()) as peer:
        wire = wire_to(peer)
        wire.probe_after, wire.probe = 2.0, str

        assert (2.0, str) == (wire._socket.probe_after, wire._socket.probe)
        wire.close()


# Who is there.

UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n"


def test_a_refusal_gets_one_more_request_with_what_else_there_is():
    server = Server(UNAUTHORIZED, reply(b"answer"))
    with Peer(server) as peer:
        wire = wire_to(peer, Known("old", "new"))

        assert b"answer" == ask(wire)
        assert ["old", "new"] == [headers["Authorization"] for _, headers, _ in server.requests]
        wire.close()


def test_a_refusal_gets_one_more_request_without_the_cookies():
    cookie = "Set-Cookie: impala.auth=x; Max-Age=60"
    server = Server(reply(b"answer", "200 OK", cookie), reply(b"", "401 No"), reply(b"answer"))
    with Peer(server) as peer:
        wire = wire_to(peer)
        ask(wire)

        assert b"answer" == ask(wire)
        cookies = [headers.get("Cookie") for _, headers, _ in server.requests]
        assert [None, "impala.auth=x", None] == cookies
        assert 1 == peer.accepted
        wire.close()


def test_a_server_that_stumbles_over_a_cookie_does_not_get_it_again():
    cookie = "Set-Cookie: hive.server2.auth=x"
    server = Server(reply(b"answer", "200 OK", cookie), reply(b"", "500 No"), reply(b"answer"))
    with Peer(server) as peer:
        wire = wire_to(peer)
        ask(wire)

        with pytest.raises(HTTPStatusError, match="HTTP code 500"):
            ask(wire)
        assert b"answer" == ask(wire)
        cookies = [headers.get("Cookie") for _, headers, _ in server.requests]
        assert [None, "hive.server2.auth=x", None] == cookies
        wire.close()


def test_who_has_nothing_else_to_say_is_refused_at_once():
    server = Server(UNAUTHORIZED)
    with Peer(server) as peer:
        wire = wire_to(peer)

        with pytest.raises(HTTPStatusError, match="HTTP code 401"):
            ask(wire)
        assert 1 == len(server.requests)
        wire.close()


def test_after_the_second_refusal_nothing_has_been_done_twice():
    server = Server(UNAUTHORIZED)
    with Peer(server) as peer:
        wire = wire_to(peer, Known("old", "new"))
        wire._socket.open = lambda: None

        with pytest.raises(TTransportException):
            ask(wire)
        assert not wire.written, "the first was turned away, and the second did not leave"
        wire.close()


def test_a_header_of_the_users_that_cannot_be_one_leaves_nothing_sent():
    with Peer(Server()) as peer:
        wire = wire_to(peer, more=lambda: [("X", "a\nb")])

        with pytest.raises(errors.InterfaceError, match="X"):
            ask(wire)
        assert not wire.written
        wire.close()


# What is no answer.


def test_a_page_is_reported_and_the_connection_goes_on():
    server = Server(reply(b"<html>", "404 Not Found", "X: 1"), reply(b"answer"))
    with Peer(server) as peer:
        wire = wire_to(peer)

        with pytest.raises(
            HTTPStatusError, match="HTTP code 404: Not Found from http://127"
        ) as caught:
            ask(wire)
        assert (b"<html>", "1") == (caught.value.body, caught.value.http_headers["X"])
        assert b"answer" == ask(wire)
        assert 1 == peer.accepted
        wire.close()


def test_of_a_long_page_the_beginning_is_enough():
    server = Server(reply(b"x" * 200_000, "502 Bad Gateway"), reply(b"answer"))
    with Peer(server) as peer:
        wire = wire_to(peer)

        with pytest.raises(HTTPStatusError) as caught:
            ask(wire)
        assert 65536 <= len(caught.value.body) < 200_000
        assert b"answer" == ask(wire)
        wire.close()


def test_a_page_that_breaks_off_is_reported_all_the_same():
    broken = b"HTTP/1.1 503 No\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc"
    with Peer(Server(broken)) as peer:
        wire = wire_to(peer)

        with pytest.raises(HTTPStatusError, match="HTTP code 503"):
            ask(wire)
        wire.close()


def test_a_page_with_status_200_is_no_answer_either():
    with Peer(Server(reply(b"<html>", "200 OK", "Content-Type: text/html"))) as peer:
        wire = wire_to(peer)

        with pytest.raises(HTTPStatusError, match="HTTP code 200: OK, with a page .text/html."):
            ask(wire)
        wire.close()


def test_when_to_come_back_is_reported():
    with Peer(Server(reply(b"", "429 Slow", "Retry-After: 7"))) as peer:
        wire = wire_to(peer)

        with pytest.raises(HTTPStatusError, match="retry after 7 s") as caught:
            ask(wire)
        assert 7.0 == caught.value.retry_after
        wire.close()


def test_a_server_that_refuses_in_the_middle_of_a_long_request_is_heard():
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with Peer(lambda connection: None) as peer:
        wire = wire_to(peer)
        wire._buffer.held = b""

        def cut(_):
            wire._buffer.held = refusal
            raise TTransportException(TTransportException.UNKNOWN, "broken pipe")

        wire._socket.write = cut

        with pytest.raises(HTTPStatusError, match="HTTP code 413"):
            ask(wire)
        wire.close()


@pytest.mark.parametrize("held", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_a_request_that_broke_off_without_a_refusal_is_broken(held):
    with Peer(lambda connection: None) as peer:
        wire = wire_to(peer)

        def cut(_):
            wire._buffer.held = held
            raise TTransportException(TTransportException.UNKNOWN, "broken pipe")

        wire._socket.write = cut

        with pytest.raises(TTransportException, match="broken pipe"):
            ask(wire)
        wire.close()


def test_a_request_that_took_too_long_is_not_waited_for_any_more():
    with Peer(lambda connection: connection.recv(1)) as peer:
        wire = wire_to(peer)

        def late(_):
            raise TTransportException(TTransportException.TIMED_OUT, "write timeout")

        wire._socket.write = late

        with pytest.raises(TTransportException, match="write timeout"):
            ask(wire)
        wire.close()


def test_a_cookie_is_for_the_jar_only():
    """Nothing that is shown of the wire shows it."""
    server = Server(reply(b"answer", "200 OK", "Set-Cookie: impala.auth=s3cret"))
    with Peer(server) as peer:
        wire = wire_to(peer)
        ask(wire)

        assert "s3cret" not in repr(vars(wire))
        assert HOST in wire._target.url
        wire.close()


# What does not end.

PAGE = b"HTTP/1.1 %s\r\nContent-Length: 100000\r\n\r\n<html>"


class Endless:
    """Sends *head* to each request, then *more* again and again; without that, nothing."""

    def __init__(self, head, more=b"", every=0.0):
        self.head, self.more, self.every = head, more, every

    def __call__(self, connection):
        Server._request(connection)
        connection.sendall(self.head)
        while self.more and not self.peer.gone.wait(self.every):
            connection.sendall(self.more)
        self.peer.gone.wait(20)


@contextmanager
def endless(*what, **how):
    server = Endless(*what, **how)
    with Peer(server) as server.peer:
        wire = wire_to(server.peer)
        wire.probe_after, wire.stall_timeout, wire.probe = (
            0.02,
            0.3,
            str,
        )  # the coordinator is always alive
        yield wire
        wire.close()


@pytest.mark.parametrize("status", ["502 Bad Gateway", "302 Found", "401 Unauthorized"])
@pytest.mark.parametrize("more", [b"", b"x"], ids=["stalls", "drips"])
def test_a_page_that_does_not_end_is_not_waited_for(status, more):
    with endless(PAGE % status.encode(), more, every=0.01) as wire:
        with pytest.raises(HTTPStatusError, match="HTTP code") as caught:
            ask(wire)

        assert caught.value.body.startswith(b"<html>")
        assert wire.deadline is None


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more", "why"),
    [
        (HEAD, b"x", "broke off"),
        (HEAD, b"X: y\r\n", "broke off"),
        (HEAD, b"", "broke off"),
        (HEAD + b"Content-Length: 6\r\n\r\n", b"", "broke off"),
        (CHUNKED + b"1", b"", "broke off"),
        (CHUNKED, b"1\r\nx\r\n", "broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP", b"", "broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", "announced"),
    ],
)
def test_an_answer_that_does_not_end_is_given_up_though_its_server_is_alive(begin, more, why):
    with endless(begin, more, every=0.02) as wire:
        with pytest.raises(TException, match=why):
            ask(wire, size=2**20)


@pytest.mark.parametrize("more", [b"", b"x", b"X: y\r\n"], ids=["stalls", "drips", "goes on"])
def test_a_tail_that_does_not_end_is_not_waited_for(more):
    answer = CHUNKED + b"6\r\nanswer\r\n0\r\n"
    with endless(answer, more, every=0.01) as wire:
        assert b"answer" == ask(wire)
        wire._socket.open = lambda: None  # closed, and so the second request does not leave

        with pytest.raises(TTransportException, match="the connection is closed"):
            ask(wire)


def test_trailers_are_read_up_to_a_limit():
    answer = CHUNKED + b"6\r\nanswer\r\n0\r\n" + b"X: y\r\n" * 50_000
    with Peer(Server(answer, reply(b"second"))) as peer:
        wire = wire_to(peer)

        assert [b"answer", b"second"] == [ask(wire), ask(wire)]
        assert 2 == peer.accepted
        wire.close()


def test_after_a_word_in_between_the_answer_may_be_late():
    def late(connection):
        Server._request(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.gone.wait(0.3)
        connection.sendall(reply(b"answer"))

    with Peer(late) as peer:
        wire = wire_to(peer)
        wire.probe_after, wire.stall_timeout, wire.probe = 0.02, 0.05, str

        assert b"answer" == ask(wire)
        wire.close()
