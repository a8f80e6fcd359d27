"""A client that takes only the reply to its call, and dies at the first sign of trouble."""

import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from impala._thrift_gen.TCLIService import TCLIService
from impala._thrift_gen.TCLIService import ttypes as hs2
from loopback import HOST, Answers, Peer, exactly, hiveserver2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException, TException, TMessageType
from thrift.transport.TTransport import TBufferedTransport, TMemoryBuffer, TTransportException

import impala_ha
from impala_ha import errors
from impala_ha.core import forks
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.hs2.client import Client, ConnectionClosed, _Calling
from impala_ha.hs2.protocol import BinaryProtocol
from impala_ha.net.sockets import Socket

pytestmark = pytest.mark.timeout(30)

OPEN = hs2.TOpenSessionReq(username="etl")
OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)


def client_of(peer, timeout=None):
    wire = Socket(HOST, peer.coordinator.port, SystemClock())
    wire.setTimeout(None if timeout is None else timeout * 1000)
    wire.open()
    return Client(BinaryProtocol(TBufferedTransport(wire)), wire)


def execute(client, sql="select 1"):
    handle = hs2.THandleIdentifier(guid=b"g" * 16, secret=b"s" * 16)
    session = hs2.TSessionHandle(sessionId=handle)
    return client.ExecuteStatement(hs2.TExecuteStatementReq(sessionHandle=session, statement=sql))


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def peer(answers):
    with Peer(hiveserver2(answers)) as found:
        yield found


@pytest.fixture
def client(peer):
    found = client_of(peer)
    yield found
    found.transport.close()


def says(*replies):
    """A server that reads a little of each request and sends the next of *replies*."""

    def talk(connection):
        for reply in replies:
            connection.recv(10_000)
            connection.sendall(reply)
        exactly(connection, 1 << 30)

    return talk


def reply(name, number, kind=TMessageType.REPLY):
    """A reply to OpenSession under any name and number."""
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocolAccelerated(buffer)
    protocol.writeMessageBegin(name, kind, number)
    handle = hs2.TSessionHandle(hs2.THandleIdentifier(guid=b"g" * 16, secret=b"s" * 16))
    TCLIService.OpenSession_result(
        success=hs2.TOpenSessionResp(
            status=hs2.TStatus(statusCode=0), serverProtocolVersion=5, sessionHandle=handle
        )
    ).write(protocol)
    protocol.writeMessageEnd()
    return buffer.getvalue()


def test_a_call_is_answered_and_the_next_one_too(client, answers):
    client.OpenSession(OPEN)
    execute(client)

    assert ["OpenSession", "ExecuteStatement"] == [name for name, _ in answers.server.log]
    assert (None, False, Phase.SENT) == (client.broken, client.busy, client.phase)


def test_the_right_reply_is_taken():
    with Peer(says(reply("OpenSession", 1), reply("OpenSession", 2))) as peer:
        client = client_of(peer)

        assert 5 == client.OpenSession(OPEN).serverProtocolVersion
        assert 5 == client.OpenSession(OPEN).serverProtocolVersion
        client.transport.close()


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (
            reply("OpenSession", 7),
            r"a reply to OpenSession \(call 7\) came where OpenSession \(call 1\)",
        ),
        (reply("FetchResults", 1), r"a reply to FetchResults \(call 1\) came where OpenSession"),
    ],
    ids=["number", "name"],
)
def test_a_reply_to_another_call_breaks_the_client(late, told):
    """impyla would take it for the answer: one cursor was given another cursor's rows."""
    with Peer(says(late)) as peer:
        client = client_of(peer)

        with pytest.raises(CallFailed, match=told) as caught:
            client.OpenSession(OPEN)

        assert isinstance(caught.value.__cause__, TProtocolException)
        assert caught.value.__cause__ is client.broken
        assert None is client.transport.handle


GARBAGE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x50",
    "sasl": struct.pack(">BI", 4, 9) + b"not SASL!",
    "a long name": struct.pack(">I", 0x80010002) + struct.pack(">I", 2**31 - 1) + b"x" * 100,
    "a name below nothing": struct.pack(">I", 0x80010002) + b"\xff\xff\xff\xff" + b"x" * 100,
    "another version": struct.pack(">I", 0x80020002) + b"\0" * 100,
    "no names in utf-8": struct.pack(">I", 0x80010002) + struct.pack(">I", 4) + b"\xff\xfe\xfd\xfc",
    "zeros": b"\0" * 100,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_reply_is_an_error_at_once(garbage):
    """And not a wait for two gigabytes of a name that never comes."""
    with Peer(says(garbage)) as peer:
        client = client_of(peer, timeout=20)

        with pytest.raises(CallFailed) as caught:
            client.OpenSession(OPEN)

        assert isinstance(caught.value.__cause__, TException)
        assert "timeout" not in str(caught.value)
        assert None is not client.broken


def test_a_broken_client_never_sends_again(client, peer, answers):
    answers.server.script["OpenSession"].append(TTransportException(4, "cut"))
    with pytest.raises(CallFailed) as first:
        client.OpenSession(OPEN)

    with pytest.raises(CallFailed) as second:
        execute(client)

    assert first.value.__cause__ is second.value.__cause__
    assert Phase.UNSENT is second.value.phase, "so that it may be run elsewhere"
    assert 1 == peer.accepted
    assert 1 == len(answers.server.log)


def test_a_late_reply_is_never_read_by_the_next_call(answers):
    """After a time-out the answer is still under way: the connection is out of step for good."""
    with Peer(hiveserver2(answers)) as peer:
        answers.server.script["OpenSession"].append(peer.hush)
        client = client_of(peer, timeout=0.1)
        with pytest.raises(CallFailed, match="timeout") as caught:
            client.OpenSession(OPEN)

        assert Phase.OPEN is caught.value.phase
        with pytest.raises(CallFailed):
            execute(client)
    assert ["OpenSession"] == [name for name, _ in answers.server.log]


def test_a_cell_of_17_megabytes_passes(client, answers):
    """Thrift's own limit is 16,384,000 bytes."""
    cell = "x" * 17_000_000
    answers.server.rows = [cell]
    operation = execute(client).operationHandle

    got = client.FetchResults(hs2.TFetchResultsReq(operationHandle=operation, maxRows=1))

    assert cell.encode() == got.results.columns[0].stringVal.values[0]


def test_a_method_that_the_server_does_not_have_breaks_nothing(answers):
    """impyla asks Hive for what only Impala has, and goes on."""
    with Peer(hiveserver2(answers, processor=TCLIService.Processor)) as peer:
        client = client_of(peer)

        with pytest.raises(TApplicationException, match="PingImpalaHS2Service"):
            client.PingImpalaHS2Service(None)

        assert client.OpenSession(OPEN).sessionHandle
        client.transport.close()


def test_an_error_inside_the_server_breaks_the_client(client, answers):
    answers.server.script["OpenSession"].append(RuntimeError("oops"))

    with pytest.raises(CallFailed) as caught:
        client.OpenSession(OPEN)

    assert isinstance(caught.value.__cause__, TApplicationException)


def test_ctrl_c_in_mid_answer_breaks_the_client_and_stays_ctrl_c(client):
    def interrupt(_):
        raise KeyboardInterrupt

    client.transport.read = interrupt

    with pytest.raises(KeyboardInterrupt):
        client.OpenSession(OPEN)

    assert isinstance(client.broken, KeyboardInterrupt)
    with pytest.raises(CallFailed, match="KeyboardInterrupt"):
        client.OpenSession(OPEN)


@pytest.mark.parametrize(
    ("name", "before", "during"),
    [
        ("OpenSession", Phase.OPEN, Phase.OPEN),
        ("ExecuteStatement", Phase.UNSENT, Phase.SENT),
        ("GetTables", Phase.UNSENT, Phase.SENT),
        ("GetOperationStatus", Phase.RUNNING, Phase.RUNNING),
        ("FetchResults", Phase.FETCH, Phase.FETCH),
        ("CloseSession", Phase.CLOSE, Phase.CLOSE),
    ],
)
def test_it_tells_how_far_a_call_had_come(client, name, before, during):
    """A statement has certainly not run before the first byte of it was handed to the system."""
    assert [before, during] == [cut(client, name, written=written) for written in (False, True)]


def cut(client, name, *, written):
    """How far a call had come that was cut before or after it was written."""
    client.broken = None
    try:
        with client._alone(name), _Calling(client, name):
            client.transport.written = written
            raise OSError("cut")
    except CallFailed as error:
        return error.phase


def test_two_threads_on_one_connection_are_told_before_a_byte_is_mixed_up(answers):
    with Peer(hiveserver2(answers)) as peer:
        inside = threading.Event()

        def wait(request):
            inside.set()
            peer.hush(request)

        answers.server.script["OpenSession"].append(wait)
        client = client_of(peer)

        def call():
            with pytest.raises(CallFailed):
                client.OpenSession(OPEN)

        thread = threading.Thread(target=call)
        thread.start()
        assert inside.wait(10)

        with pytest.raises(errors.InterfaceError, match="threadsafety is 1"):
            execute(client)
    thread.join(10)

    assert ["OpenSession"] == [name for name, _ in answers.server.log]


def test_a_copy_in_another_process_refuses(client, monkeypatch):
    monkeypatch.setattr(forks, "process_id", 1)

    assert client.forked
    with pytest.raises(
        errors.InterfaceError, match=r"a forked process \(1\) must connect for itself"
    ):
        client.OpenSession(OPEN)


def test_a_forked_child_sends_no_byte_on_the_socket_of_its_parent():
    code = """
import os, socket, sys
from impala._thrift_gen.TCLIService.ttypes import TOpenSessionReq
from thrift.transport.TTransport import TBufferedTransport
from impala_ha import errors
from impala_ha.core.clock import SystemClock
from impala_ha.net.sockets import Socket
from impala_ha.hs2.client import Client
from impala_ha.hs2.protocol import BinaryProtocol

listener = socket.create_server(("127.0.0.1", 0))
wire = Socket("127.0.0.1", listener.getsockname()[1], SystemClock())
wire.open()
client = Client(BinaryProtocol(TBufferedTransport(wire)), wire)
server, _ = listener.accept()
child = os.fork()
if child == 0:
    try:
        client.OpenSession(TOpenSessionReq(username="etl"))
    except errors.InterfaceError:
        os._exit(7)
    os._exit(1)
_, status = os.waitpid(child, 0)
server.setblocking(False)
try:
    got = server.recv(1)
except BlockingIOError:
    got = None
print(os.waitstatus_to_exitcode(status), got)
"""

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert "7 None\n" == done.stdout


def test_it_can_go_on_with_another_connection(client, peer):
    client.invalidate(ConnectionResetError("gone"))
    other = client_of(peer)

    client.attach(other._iprot, other.transport)

    assert None is client.broken
    assert client.OpenSession(OPEN).sessionHandle


def test_a_connection_that_was_closed_says_so(client):
    client.invalidate(ConnectionClosed("the connection was closed"))

    with pytest.raises(CallFailed, match="the connection was closed"):
        client.OpenSession(OPEN)


@pytest.mark.parametrize(
    ("why", "reset"), [(ConnectionResetError("gone"), True), (ConnectionClosed("closed"), False)]
)
def test_what_was_lost_is_reset_so_that_nothing_arrives_late(client, why, reset):
    """A partition would deliver the request when it is over."""
    ends = []
    wire = client.transport
    client.transport = SimpleNamespace(
        abort=lambda: ends.append(True), close=lambda: ends.append(False)
    )

    client.invalidate(why)

    wire.close()
    assert [reset] == ends


def test_a_failure_without_words_is_reported_by_its_class():
    assert "EOFError" == str(CallFailed(Phase.OPEN, EOFError()))


def test_every_call_of_the_service_is_guarded():
    """A method that thrift made and we forgot would send on a broken connection."""
    calls = [name[5:] for name in dir(Client) if name.startswith("send_")]

    wire = Path(sys.modules[Client.__module__].__file__).name
    assert 20 < len(calls)
    assert {wire} == {Path(getattr(Client, name).__code__.co_filename).name for name in calls}


HOLLOW = {
    "OpenSession": [hs2.TOpenSessionResp(status=OK, serverProtocolVersion=5)],
    "ExecuteStatement": [
        hs2.TExecuteStatementResp(),
        hs2.TExecuteStatementResp(status=OK),
        hs2.TExecuteStatementResp(status=OK, operationHandle=hs2.TOperationHandle()),
        hs2.TExecuteStatementResp(status=hs2.TStatus(statusCode=77)),
    ],
    "GetOperationStatus": [hs2.TGetOperationStatusResp(status=OK)],
    "GetResultSetMetadata": [hs2.TGetResultSetMetadataResp(status=OK)],
}


def fetch(peer):
    """One read on a new connection."""
    where = peer.coordinator.host, peer.coordinator.port
    cursor = impala_ha.connect(*where, hedge_after=0, deadline=0.5).cursor()
    cursor.execute("select 1")
    cursor.fetchall()


@pytest.mark.parametrize(
    ("rpc", "answer"), [(rpc, answer) for rpc, each in HOLLOW.items() for answer in each]
)
def test_a_reply_without_what_was_asked_for_is_none(answers, rpc, answer):
    """Nobody knows what the server did; what is missing is not met later as None."""
    with Peer(hiveserver2(answers)) as peer:
        answers.server.script[rpc] += [lambda _: answer] * 50
        with pytest.raises(errors.FailoverError) as caught:
            fetch(peer)

    assert f"the reply to {rpc} has no " in caught.value.attempts[0].text


def test_a_write_whose_acceptance_has_no_handle_may_have_run(answers):
    with Peer(hiveserver2(answers)) as peer:
        hollow = HOLLOW["ExecuteStatement"][1]
        answers.server.script["ExecuteStatement"].append(lambda _: hollow)
        where = peer.coordinator.host, peer.coordinator.port
        with pytest.raises(errors.OutcomeUnknown):
            impala_ha.connect(*where, hedge_after=0).cursor().execute("insert into t values (1)")

        assert 1 == answers.server.count("ExecuteStatement")
