"""The local cluster's login: SASL PLAIN as Impala plays it, the good and the bad."""

from __future__ import annotations

import socket
import struct

import impala.dbapi
import pytest
from hs2 import hs2
from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client
from impala._thrift_gen.TCLIService import ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer, TTransportException

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def guarded():
    users = {"etl": "s3cret", "päul": "pässword"}
    with LocalCluster(1, auth="PLAIN", users=users) as cluster:
        yield cluster[0]


@pytest.fixture(scope="module")
def directory():
    """Who asks LDAP; somebody's password there is empty."""
    with LocalCluster(1, auth="LDAP", users={"etl": "s3cret", "guest": ""}) as cluster:
        yield cluster[0]


@pytest.fixture
def raw(guarded):
    with socket.create_connection((guarded.host, guarded.port), timeout=10) as sock:
        yield sock


def message(status, payload):
    return struct.pack(">BI", status, len(payload)) + payload


def everything(sock):
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


@pytest.mark.parametrize(("user", "password"), [("etl", "s3cret"), ("päul", "pässword")])
def test_the_right_password_opens(guarded, user, password):
    connection = impala.dbapi.connect(
        guarded.host, guarded.port, auth_mechanism="PLAIN", user=user, password=password
    )
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    cursor.close()
    connection.close()

    assert rows == [(user,)]


@pytest.mark.parametrize(
    ("user", "password"), [("etl", "wrong"), ("nobody", "s3cret"), ("etl", "")]
)
def test_a_wrong_password_gets_a_closed_socket_and_no_word(raw, user, password):
    raw.sendall(message(1, b"PLAIN") + message(2, f"\0{user}\0{password}".encode()))

    assert everything(raw) == b""


@pytest.mark.parametrize(
    ("user", "password", "let_in"),
    [("etl", "s3cret", True), ("etl", "wrong", False), ("etl", "", False), ("guest", "", False)],
)
def test_ldap_refuses_a_wrong_password_and_every_empty_one(directory, user, password, let_in):
    with socket.create_connection((directory.host, directory.port), timeout=10) as sock:
        sock.sendall(message(1, b"PLAIN") + message(2, f"\0{user}\0{password}".encode()))

        if let_in:
            assert sock.recv(5) == message(5, b"")
        else:
            assert everything(sock) == b""


def test_what_follows_at_once_upon_the_password_is_a_frame(raw):
    """A client need not wait for the answer before it sends its first request."""
    request = _get_info(None)
    login = message(1, b"PLAIN") + message(2, b"\0etl\0s3cret")
    raw.sendall(login + struct.pack(">I", len(request)) + request)

    assert raw.recv(5, socket.MSG_WAITALL) == message(5, b"")
    (length,) = struct.unpack(">I", raw.recv(4, socket.MSG_WAITALL))
    assert b"GetInfo" in raw.recv(length, socket.MSG_WAITALL)


def test_an_unknown_mechanism_is_named(raw):
    raw.sendall(message(1, b"GSSAPI"))

    assert everything(raw) == message(3, b"Unsupported mechanism type GSSAPI")


@pytest.mark.parametrize("first", [2, 5, 22, 0x80])
def test_what_does_not_begin_with_start_is_told_so(raw, first):
    raw.sendall(message(first, b""))

    assert everything(raw) == message(4, f"Expecting START status, received {first}".encode())


def test_a_client_without_sasl_is_told_so_and_left(guarded):
    with pytest.raises(TTransportException), hs2(guarded):
        pass


def test_a_negotiation_of_a_gigabyte_is_not_waited_for(raw):
    raw.sendall(struct.pack(">BI", 1, 2**30))

    assert everything(raw) == b""


def test_nobody_uses_the_session_of_another(guarded):
    with hs2(guarded, user="etl", password="s3cret") as mine:
        with hs2(guarded, user="päul", password="pässword") as other:
            other.session = mine.session
            text = other.execute("SELECT 1").status.errorMessage

    assert text == (
        "The user authorized on the connection 'päul' does not match the session username 'etl'"
    )


def test_a_big_statement_and_a_big_result_pass(guarded):
    with hs2(guarded, user="etl", password="s3cret") as client:
        operation, _ = client.run("SELECT repeat('x', 5000000), '" + "y" * 300_000 + "'")
        columns = client.fetch(operation).results.columns

    assert [len(column.stringVal.values[0]) for column in columns] == [5_000_000, 300_000]


def test_a_frame_is_no_message(guarded):
    """Two requests in one frame are two requests; one request in many frames is one."""
    with hs2(guarded, user="etl", password="s3cret") as client:
        sock = client.transport._trans.handle
        request = _recorded(client)
        sock.sendall(struct.pack(">I", 2 * len(request)) + 2 * request)
        first = [client.client.recv_GetInfo().infoValue.stringValue for _ in range(2)]
        for byte in request:
            sock.sendall(struct.pack(">IB", 1, byte))
        second = client.client.recv_GetInfo().infoValue.stringValue

    assert [*first, second] == ["Impala"] * 3


def test_a_cut_counts_the_bytes_of_the_message_without_its_frame(guarded):
    with hs2(guarded, user="etl", password="s3cret") as client:
        sock = client.transport._trans.handle
        guarded.cut("GetInfo:response", 6)
        request = _recorded(client)
        sock.sendall(struct.pack(">I", len(request)) + request)
        answer = everything(sock)

    assert len(answer) == 4 + 6
    assert answer[4:] == struct.pack(">IH", 0x80010002, 0)


def _recorded(client):
    return _get_info(client.session)


def _get_info(session):
    """One GetInfo request, as bytes."""
    if session is None:
        session = t.TSessionHandle(t.THandleIdentifier(guid=bytes(16), secret=bytes(16)))
    buffer = TMemoryBuffer()
    Client(TBinaryProtocol(buffer)).send_GetInfo(
        t.TGetInfoReq(sessionHandle=session, infoType=t.TGetInfoType.CLI_SERVER_NAME)
    )
    return buffer.getvalue()
