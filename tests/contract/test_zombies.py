"""
A coordinator that hangs with a statement in its socket, and wakes up later: what was told stays so.

The same over a plain connection, SASL, TLS and HTTP, for each of them closes a session in its own
way; and over a link that swallows what it is given and delivers it when nobody waits any more.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from promises import DONE, UNKNOWN, give

import impala_ha
from impala_ha import Cluster, Coordinator, Outcome, State
from impala_ha.testing import LocalCluster
from real_servers import Certificates

pytestmark = [pytest.mark.slow(60), pytest.mark.servers]

PATIENCE = {"connect_timeout": 1, "probe_after": 0.3, "hedge_after": 0, "deadline": 20}
HTTP = {"use_http_transport": True, "http_path": "cliservice"}
FORMS = {
    "plain": ({}, {}),
    "sasl": (
        {"auth": "PLAIN"},
        {"auth_mechanism": "PLAIN", "user": "etl", "password": "x"},
    ),
    "tls": ({}, {"use_ssl": True}),
    "http": ({"http": True}, HTTP),
}


@dataclass
class Form:
    """A cluster, and how to connect to it."""

    local: LocalCluster
    options: dict[str, object]

    def connect(self, places=None, **options):
        """A connection whose first choice is the first coordinator, with a memory of its own."""
        http = "http_path" in self.options
        found = places or [
            Coordinator(one.host, one.http_port if http else one.port) for one in self.local
        ]
        cluster = Cluster(found, policy="ordered")
        return impala_ha.connect(cluster, **{**PATIENCE, **self.options, **options})

    def port(self, number):
        """Where clients of coordinator *number* connect."""
        one = self.local[number]
        return one.http_port if "http_path" in self.options else one.port


@contextlib.contextmanager
def _form(name):
    server, client = FORMS[name]
    if name != "tls":
        with LocalCluster(2, **server) as local:
            yield Form(local, client)
    else:
        with Certificates() as certificates:
            pems = [certificates.of(f"127.0.0.{n}") for n in (1, 2)]
            with LocalCluster(2, tls=pems) as local:
                yield Form(local, {**client, "ca_cert": certificates.ca})


@pytest.fixture(scope="module", params=list(FORMS))
def _one_form(request):
    with _form(request.param) as form:
        yield form


@pytest.fixture
def form(_one_form, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    yield _one_form
    for one in _one_form.local:
        one.resume()
        one.heal()


@dataclass(frozen=True)
class Zombie:
    """
    A statement that a hung coordinator is given, and what somebody does next.

    Attributes:
        before: What is done before.
        sql: The statement.
        after: What its caller does when he was told that it is done.
        look: What shows that this stays.
        rows: What that gives.
    """

    before: tuple[str, ...]
    sql: str
    after: str
    look: str
    rows: list[tuple]


ZOMBIES = {
    "drop table": Zombie(
        ("CREATE TABLE IF NOT EXISTS z_drop (x INT)",),
        "DROP TABLE IF EXISTS z_drop",
        "CREATE TABLE z_drop AS SELECT 1 x",
        "SELECT x FROM z_drop",
        [(1,)],
    ),
    "insert overwrite values": Zombie(
        ("CREATE TABLE IF NOT EXISTS z_values (x INT)",),
        "INSERT OVERWRITE z_values VALUES (1)",
        "INSERT OVERWRITE z_values VALUES (2)",
        "SELECT x FROM z_values",
        [(2,)],
    ),
    "insert overwrite select": Zombie(
        (
            "CREATE TABLE IF NOT EXISTS z_target (x INT)",
            "CREATE TABLE IF NOT EXISTS z_source (x INT)",
            "INSERT OVERWRITE z_source VALUES (1)",
        ),
        "INSERT OVERWRITE z_target SELECT x FROM z_source",
        "INSERT OVERWRITE z_target VALUES (2)",
        "SELECT x FROM z_target",
        [(2,)],
    ),
    "upsert": Zombie(
        ("CREATE TABLE IF NOT EXISTS z_key (k INT PRIMARY KEY, x INT) STORED AS KUDU",),
        "UPSERT INTO z_key VALUES (1, 1)",
        "UPSERT INTO z_key VALUES (1, 2)",
        "SELECT x FROM z_key",
        [(2,)],
    ),
    "create if not exists": Zombie(
        ("DROP TABLE IF EXISTS z_create",),
        "CREATE TABLE IF NOT EXISTS z_create (x INT)",
        "DROP TABLE z_create",
        "SHOW TABLES LIKE 'z_create'",
        [],
    ),
    "drop database cascade": Zombie(
        ("CREATE DATABASE IF NOT EXISTS z_all",),
        "DROP DATABASE IF EXISTS z_all CASCADE",
        "CREATE DATABASE z_all",
        "SHOW DATABASES LIKE 'z_all'",
        [("z_all", "")],
    ),
}


def rows(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()


def prepare(form, zombies):
    with form.connect() as connection, connection.cursor() as cursor:
        for zombie in zombies:
            for sql in zombie.before:
                cursor.execute(sql)


def at_once(*jobs):
    """Do all *jobs* in threads of their own, and wait for them."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a call did not end"


def unread(host, port):
    """How many bytes lie in the sockets of a server that has not read them."""
    place = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(f[4].partition(":")[2], 16) for f in lines if f[1] == place and f[3] == "01")


def check_truth(local, told, before=0):
    """What `resolve` says of a statement agrees with how often it ran, and will go on to."""
    outcome = told.error.resolve(10)
    ran = local.executions(told.sql) - before
    allowed = {Outcome.DONE: {1}, Outcome.NEVER_SEEN: {0}}.get(outcome, {0, 1})
    assert ran in allowed, f"{told.sql} is {outcome}, and ran {ran} times"


def test_what_lies_in_the_socket_of_a_hung_one_is_not_repeated_if_it_is_a_write(form):
    """Nobody knows whether it will run: the caller is told so, and nothing runs elsewhere."""
    local = form.local
    prepare(form, ZOMBIES.values())
    before = {name: local.executions(zombie.sql) for name, zombie in ZOMBIES.items()}
    told, stands = {}, {}
    with contextlib.ExitStack() as stack:
        cursors = {
            name: stack.enter_context(stack.enter_context(form.connect()).cursor())
            for name in ZOMBIES
        }
        local[0].hang()

        def work(name):
            zombie, cursor = ZOMBIES[name], cursors[name]
            told[name] = give(cursor, zombie.sql, write=True)
            if told[name].how == DONE:
                cursor.execute(zombie.after)

        at_once(*[lambda name=name: work(name) for name in ZOMBIES])
        elsewhere = {name: local[1].executions(zombie.sql) for name, zombie in ZOMBIES.items()}
        local[0].resume()
        for name, zombie in ZOMBIES.items():
            if told[name].how == DONE:
                stands[name] = rows(cursors[name], zombie.look) == zombie.rows

        assert dict.fromkeys(ZOMBIES, UNKNOWN) == {name: one.how for name, one in told.items()}
        assert dict.fromkeys(ZOMBIES, 0) == elsewhere
        assert all(stands.values()), f"what was told done did not stay: {stands}"
        for name in ZOMBIES:
            check_truth(local, told[name], before[name])


def test_a_read_in_the_socket_of_a_hung_one_goes_on_elsewhere(form):
    local = form.local
    with form.connect() as connection, connection.cursor() as cursor:
        local[0].hang()

        assert rows(cursor, "SELECT 'read', 1") == [("read", 1)]
        assert local[1].executions("SELECT 'read', 1") >= 1


def test_the_caller_alone_may_have_a_write_repeated_that_may_run_later(form):
    local, zombie = form.local, ZOMBIES["insert overwrite values"]
    prepare(form, [zombie])
    before = local[1].executions(zombie.sql)
    with form.connect() as connection, connection.cursor() as cursor:
        local[0].hang()

        cursor.execute(zombie.sql, idempotent=True)

        assert local[1].executions(zombie.sql) - before == 1


@pytest.mark.parametrize("name", ["drop table", "insert overwrite select"])
def test_a_killed_one_is_surely_gone_and_what_is_harmless_is_repeated(form, until, name):
    """Its port refuses connections: what was in its socket is gone with it."""
    local, zombie = form.local, ZOMBIES[name]
    prepare(form, [zombie])
    before = local.executions(zombie.sql)
    told = []
    with form.connect(probe_after=5) as connection, connection.cursor() as cursor:
        local[0].hang()
        calm = unread(local[0].host, form.port(0))

        def kill():
            until(lambda: unread(local[0].host, form.port(0)) > calm)
            local[0].kill()

        at_once(kill, lambda: told.append(give(cursor, zombie.sql, write=True)))

        assert [DONE] == [one.how for one in told], told[0].error
        assert local.executions(zombie.sql) - before == 1
        cursor.execute(zombie.after)
        local[0].restart()
        assert rows(cursor, zombie.look) == zombie.rows


@pytest.mark.parametrize("name", list(ZOMBIES))
def test_a_session_whose_end_was_answered_lets_a_harmless_one_be_repeated(form, name):
    local, zombie = form.local, ZOMBIES[name]
    prepare(form, [zombie])
    before = local[1].executions(zombie.sql)
    with form.connect() as connection, connection.cursor() as cursor:
        local[0].cut("ExecuteStatement:response")

        cursor.execute(zombie.sql)

        assert local[1].executions(zombie.sql) - before == 1
        assert 2 == len(cursor.attempts)
        cursor.execute(zombie.after)
        assert rows(cursor, zombie.look) == zombie.rows


def test_a_write_that_matters_is_never_repeated(form):
    local = form.local
    with form.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS z_rows (x INT)")
    with form.connect() as connection, connection.cursor() as cursor:
        hung = f"INSERT INTO z_rows VALUES ({time.monotonic_ns() % 10**9})"
        local[0].hang()
        told = give(cursor, hung, write=True)
        local[0].resume()

        assert UNKNOWN == told.how
        assert 0 == local[1].executions(hung)
        check_truth(local, told)


class Slow:
    """
    A link to a server that keeps what it is given, and delivers it when it is told to.

    It delivers also what came from clients that have gone since, as a queue in a network does.

    Attributes:
        host, port: Where it listens.
    """

    def __init__(self, host, port, *, listen):
        self._upstream = (host, port)
        self._listener = socket.create_server((listen, 0))
        self.host, self.port = self._listener.getsockname()
        self._free = threading.Event()
        self._free.set()
        self._held = []  # connections whose bytes wait
        self._all = True
        self._sockets = []
        self._threads = []
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._free.set()
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def swallow(self, *, new=True):
        """Keep what comes from now on; on connections made later too, if *new*."""
        self._all = new
        self._held = list(self._sockets)
        self._free.clear()

    def deliver(self):
        """Pass on what was kept."""
        self._free.set()

    def _start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                self._sockets += [client, server]
                self._start(self._to_server, client, server)
                self._start(self._to_client, server, client)

    def _to_server(self, client, server):
        while True:
            try:
                data = client.recv(65536)
            except OSError:
                data = b""  # reset; what it had sent is on its way all the same
            if client in self._held or self._all:
                self._free.wait()
            with contextlib.suppress(OSError):
                if data:
                    server.sendall(data)
                else:
                    server.shutdown(socket.SHUT_WR)
            if not data:
                return

    @staticmethod
    def _to_client(server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


@pytest.fixture
def slow(form):
    with Slow(form.local[0].host, form.port(0), listen="127.0.0.1") as link:
        yield link


def places(form, slow):
    return [Coordinator(slow.host, slow.port), Coordinator(form.local[1].host, form.port(1))]


def test_a_link_that_swallows_everything_shows_nothing_about_a_write(form, slow):
    """The end of the session is swallowed too: there is no fence."""
    local, zombie = form.local, ZOMBIES["drop table"]
    prepare(form, [zombie])
    before = local.executions(zombie.sql)
    with form.connect(places(form, slow)) as connection, connection.cursor() as cursor:
        slow.swallow()
        told = give(cursor, zombie.sql, write=True)
        elsewhere = local.executions(zombie.sql) - before
        slow.deliver()

        assert (UNKNOWN, 0) == (told.how, elsewhere)
        check_truth(local, told, before)


@pytest.mark.parametrize("name", list(ZOMBIES))
def test_what_is_delivered_late_has_no_effect_after_something_was_reported_done(
    form, slow, until, name
):
    """Its session was closed on another connection meanwhile: the server does not take it."""
    local, zombie = form.local, ZOMBIES[name]
    prepare(form, [zombie])
    before = local[0].executions(zombie.sql)
    linked = form.connect(places(form, slow), timeout=1)
    with linked as connection, connection.cursor() as cursor:
        slow.swallow(new=False)

        cursor.execute(zombie.sql)
        cursor.execute(zombie.after)
        slow.deliver()
        until(lambda: unread(local[0].host, form.port(0)) == 0)
        with form.connect() as other, other.cursor() as late:
            late.execute("SELECT 'after what was late'")  # behind it

        assert 0 == local[0].executions(zombie.sql) - before
        assert rows(cursor, zombie.look) == zombie.rows
        states = {c.coordinator: c.state for c in connection.cluster.snapshot()}
        assert State.DRAINING not in states.values()
