"""
What impyla does to its users, and what we do instead.

Each test runs twice, through impyla and through us, and knows what either does.  So it documents
the defect, and it fails on the day impyla mends it.  The numbers are those of a list of defects;
B4 is about HTTP, as are parts of B6, B11 and B21, B8 and B12 are about Kerberos, and B7 is the
worst.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pwd
import socket
import sys
import threading
from types import SimpleNamespace

import impala.dbapi
import impala.error
import pytest
import sqlalchemy
from thrift.transport.TTransport import TTransportException
from tls_proxy import TlsProxy, server_context

import impala_ha
from impala_ha.testing import LocalCluster

pytestmark = [
    pytest.mark.servers,
    # impyla leaves sockets to the garbage collection.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Stack:
    """One of the two."""

    def __init__(self, name):
        self.name = name

    def connect(self, *places, **options):
        """impyla knows one host; we know all and begin with the first."""
        if self.name == "impyla":
            return impala.dbapi.connect(places[0].host, places[0].port, **options)
        coordinators = [impala_ha.Coordinator(place.host, place.port) for place in places]
        options = {"connect_timeout": 2, "deadline": 5, **options}
        return impala_ha.connect(impala_ha.Cluster(coordinators, policy="ordered"), **options)

    def does(self, *, impyla, impala_ha):
        """What this one is known to do."""
        return impyla if self.name == "impyla" else impala_ha


@pytest.fixture(params=["impyla", "impala_ha"])
def stack(request):
    yield Stack(request.param)
    gc.collect()  # impyla's cursors say goodbye now, and not in the middle of the next test


@pytest.fixture(scope="module")
def guarded():
    """A coordinator that wants a user and a password."""
    with LocalCluster(1, auth="PLAIN") as cluster:
        yield cluster[0]


HTTP = {"use_http_transport": True, "http_path": "cliservice"}


@pytest.fixture
def over_http(over_http, monkeypatch):
    """The first coordinator, and how to reach it over HTTP."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    one = over_http[0]
    return SimpleNamespace(host=one.host, port=one.http_port, coordinator=one)


@pytest.fixture(scope="module")
def context():
    return server_context()


class Listener:
    """Accepts, and then hangs up or says nothing."""

    def __init__(self, *, hang_up):
        self._hang_up = hang_up
        self._kept = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.accepted = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for kept in self._kept:
            kept.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._hang_up:
                client.close()
            else:
                self._kept.append(client)


def outcome(call, *args, **options):
    """What a call returned, or the type of what it raised."""
    try:
        return call(*args, **options)
    except Exception as error:  # noqa: BLE001 - any of them is an outcome
        return type(error)


def one(cursor, sql="SELECT 1"):
    cursor.execute(sql)
    return cursor.fetchall()


def test_b1_a_dead_host_is_asked_once_and_then_another(stack, cluster, until):
    with Listener(hang_up=True) as dead:
        with contextlib.suppress(impala.error.Error, TTransportException):
            stack.connect(dead, cluster[0]).cursor()

        # impyla's fourth try is saved where the hang-up is noticed before the first request.
        expected = stack.does(impyla={3, 4}, impala_ha={1})
        until(lambda: dead.accepted >= min(expected))

        assert dead.accepted in expected


def test_b1_retries_0_still_asks(stack, cluster):
    got = outcome(lambda: one(stack.connect(cluster[0], retries=0).cursor()))

    assert stack.does(impyla=impala.error.HiveServer2Error, impala_ha=[(1,)]) == got


def test_b2_an_answer_that_came_too_late_is_nobodys_answer(stack, cluster, until):
    connection = stack.connect(cluster[0], cluster[1], timeout=0.5)
    cursor = connection.cursor()
    cluster[0].mute()
    first = outcome(one, cursor, "SELECT 'first'")
    cluster[0].unmute()
    until(lambda: cluster[0].executions("SELECT 'first'", mode="received") > 0)
    second = outcome(one, cursor, "SELECT 'second'")
    connection.close()

    assert stack.does(impyla=TTransportException, impala_ha=[("first",)]) == first
    assert stack.does(impyla=KeyError, impala_ha=[("second",)]) == second


def test_b3_a_sasl_transport_is_not_opened_twice(stack, guarded):
    login = {"auth_mechanism": "PLAIN", "user": "etl", "password": "secret", "retries": 1}
    connection = stack.connect(guarded, **login)
    one(connection.cursor())
    guarded.disconnect()

    assert stack.does(impyla=TTransportException, impala_ha=[(1,)]) == outcome(
        lambda: one(connection.cursor())
    )


def test_b4_over_http_too_a_read_may_take_the_time_out_and_no_longer(stack, over_http, until):
    """impyla waits for as long as the coordinator is silent."""
    cursor = stack.connect(over_http, timeout=0.3, **HTTP).cursor()
    over_http.coordinator.mute()
    got = []
    waiting = threading.Thread(target=lambda: got.append(outcome(cursor.execute, "SELECT 1")))
    waiting.start()
    if stack.name == "impyla":
        waiting.join(1.5)
        freed, told = not got, None
        over_http.coordinator.unmute()
    else:
        until(lambda: got)
        freed, told = False, got[0]
    waiting.join(10)

    assert stack.does(impyla=True, impala_ha=False) == freed
    if stack.name != "impyla":
        assert issubclass(told, impala_ha.CoordinatorLost | impala_ha.NoCoordinatorLeft)


def test_b4_over_http_too_a_connection_is_a_coordinator_that_answered(stack, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host, port = closed.getsockname()
    nobody = SimpleNamespace(host=host, port=port)
    brief = stack.does(impyla={}, impala_ha={"deadline": 0.5})
    got = outcome(stack.connect, nobody, **HTTP, **brief)

    if stack.name == "impyla":
        assert not isinstance(got, type), "a connection to nobody"
    else:
        assert issubclass(got, impala_ha.NoCoordinatorLeft)


def test_b4_over_http_all_calls_share_a_connection(stack, over_http):
    before = over_http.coordinator.http_connections()
    connection = stack.connect(over_http, **HTTP)
    cursor = connection.cursor()
    one(cursor)
    cursor.close()
    outcome(connection.close)
    made = over_http.coordinator.http_connections() - before

    assert stack.does(impyla=True, impala_ha=False) == (made > 5)
    assert made == 1 or stack.name == "impyla"


def test_b5_over_tls_the_true_error_is_reported(stack, cluster, context):
    with TlsProxy(cluster[0], context) as proxy:
        brief = stack.does(impyla={}, impala_ha={"deadline": 1})
        connection = stack.connect(proxy, use_ssl=True, **brief)
        cursor = connection.cursor()
        one(cursor)
        proxy.refuse()
        proxy.hang_up(reset=True)
        got = outcome(connection.cursor)

    if stack.name == "impyla":
        assert AttributeError is got
    else:
        assert issubclass(got, (impala_ha.NoCoordinatorLeft, TTransportException))


def test_b6_a_connection_over_tls_can_be_closed_twice(stack, cluster, context):
    with TlsProxy(cluster[0], context) as proxy:
        connection = stack.connect(proxy, use_ssl=True)
        connection.close()

        assert stack.does(impyla=AttributeError, impala_ha=None) == outcome(connection.close)


def test_b6_so_can_one_over_http(stack, over_http):
    connection = stack.connect(over_http, **HTTP)
    one(connection.cursor())
    connection.close()

    assert stack.does(impyla=AttributeError, impala_ha=None) == outcome(connection.close)


@pytest.mark.parametrize("reset", [False, True])
def test_b7_a_statement_told_as_failed_never_runs_later(stack, guarded, context, reset):
    login = {"auth_mechanism": "LDAP", "user": "etl", "password": "secret", "use_ssl": True}
    failed = []
    with TlsProxy(guarded, context) as proxy:
        connection = stack.connect(proxy, timeout=5, **login)
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE told_{stack.name}_{reset} (i INT)")
        proxy.hang_up(reset=reset)
        for number in range(3):
            sql = f"INSERT INTO told_{stack.name}_{reset} VALUES ({number})"
            if outcome(cursor.execute, sql) is not None:
                failed.append(sql)
        outcome(lambda: one(connection.cursor()))
        connection.close()
    ran = {sql for sql in failed for event in guarded.journal() if sql == event.sql}

    assert stack.does(impyla=True, impala_ha=False) == bool(ran)
    if stack.name != "impyla":
        assert not failed


def test_b9_a_host_that_says_nothing_is_no_connection(stack, cluster):
    with Listener(hang_up=False) as silent:
        connection = stack.connect(silent, cluster[0], timeout=0.3)
        answer = outcome(lambda: one(connection.cursor()))
        connection.close()

    assert stack.does(impyla=TTransportException, impala_ha=[(1,)]) == answer


def test_b10_a_vanished_host_is_noticed_by_keepalive(stack, cluster):
    connection = stack.connect(cluster[0])
    wire = connection.service.client._oprot.trans._TBufferedTransport__trans
    kept = wire.handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    connection.close()

    assert stack.does(impyla=False, impala_ha=True) == bool(kept)


def test_b11_whatever_fails_is_an_error_of_pep_249(stack, cluster):
    connection = stack.connect(cluster[0], **stack.does(impyla={}, impala_ha={"deadline": 0.5}))
    cursor = connection.cursor()
    cluster[0].kill()
    got = outcome(cursor.execute, "SELECT 1")

    assert issubclass(got, TTransportException), "code that catches this goes on to work"
    assert stack.does(impyla=False, impala_ha=True) == issubclass(got, impala.error.Error)
    assert stack.does(impyla=False, impala_ha=True) == issubclass(
        got, impala.error.OperationalError
    )


def test_b11_and_so_it_is_over_http(stack, over_http):
    brief = stack.does(impyla={}, impala_ha={"deadline": 0.5})
    cursor = stack.connect(over_http, **HTTP, **brief).cursor()
    over_http.coordinator.kill()
    try:
        got = outcome(cursor.execute, "SELECT 1")
    finally:
        over_http.coordinator.restart()

    assert stack.does(impyla=ConnectionRefusedError, impala_ha=got) == got
    assert stack.does(impyla=False, impala_ha=True) == issubclass(
        got, impala.error.OperationalError
    )


def test_b13_closing_a_connection_closes_its_sessions(stack, cluster, until):
    connection = stack.connect(cluster[0])
    cursor = connection.cursor()
    one(cursor)
    connection.close()
    until(lambda: cluster[0].connections == 0)

    assert stack.does(impyla=1, impala_ha=0) == len(cluster[0].sessions)
    del cursor
    gc.collect()


def test_b13_a_closed_connection_is_not_opened_again_in_secret(stack, cluster):
    connection = stack.connect(cluster[0])
    connection.close()
    got = outcome(lambda: one(connection.cursor()))

    assert stack.does(impyla=[(1,)], impala_ha=impala_ha.InterfaceError) == got


@pytest.mark.parametrize(
    ("option", "impyla"), [({"timeout": "30"}, TypeError), ({"retries": "3"}, TypeError)]
)
def test_b14_a_number_may_come_as_a_text(stack, cluster, option, impyla):
    got = outcome(lambda: one(stack.connect(cluster[0], **option).cursor()))

    assert stack.does(impyla=impyla, impala_ha=[(1,)]) == got


def test_b14_use_ssl_false_is_false(stack, cluster):
    options = {"use_ssl": "false", "timeout": 5}
    got = outcome(lambda: one(stack.connect(cluster[0], **options).cursor()))

    if stack.name == "impyla":
        assert issubclass(got, TTransportException), "it speaks TLS"
    else:
        assert [(1,)] == got


def test_b15_a_pool_uses_a_connection_again(stack, cluster):
    made = []

    def create():
        made.append(stack.connect(cluster[0]))
        return made[-1]

    pool = sqlalchemy.pool.QueuePool(create, pool_size=2)
    for _ in range(3):
        with contextlib.closing(pool.connect()) as connection:
            one(connection.cursor())
    pool.dispose()

    assert stack.does(impyla=3, impala_ha=1) == len(made)


def test_b16_a_fork_leaves_its_parents_session_alone(stack, cluster):
    connection = stack.connect(cluster[0])
    cursor = connection.cursor()
    one(cursor)
    child = os.fork()
    if not child:
        del cursor, connection
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    cluster_knows = len(cluster[0].sessions)

    assert stack.does(impyla=0, impala_ha=1) == cluster_knows
    outcome(connection.close)


def test_b17_a_cell_above_16_mb_is_a_cell(stack, cluster):
    cursor = stack.connect(cluster[0]).cursor()
    cursor.execute("SELECT repeat('x', 17000000)")
    got = outcome(lambda: len(cursor.fetchall()[0][0]))

    assert stack.does(impyla=OverflowError, impala_ha=17_000_000) == got


def test_b18_a_user_without_a_name_is_a_user(stack, cluster, monkeypatch):
    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    got = outcome(lambda: one(stack.connect(cluster[0]).cursor()))

    assert stack.does(impyla=True, impala_ha=False) == (got in (KeyError, OSError))


def test_b19_a_database_costs_no_statement(stack, cluster):
    stack.connect(cluster[0], database="default").cursor()
    before = len(cluster[0].journal())
    got = one(stack.connect(cluster[0], database="default").cursor(), "SELECT current_database()")
    given = [event.sql for event in cluster[0].journal()[before:] if event.event == "received"]

    assert [("default",)] == got
    assert stack.does(impyla=1, impala_ha=0) == sum(sql.startswith("USE") for sql in given)


def test_b20_kerberized_answers(stack, cluster):
    connection = stack.connect(cluster[0])

    assert stack.does(impyla=AttributeError, impala_ha=False) == outcome(connection.kerberized)
    connection.close()


@pytest.mark.parametrize(
    ("timeout", "impyla"), [(sys.maxsize, OverflowError), (0, TTransportException)]
)
def test_b20_no_limit_can_be_said_in_three_ways(stack, cluster, timeout, impyla):
    got = outcome(lambda: one(stack.connect(cluster[0], timeout=timeout).cursor()))

    assert stack.does(impyla=impyla, impala_ha=[(1,)]) == got


def test_b21_a_ping_asks_whether_statements_can_be_given_not_whether_one_session_lives(
    stack, cluster
):
    cursor = stack.connect(cluster[0]).cursor()
    cluster[0].lose_sessions()

    assert stack.does(impyla=False, impala_ha=True) == outcome(cursor.ping)


def test_b21_a_ping_over_http_of_what_is_gone_says_no(stack, over_http):
    brief = stack.does(impyla={}, impala_ha={"deadline": 0.5})
    cursor = stack.connect(over_http, **HTTP, **brief).cursor()
    over_http.coordinator.kill()
    try:
        got = outcome(cursor.ping)
    finally:
        over_http.coordinator.restart()

    assert stack.does(impyla=ConnectionRefusedError, impala_ha=False) == got


def test_b22_a_coordinator_that_shuts_down_is_left_for_another(stack, cluster):
    cluster[0].drain()
    got = outcome(lambda: one(stack.connect(cluster[0], cluster[1]).cursor()))

    assert stack.does(impyla=impala.error.HiveServer2Error, impala_ha=[(1,)]) == got
