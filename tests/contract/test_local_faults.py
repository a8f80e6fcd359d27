"""What a test can do to a coordinator, and what its clients then see."""

from __future__ import annotations

import re
import socket
import struct
import threading

import pytest
from hs2 import Hs2, hs2
from impala._thrift_gen.TCLIService import ttypes as t
from thrift.transport.TTransport import TTransportException

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

PHASES = [
    "OpenSession",
    "ExecuteStatement",
    "GetOperationStatus",
    "GetResultSetMetadata",
    "FetchResults",
    "CloseOperation",
    "CloseSession",
]


def walk(client, sql):
    """One statement from the session to its end, every call in turn."""
    client.open(username="etl")
    operation = client.execute(sql).operationHandle
    client.finish(operation)
    client.call("GetResultSetMetadata", operationHandle=operation)
    client.fetch(operation)
    client.call("CloseOperation", operationHandle=operation)
    client.call("CloseSession", sessionHandle=client.session)


@pytest.mark.parametrize("direction", ["request", "response"])
@pytest.mark.parametrize("byte", [0, 1, 30, 10_000_000])
@pytest.mark.parametrize("rpc", PHASES)
def test_a_cut_ends_the_connection_in_its_phase_and_once(cluster, rpc, byte, direction):
    coordinator, sql = cluster[0], f"SELECT 'cut {rpc} {direction} {byte}'"
    before = coordinator.cut_count
    coordinator.cut(f"{rpc}:{direction}", byte)
    client = Hs2(coordinator)
    if byte > 1000 and direction == "response":
        # The whole answer arrives; the connection is gone afterwards.
        _walk_until_cut(client, rpc, sql)
    else:
        with pytest.raises((TTransportException, EOFError)):
            walk(client, sql)
    client.close()
    fresh = Hs2(coordinator)
    walk(fresh, "SELECT 'after the cut'")
    fresh.close()

    assert coordinator.cut_count - before == 1


def _walk_until_cut(client, rpc, sql):
    if rpc == "CloseSession":
        walk(client, sql)
        with pytest.raises((TTransportException, EOFError)):
            client.open()
    else:
        with pytest.raises((TTransportException, EOFError)):
            walk(client, sql)


@pytest.mark.parametrize("byte", [0, 1, 40, 200, 10_000_000])
def test_a_statement_whose_request_was_cut_never_runs(cluster, byte):
    sql = f"SELECT 'request cut at {byte}'"
    with hs2(cluster[0]) as client:
        cluster[0].cut("ExecuteStatement:request", byte)
        with pytest.raises(TTransportException):
            client.execute(sql)

    assert cluster.executions(sql, mode="received") == 0


@pytest.mark.parametrize("byte", [0, 1, 40, 10_000_000])
def test_a_statement_whose_answer_was_cut_has_run(cluster, byte, until):
    sql = f"SELECT 'answer cut at {byte}'"
    with hs2(cluster[0]) as client:
        cluster[0].cut("ExecuteStatement:response", byte)
        with pytest.raises((TTransportException, EOFError)):
            _execute_twice(client, sql)

    until(lambda: cluster.executions(sql) == 1)


def _execute_twice(client, sql):
    # A cut behind the last byte lets the first answer through.
    client.execute(sql)
    client.execute("SELECT 'the answer came whole'")


def test_a_long_request_is_cut_in_its_middle(cluster):
    sql = "SELECT '" + "x" * 3_000_000 + "'"
    with hs2(cluster[0]) as client:
        cluster[0].cut("ExecuteStatement:request", 2_000_000)
        with pytest.raises((TTransportException, OSError)):
            client.execute(sql)

    assert cluster.executions(sql, mode="received") == 0


def test_a_connection_cut_by_a_fin_reads_its_end(cluster):
    cluster[0].cut("connect")
    with socket.create_connection((cluster[0].host, cluster[0].port), timeout=5) as sock:
        assert sock.recv(1) == b""


def test_a_connection_cut_by_a_reset_is_reset(cluster):
    cluster[0].cut("connect", how="rst")

    with pytest.raises(ConnectionResetError):
        with socket.create_connection((cluster[0].host, cluster[0].port), timeout=5) as sock:
            sock.recv(1)


def test_a_connection_is_cut_after_so_many_bytes_of_the_client(cluster, until):
    cluster[0].cut("connect", 5)
    with socket.create_connection((cluster[0].host, cluster[0].port), timeout=5) as sock:
        sock.sendall(b"four")
        until(lambda: cluster[0].connections == 1)
        sock.sendall(b"!")

        assert sock.recv(1) == b""


def test_a_dead_coordinator_cannot_be_asked_and_says_so(cluster):
    cluster[1].kill()
    with pytest.raises(
        ConnectionError, match=r"LocalCoordinator 1 at .* does not answer: it is dead"
    ):
        _ = cluster[1].sessions


def test_a_response_cut_by_a_reset_gives_its_first_bytes(cluster):
    with hs2(cluster[0]) as client:
        cluster[0].cut("GetInfo:response", 4, "rst")
        sock = client.transport._TBufferedTransport__trans.handle
        client.client.send_GetInfo(
            t.TGetInfoReq(sessionHandle=client.session, infoType=t.TGetInfoType.CLI_SERVER_NAME)
        )

        assert sock.recv(4) == struct.pack(">I", 0x80010002)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ExecuteStatement",), "phase must be"),
        (("Execute:request",), "phase must be"),
        (("OpenSession:answer",), "phase must be"),
        (("OpenSession:request", -1), "must not be negative"),
        (("OpenSession:request", 0, "bang"), "must be fin or rst"),
    ],
)
def test_a_cut_in_a_place_that_is_none_is_refused(cluster, arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster[0].cut(*arguments)


def test_a_mute_coordinator_takes_connections_and_answers_when_unmuted(cluster):
    with hs2(cluster[0]) as client:
        cluster[0].mute()
        unheard = Hs2(cluster[0], timeout=0.2)
        with pytest.raises(TTransportException):
            unheard.open()
        unheard.close()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.execute("SELECT 1")))
        asking.start()
        asking.join(0.2)
        assert not answers
        cluster[0].unmute()
        asking.join(10)

        assert answers[0].operationHandle is not None


def test_a_saturated_coordinator_serves_old_connections_and_lets_new_ones_wait(cluster):
    with hs2(cluster[0]) as old:
        cluster[0].saturate()
        assert not old.execute("SELECT 1").status.errorMessage
        new = Hs2(cluster[0])
        answers = []
        asking = threading.Thread(target=lambda: answers.append(new.open(username="etl")))
        asking.start()
        asking.join(0.2)
        assert not answers
        cluster[0].unsaturate()
        asking.join(10)
        new.close()

        assert answers[0].sessionHandle is not None


def test_connections_beyond_the_service_threads_wait_and_are_closed_without_a_word():
    flags = {"fe_service_threads": 1, "accepted_client_cnxn_timeout": 100}
    with LocalCluster(1, flags=flags) as cluster, hs2(cluster[0]):
        address = cluster[0].host, cluster[0].port
        with socket.create_connection(address, timeout=10) as second:
            assert second.recv(1) == b""


def test_a_draining_coordinator_refuses_new_work_and_goes_on_with_the_old(cluster):
    message = (
        r"^Server is being shut down: shutdown grace period left: \d+m\d+s, "
        r"deadline left: \d+m\d+s, queries registered on coordinator: 1, "
        r"queries executing: 0, fragment instances: 0\.$"
    )
    with hs2(cluster[0]) as client:
        operation, _ = client.run("SELECT 5")
        cluster[0].drain()
        refused = [
            client.call("OpenSession"),
            client.execute("SELECT 1"),
            client.call("GetInfo", sessionHandle=client.session, infoType=13),
            client.call("GetSchemas", sessionHandle=client.session),
            client.call("GetTypeInfo", sessionHandle=client.session),
        ]
        ping = client.call("PingImpalaHS2Service", sessionHandle=client.session)
        rows = client.fetch(operation).results.columns[0].i32Val
        cluster[0].undrain()

        assert rows is None or rows.values == [5]
        assert not ping.status.errorMessage
        for answer in refused:
            assert answer.status.statusCode == t.TStatusCode.ERROR_STATUS
            assert re.match(message, answer.status.errorMessage)
        assert not client.execute("SELECT 1").status.errorMessage


def test_lost_sessions_are_unknown_afterwards(cluster):
    with hs2(cluster[0]) as client:
        operation, _ = client.run("SELECT 1")
        cluster[0].lose_sessions()

        assert "Invalid session id: " in client.execute("SELECT 1").status.errorMessage
        assert "Invalid or unknown query handle: " in client.fetch(operation).status.errorMessage


def test_a_delay_holds_one_kind_of_call(cluster):
    with hs2(cluster[0]) as client:
        cluster[0].delay(30, "FetchResults")
        operation, _ = client.run("SELECT 1")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.fetch(operation)))
        asking.start()
        asking.join(0.2)
        assert not answers
        cluster[0].delay(0, "FetchResults")
        asking.join(10)

        assert answers[0].results is not None


def test_healing_ends_every_fault(cluster):
    victim = cluster[0]
    victim.mute()
    victim.saturate()
    victim.drain()
    victim.delay(60)
    victim.cut("OpenSession:request")
    victim.fail_next("no", at="open")
    victim.hang()
    victim.heal()

    with hs2(victim) as client:
        assert not client.run("SELECT 1")[1].errorMessage


def test_healing_starts_the_dead(cluster):
    cluster[0].kill()
    cluster[0].heal()

    with hs2(cluster[0]) as client:
        assert client.session is not None


@pytest.mark.parametrize(
    ("at", "rpc"),
    [("open", "OpenSession"), ("execute", "ExecuteStatement"), ("fetch", "FetchResults")],
)
def test_the_next_call_is_refused_with_the_given_text_and_only_that(cluster, at, rpc):
    client = Hs2(cluster[0])
    cluster[0].fail_next("the given text", at=at)
    answers = {"OpenSession": client.open(username="etl")}
    if at == "open":
        client.open(username="etl")
    answers["ExecuteStatement"] = client.execute("SELECT 1")
    if at == "execute":
        operation = client.execute("SELECT 1").operationHandle
    else:
        operation = answers["ExecuteStatement"].operationHandle
    client.finish(operation)
    answers["FetchResults"] = client.fetch(operation)
    after = client.fetch(operation)
    client.close()

    assert {name: answer.status.errorMessage for name, answer in answers.items()} == {
        name: "the given text" if name == rpc else None for name in answers
    }
    if at == "fetch":
        assert "Invalid or unknown query handle" in after.status.errorMessage


def test_use_and_set_do_not_meet_the_error_of_the_next_statement(cluster):
    cluster[0].queue_full()
    with hs2(cluster[0]) as client:
        assert not client.run("USE default")[1].errorMessage
        assert not client.run("SET mem_limit=1g")[1].errorMessage
        assert "queue full" in client.run("SELECT 1")[1].errorMessage


@pytest.mark.parametrize("ran", [False, True])
def test_the_next_statement_is_accepted_and_fails_later(cluster, ran):
    sql = f"SELECT 'fails later, ran {ran}'"
    cluster[0].fail_next("Failed due to unreachable impalad(s): x:27000", at="status", ran=ran)
    with hs2(cluster[0]) as client:
        _, status = client.run(sql)

        assert status.status.statusCode == t.TStatusCode.SUCCESS_STATUS
        assert status.operationState == t.TOperationState.ERROR_STATE
        assert status.errorMessage == "Failed due to unreachable impalad(s): x:27000"
        assert cluster.executions(sql) == int(ran)
        assert cluster.executions(sql, mode="accepted") == 1


def test_a_full_queue_is_reported_by_the_status_and_the_statement_does_not_run(cluster):
    cluster[0].queue_full()
    with hs2(cluster[0]) as client:
        _, status = client.run("SELECT 'queued'")

        assert status.errorMessage.endswith(
            "Rejected query from pool default-pool: queue full, limit=1, num_queued=1.\n"
        )
        assert status.errorMessage.startswith("Query ")
        assert cluster.executions("SELECT 'queued'") == 0


def test_an_unknown_rpc_is_refused_with_the_near_ones(cluster):
    with pytest.raises(ValueError, match="did you mean FetchResults"):
        cluster[0].fail_next("x", at="FetchResult")
    with pytest.raises(ValueError, match="did you mean FetchResults"):
        cluster[0].delay(1, "FetchResult")


def test_connections_can_be_closed_from_the_server_and_sessions_stay(cluster, until):
    with hs2(cluster[0]) as client:
        assert cluster[0].disconnect() == 1
        with pytest.raises(TTransportException):
            client.execute("SELECT 1")
        until(lambda: cluster[0].connections == 0)

        assert len(cluster[0].sessions) == 1


@pytest.mark.parametrize("ran", [True, False])
def test_a_statement_can_be_refused_after_it_was_done(cluster, ran):
    """Impala up to 4.0 executes DDL inside ExecuteStatement: it may fail when all is done."""
    sql = f"CREATE TABLE refused_{ran} (i INT)"
    cluster[0].fail_next("Couldn't open transport for catalog:26000", ran=ran)
    with hs2(cluster[0]) as client:
        told = client.execute(sql).status.errorMessage

    assert told.startswith("Couldn't open transport")
    assert cluster[0].executions(sql, mode="finished") == ran
    assert not cluster[0].queries
