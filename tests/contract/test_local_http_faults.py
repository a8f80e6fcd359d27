"""What a test can do to a coordinator's HTTP port, and what its clients then see."""

from __future__ import annotations

import http.client
import socket
import threading

import click
import pytest
from hs2 import hs2
from http_hs2 import Http, Refused, message
from impala._thrift_gen.TCLIService import ttypes as t

from impala_ha.cli.local.commands import run_command
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

PHASES = ["OpenSession", "ExecuteStatement", "FetchResults", "CloseSession"]
GONE = (ConnectionError, http.client.HTTPException)


@pytest.fixture(scope="module")
def _two():
    with LocalCluster(2, http=True, flags={"fe_service_threads": 4}) as cluster:
        yield cluster


@pytest.fixture
def two(_two):
    yield _two
    _two.heal()
    for coordinator in _two:
        coordinator.lose_sessions()


def walk(client, sql):
    """One statement from the session to its end."""
    client.open(username="etl")
    operation = client.run(sql)
    client.fetch(operation)
    client.call("CloseOperation", operationHandle=operation)
    client.call("CloseSession", sessionHandle=client.session)


# -- the faults of both ports -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("direction", ["request", "response"])
@pytest.mark.parametrize("byte", [0, 1, 30])
@pytest.mark.parametrize("rpc", PHASES)
def test_a_cut_ends_the_connection_in_its_phase_and_once(two, rpc, byte, direction, how):
    coordinator, sql = two[0], f"SELECT 'cut {rpc} {direction} {byte} {how}'"
    before = coordinator.cut_count
    coordinator.cut(f"{rpc}:{direction}", byte, how)
    with Http(coordinator) as client, pytest.raises(GONE):
        walk(client, sql)
    with Http(coordinator) as client:
        walk(client, "SELECT 'after the cut'")

    assert coordinator.cut_count - before == 1
    if rpc == "ExecuteStatement":
        assert coordinator.executions(sql) == (direction == "response")


def test_a_cut_counts_the_bytes_of_the_body(two):
    two[0].cut("OpenSession:response", 6)
    body = message("OpenSession", t.TOpenSessionReq())
    with socket.create_connection((two[0].host, two[0].http_port), timeout=10) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = b""
        while more := sock.recv(65536):
            answer += more

    assert len(answer.partition(b"\r\n\r\n")[2]) == 6


def test_a_cut_behind_the_last_byte_ends_the_connection_after_the_answer(two):
    two[0].cut("OpenSession:response", 10_000_000)
    with Http(two[0]) as client:
        client.open()
        with pytest.raises(GONE):
            client.run("SELECT 1")


def test_a_long_request_is_cut_in_its_middle(two):
    sql = "SELECT '" + "x" * 3_000_000 + "'"
    two[0].cut("ExecuteStatement:request", 2_000_000)
    with Http(two[0]) as client:
        client.open()
        with pytest.raises(GONE):
            client.execute(sql)

    assert two[0].executions(sql, mode="received") == 0


def test_a_connection_is_cut_when_it_comes(two):
    two[0].cut("connect", how="rst")
    with Http(two[0]) as client, pytest.raises(GONE):
        client.open()


@pytest.mark.parametrize("how", ["mute", "hang"])
def test_who_is_mute_or_hangs_says_nothing_until_it_is_well_again(two, how):
    coordinator, answers = two[0], []

    def ask():
        with Http(coordinator) as client:
            answers.append(client.open())

    getattr(coordinator, how)()
    thread = threading.Thread(target=ask)
    thread.start()
    # Another coordinator answers meanwhile.
    with Http(two[1]) as client:
        walk(client, "SELECT 1")
    heard_before = list(answers)
    coordinator.heal()
    thread.join(10)

    assert heard_before == []
    assert len(answers) == 1


def test_who_is_mute_does_not_even_answer_for_a_gateway_or_say_401():
    with LocalCluster(1, auth="PLAIN", http=True) as cluster:
        cluster[0].mute()
        cluster[0].answer_http(503)
        client = Http(cluster[0])
        client.connection.timeout = 0.2
        with pytest.raises(TimeoutError):
            client.open()
        client.close()


def test_a_mute_coordinator_does_not_say_that_a_client_may_continue(two):
    two[0].mute()
    with socket.create_connection((two[0].host, two[0].http_port), timeout=0.2) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_killed_coordinator_refuses_on_both_ports(two):
    two[0].kill()
    for port in (two[0].port, two[0].http_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((two[0].host, port), timeout=10)
    two[0].restart()
    with Http(two[0]) as client:
        walk(client, "SELECT 1")


def test_a_draining_coordinator_takes_no_session(two):
    two[0].drain()
    with Http(two[0]) as client:
        text = client.call("OpenSession").status.errorMessage

    assert text.startswith("Server is being shut down: ")


def test_each_port_has_service_threads_of_its_own(two):
    """Four connections over HTTP take all of its threads, and none of the other port's."""
    clients = [Http(two[0]) for _ in range(4)]
    for client in clients:
        client.open()
    fifth = Http(two[0])
    fifth.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        fifth.open()
    with hs2(two[0]) as binary:
        assert binary.session is not None
    for client in [*clients, fifth]:
        client.close()


def test_saturation_is_of_both_ports(two):
    two[0].saturate()
    client = Http(two[0])
    client.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        client.open()
    client.close()
    two[0].unsaturate()
    with Http(two[0]) as client:
        walk(client, "SELECT 1")


def test_connections_of_both_ports_are_counted_and_closed(two, until):
    with Http(two[0]) as client, hs2(two[0]):
        client.open()
        assert two[0].connections == 2
        assert two[0].disconnect() == 2
        until(lambda: two[0].connections == 0)
        with pytest.raises(GONE):
            client.run("SELECT 1")


# -- a gateway --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 404, 429, 500, 502, 503, 504, 520])
def test_a_gateway_answers_in_the_coordinators_place(two, status):
    before = two[0].http_connections()
    two[0].answer_http(status, {"Retry-After": "7", "Location": "/login"}, body="nobody home")
    with Http(two[0]) as client:
        with pytest.raises(Refused) as caught:
            client.open()
        # The connection is kept, and the next request is answered as ever.
        walk(client, "SELECT 1")

    answer = caught.value.answer
    assert (answer.status, caught.value.body) == (status, b"nobody home")
    assert (answer.headers["Retry-After"], answer.headers["Location"]) == ("7", "/login")
    assert two[0].http_connections() - before == 1


def test_a_gateway_answers_as_often_as_it_is_told(two):
    two[0].answer_http(503, times=3)
    with Http(two[0]) as client:
        for _ in range(3):
            with pytest.raises(Refused, match="503"):
                client.open()
        client.open()


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("ran", [False, True])
def test_a_gateway_answers_one_call_only(two, ran, long):
    """Other calls pass; whether the statement ran is up to the order, and unknown to the client."""
    sql = f"SELECT 'behind a gateway {ran}', '{'x' * 1_000_000 * long}'"
    two[0].answer_http(504, call="ExecuteStatement", ran=ran)
    with Http(two[0]) as client:
        client.open()
        with pytest.raises(Refused, match="504"):
            client.execute(sql)
        client.run("SELECT 'next'")

    assert two[0].executions(sql, mode="accepted") == ran


def test_a_gateway_lets_a_client_continue_to_see_which_call_it_is(two):
    two[0].answer_http(502, call="OpenSession")
    with Http(two[0], headers={"Expect": "100-continue"}) as client:
        with pytest.raises(Refused, match="502"):
            client.open()
        client.open()


def test_a_gateway_is_asked_before_the_coordinator_looks_at_credentials():
    with LocalCluster(1, auth="PLAIN", http=True) as cluster:
        cluster[0].answer_http(503)
        with Http(cluster[0]) as client, pytest.raises(Refused, match="503"):
            client.open()
        cluster[0].answer_http(503, call="GetInfo")
        with Http(cluster[0]) as client, pytest.raises(Refused, match="401"):
            client.open()


def test_what_a_gateway_was_to_answer_is_called_off(two):
    two[0].answer_http(503, times=10)
    two[0].answer_http(504, call="OpenSession", ran=True)
    two[0].heal()
    with Http(two[0]) as client:
        walk(client, "SELECT 1")


def test_a_gateway_answers_by_an_order_from_the_shell(two):
    directory = str(two.directory)
    run_command(directory, ["answer-http", "0", "429", "Retry-After=2"])
    with Http(two[0]) as client, pytest.raises(Refused, match="429") as caught:
        client.open()
    with pytest.raises(click.UsageError, match="is not NAME=VALUE"):
        run_command(directory, ["answer-http", "0", "429", "Retry-After: 2"])

    assert caught.value.answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("status", "times", "call", "told"),
    [(99, 1, None, "status 99"), (503, 0, None, "times 0"), (503, 1, "OpenSesion", "OpenSession")],
)
def test_an_order_that_makes_no_sense_is_refused(two, status, times, call, told):
    with pytest.raises(ValueError, match=told):
        two[0].answer_http(status, times=times, call=call)
