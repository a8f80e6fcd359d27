"""One answer of HTTP: its head, its body, and whether another may follow."""

import pytest
from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import TTransportException

from impala_ha.net.http_response import ReceiveBuffer, Response

OK = b"HTTP/1.1 200 OK\r\n"


def inbox(*pieces):
    """Bytes as they come; then the end."""
    left = list(pieces)

    def receive(_):
        if not left:
            raise TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
        return left.pop(0)

    return ReceiveBuffer(receive)


def answer(*pieces):
    return Response(inbox(*pieces))


def body(found):
    pieces = []
    while more := found.read(3):
        pieces.append(more)
    return b"".join(pieces)


def single(data):
    return [data[at : at + 1] for at in range(len(data))]


LENGTH = OK + b"Content-Length: 5\r\nX: 1\r\nx: 2\r\n\r\nhello"
CHUNKS = (
    OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"
)


@pytest.mark.parametrize("data", [LENGTH, CHUNKS], ids=["length", "chunks"])
@pytest.mark.parametrize("pieces", [lambda d: [d], single], ids=["at once", "by bytes"])
def test_a_body_ends_where_the_head_says(data, pieces):
    found = answer(*pieces(data))

    assert (200, "OK", True) == (found.status, found.reason, found.bounded)
    assert b"hello" == body(found)
    assert found.over()
    assert b"" == found.read(1)


def test_of_a_header_that_came_twice_the_last_counts():
    found = answer(LENGTH)

    assert ("2", ["1", "2"], "") == (found.header("x"), list(found.all("x")), found.header("y"))
    assert ("Content-Length", "5") == found.headers[0]


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", False),
    ],
)
def test_it_knows_whether_another_may_follow(head, kept):
    assert kept is answer(head).over()


def test_a_body_that_is_not_read_to_its_end_leaves_the_connection_unusable():
    assert not answer(LENGTH).over()


def test_a_body_without_a_length_ends_with_the_connection():
    found = answer(OK + b"\r\nhel", b"lo")

    assert not found.bounded
    assert b"hello" == body(found)


def test_a_connection_that_breaks_in_such_a_body_is_no_end():
    def receive(_):
        raise TTransportException(TTransportException.UNKNOWN, "reset")

    found = ReceiveBuffer(receive)
    found.held = OK + b"\r\n"

    with pytest.raises(TTransportException, match="reset"):
        Response(found).read(1)


def test_a_word_in_between_is_passed_over():
    found = answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n")

    assert (404, "Not Found") == (found.status, found.reason)


def test_a_status_needs_no_words():
    assert "" == answer(b"HTTP/1.1 200\r\n\r\n").reason


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    ],
    ids=["tls", "status", "length", "endless", "long", "chunk", "empty"],
)
def test_what_is_no_http_is_reported_at_once(data):
    with pytest.raises(TProtocolException, match="no HTTP answer"):
        answer(data).read(1)


def test_a_connection_that_ends_in_a_head_is_reported():
    with pytest.raises(TTransportException, match="read 0 bytes"):
        answer(b"HTTP/1.1 200")


def test_what_was_not_taken_is_held():
    found = inbox(b"abcdef")

    assert (b"ab", b"cdef") == (found.some(2), found.held)
    assert b"cdef" == found.some(10)
