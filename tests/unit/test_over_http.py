"""Opening HTTP from options, waiting for a gateway, and asking it again."""

import re
from collections import deque

import pytest
from loopback import HOST, Answers, Peer, hiveserver2_over_http
from test_failover import World

import impala_ha
from impala_ha import Coordinator, OutcomeUnknown, errors
from impala_ha.auth.credentials import Secrets
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.hs2.open_http import HttpConnector
from impala_ha.net.http_proxy import Proxy
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.options.kerberos_names import Identity
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeClock

pytestmark = pytest.mark.timeout(30)

A = Coordinator("a", 28000)
REQUEST_ID = re.compile(rb"(?i)x-request-id: (\S+)")


def over(clock=None, **options):
    options = Options(use_http_transport=True, **options)
    return HttpConnector(options, Secrets(options), clock or SystemClock(), Identity())


def gateway(code, retry_after=0.0):
    return HTTPStatusError(code, "Gateway", b"", {}, "http://a/x", retry_after)


# The login at another coordinator.

B, C = Coordinator("b", 28000), Coordinator("c", 28000)


def test_a_login_goes_along_until_it_is_refused():
    connector = over(FakeClock())
    connector._jar(A, "etl", borrows=True).keep(["impala.auth=x"], 0.0)
    at_b = connector._jar(B, "etl", borrows=True)
    assert "impala.auth=x" == at_b.header(0.0)

    at_b.clear()

    assert "" == connector._jar(B, "etl", borrows=True).header(0.0)
    assert "" == connector._jar(C, "etl", borrows=True).header(0.0)
    assert "impala.auth=x" == connector._jar(A, "etl", borrows=True).header(0.0)


def test_nobody_borrows_the_login_of_another_user_or_without_being_allowed():
    connector = over(FakeClock())
    connector._jar(A, "etl", borrows=True).keep(["impala.auth=x"], 0.0)

    assert "" == connector._jar(B, "bob", borrows=True).header(0.0)
    assert "" == connector._jar(B, "etl", borrows=False).header(0.0)


@pytest.mark.parametrize(
    ("options", "borrows"),
    [
        ({"auth_mechanism": "LDAP"}, True),
        ({"auth_mechanism": "JWT", "jwt": "x.y.z"}, True),
        ({"auth_mechanism": "NOSASL"}, False),
        ({"auth_mechanism": "GSSAPI"}, False),
        ({"auth_mechanism": "GSSAPI", "use_ssl": True}, False),
        ({"auth_mechanism": "GSSAPI", "use_ssl": True, "verify_cert": True}, True),
    ],
)
def test_where_kerberos_alone_shows_who_answers_no_login_goes_along(options, borrows):
    assert borrows is over(**options)._login(A, "etl").borrows


# From options to a request.


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "/"),
        ("cliservice", "/cliservice"),
        ("/cliservice", "/cliservice"),
        ("gateway/a b?doAs=x&y", "/gateway/a%20b?doAs=x&y"),
        ("x\r\nHost: b", "/x%0D%0AHost:%20b"),
    ],
)
def test_the_path_is_one_line(path, line):
    assert line == over(http_path=path)._target(A, None).line


@pytest.mark.parametrize(
    ("coordinator", "options", "host", "url"),
    [
        (A, {}, "a:28000", "http://a:28000/x"),
        (Coordinator("a", 80), {}, "a", "http://a:80/x"),
        (Coordinator("a", 443), {"use_ssl": True}, "a", "https://a:443/x"),
        (Coordinator("a", 443), {}, "a:443", "http://a:443/x"),
        (Coordinator("::1", 28000), {}, "[::1]:28000", "http://[::1]:28000/x"),
    ],
)
def test_host_and_url_name_the_coordinator(coordinator, options, host, url):
    target = over(http_path="x?token=1", **options)._target(coordinator, None)

    assert (host, url) == (target.host, target.url)


def test_an_address_is_spoken_to_by_the_name_that_it_was_looked_up_by():
    """A gateway in front may go by it."""
    address = Coordinator("10.0.0.1", 28000, name="impala.example.com")

    target = over()._target(address, None)

    assert "impala.example.com:28000" == target.host
    assert "http://10.0.0.1:28000" in target.url


def test_a_proxy_is_in_the_url_that_is_reported_and_gets_its_login_in_clear_only():
    proxy = Proxy("p", 3128, "Basic p")
    plain = over()._target(A, proxy)
    hidden = over(use_ssl=True)._target(A, proxy)

    assert ("http://a:28000/", "Basic p") == (plain.line, plain.proxy_login)
    assert ("/", "") == (hidden.line, hidden.proxy_login)
    assert "https://a:28000/ through proxy p:3128" == hidden.url


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"auth_mechanism": "PLAIN"}, "Basic ZXRsOnBhc3N3b3Jk"),  # etl:password
        ({"auth_mechanism": "LDAP"}, "Basic ZXRsOg=="),  # etl:
        ({"auth_mechanism": "LDAP", "user": "bob", "password": "x"}, "Basic Ym9iOng="),
        ({"auth_mechanism": "JWT", "jwt": "x.y.z"}, "Bearer x.y.z"),
        ({}, ""),
    ],
)
def test_who_is_there_is_said_as_impyla_says_it(options, header):
    login = over(**options)._login(A, "etl")

    assert header == login.header(known=False)
    assert not login.renew(), "a text stays what it is"


def test_without_a_token_nothing_is_sent():
    with pytest.raises(errors.InterfaceError, match="Token is empty"):
        over(auth_mechanism="JWT")._login(A, "etl").header(known=False)


def test_a_password_that_was_renewed_is_another_try():
    words = ["old", "new"]
    login = over(auth_mechanism="LDAP", password=lambda: words.pop(0))._login(A, "etl")
    first = login.header(known=False)

    assert login.renew()
    assert first != login.header(known=False)


def test_a_ticket_is_asked_for_first_and_not_where_a_cookie_stands_for_it(monkeypatch):
    """Without a ticket the coordinator is not touched."""
    asked = []

    def negotiate(options, coordinator, clock, limit, identity):
        asked.append((coordinator, limit))
        raise OSError("no ticket")

    monkeypatch.setattr("impala_ha.auth.kerberos.negotiate", negotiate)
    found = over(auth_mechanism="GSSAPI", connect_timeout=9.0)
    with pytest.raises(CallFailed, match="no ticket") as caught:
        found.open(A, "etl", 3.0)

    assert (Phase.TICKET, [(A, 3.0)]) == (caught.value.phase, asked)
    found._cookies[A, "etl"].keep(["impala.auth=x"], SystemClock().now())
    with Peer(lambda connection: None) as peer:
        found._cookies[peer.coordinator, "etl"] = found._cookies[A, "etl"]
        _, wire = found.open(peer.coordinator, "etl", 3.0)
        wire.close()

    assert 1 == len(asked)


def test_connections_to_one_coordinator_share_its_cookies(monkeypatch):
    monkeypatch.setenv("no_proxy", HOST)
    with Peer(hiveserver2_over_http(Answers())) as peer:
        found = over()
        wires = [found.open(peer.coordinator, user, 3.0)[1] for user in ("etl", "etl", "bob")]
        jars = [wire._cookies for wire in wires]

        assert jars[0] is jars[1]
        assert jars[0] is not jars[2]
        for wire in wires:
            wire.close()


def test_ctrl_c_while_connecting_stays_ctrl_c():
    class Interrupting(SystemClock):
        looks = 4

        def now(self):
            self.looks -= 1
            if not self.looks:
                raise KeyboardInterrupt
            return super().now()

    with Peer(lambda connection: None) as peer:
        with pytest.raises(KeyboardInterrupt):
            over(Interrupting()).open(peer.coordinator, "etl", 3.0)


def test_files_of_tls_that_are_none_are_reported_before_anything_is_opened(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("none")

    with pytest.raises(CallFailed, match="ca_cert") as caught:
        over(use_ssl=True, ca_cert=str(file)).open(A, "etl", 3.0)

    assert Phase.CONNECT is caught.value.phase


# Later.


def test_a_gateway_is_asked_again_after_more_and_more_time():
    clock = FakeClock()
    found = over(clock, connect_timeout=2.0)
    waited = 0.0
    while now := found.pause(gateway(502), waited):
        waited = now

    assert [0.1, 0.1, 0.2, 0.4, 0.8] == pytest.approx(clock.slept)


def test_a_gateway_that_says_when_is_believed_up_to_the_deadline():
    clock = FakeClock()
    found = over(clock, connect_timeout=2.0, deadline=60.0)

    assert 50.0 == found.pause(gateway(503, 50.0), 0.0)
    assert 0.0 == found.pause(gateway(503, 50.0), 50.0)
    assert [50.0] == clock.slept


@pytest.fixture
def world():
    world = World()
    world.driver.revives = True
    return world


def patient(cursor):
    """The cursor's service waits three times."""
    pauses = []

    def pause(_, waited):
        pauses.append(waited)
        return waited + 1.0 if waited < 3 else 0.0

    cursor._session.link.service.pause = pause
    return pauses


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_runs_behind_a_gateway_is_asked_for_until_it_answers(world, code):
    cursor = world.connect().cursor()
    pauses = patient(cursor)
    world["a"].script["GetOperationStatus"] = deque([gateway(code)] * 3)

    cursor.execute("insert into t values (1)")

    assert [0.0, 1.0, 2.0] == pauses
    assert {"a": ["insert into t values (1)"]} == world.statements()


def test_a_gateway_that_stays_broken_is_given_up_and_a_write_not_repeated(world):
    cursor = world.connect().cursor()
    pauses = patient(cursor)
    world["a"].script["GetOperationStatus"] = deque([gateway(502)] * 9)

    with pytest.raises(OutcomeUnknown, match="HTTP code 502"):
        cursor.execute("insert into t values (1)")

    assert [0.0, 1.0, 2.0, 3.0] == pauses
    assert {"a": ["insert into t values (1)"]} == world.statements()


def test_where_nobody_knows_how_to_wait_it_is_lost(world):
    cursor = world.connect().cursor()
    world["a"].script["GetOperationStatus"] = deque([gateway(502)])

    cursor.execute("select 1")

    assert Coordinator("b") == cursor.coordinator


@pytest.mark.parametrize("code", [401, 404, 500])
def test_what_time_does_not_heal_is_not_asked_again(world, code):
    cursor = world.connect().cursor()
    pauses = patient(cursor)
    world["a"].script["GetOperationStatus"] = deque([gateway(code)])

    with pytest.raises(errors.OperationalError, match=f"HTTP code {code}"):
        cursor.execute("insert into t values (1)")

    assert [] == pauses
    assert 1 == world["a"].count("GetOperationStatus")


def test_another_error_after_a_wait_is_what_it_is(world):
    cursor = world.connect().cursor()
    patient(cursor)
    world["a"].script["GetOperationStatus"] = deque([gateway(502), gateway(500)])

    with pytest.raises(OutcomeUnknown, match="HTTP code 500"):
        cursor.execute("insert into t values (1)")


def test_a_coordinator_that_is_gone_after_a_wait_is_lost(world):
    cursor = world.connect().cursor()
    patient(cursor)
    world["a"].script["GetOperationStatus"] = deque([gateway(502)])
    cursor._session.link.service.reconnect = lambda _: False

    with pytest.raises(OutcomeUnknown, match="HTTP code 502"):
        cursor.execute("insert into t values (1)")


@pytest.mark.parametrize(("code", "after"), [(429, 0.0), (429, 7.0), (503, 7.0)])
def test_who_is_busy_is_asked_again_after_the_time_it_said(world, code, after):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([gateway(code, after)])

    cursor.execute("select 1")

    fault = Fault.BUSY if code == 429 else Fault.LATER
    assert [fault, None] == [attempt.fault for attempt in cursor.attempts]
    assert {"a"} == {attempt.coordinator.host for attempt in cursor.attempts}
    assert after <= sum(world.clock.slept) < after + 1.0
    assert not cursor._session.link.broken


def test_who_is_busy_while_opening_is_asked_again_and_nobody_else():
    world = World()
    world["a"].script["OpenSession"] = deque([gateway(503, 2.0)] * 2)

    cursor = world.connect().cursor()

    assert Coordinator("a") == cursor.coordinator
    assert 4.0 <= sum(world.clock.slept) < 5.0


def test_a_write_that_a_gateway_put_off_may_have_run(world):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([gateway(503, 2.0)])

    with pytest.raises(OutcomeUnknown, match="retry after 2 s"):
        cursor.execute("insert into t values (1)")

    assert {"a": ["insert into t values (1)"]} == world.statements()


def test_an_error_that_knows_its_phase_keeps_it(world):
    """A ticket that is needed in the middle of a connection's life."""
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([CallFailed(Phase.TICKET, OSError("no ticket"))])

    with pytest.raises(errors.AuthenticationFailed, match="getting a Kerberos ticket: no ticket"):
        cursor.execute("select 1")


# What a request is known by.


def test_the_requests_of_a_statement_share_an_id_and_are_numbered(monkeypatch):
    """Impala 5.0 cuts the number off, and shows the id in its trace."""
    monkeypatch.setenv("no_proxy", HOST)
    heads = []
    with Peer(hiveserver2_over_http(Answers(), heads.append)) as peer:
        connection = impala_ha.connect(HOST, peer.coordinator.port, use_http_transport=True)
        cursor = connection.cursor()
        for _ in range(2):
            cursor.execute("SELECT 1")
            cursor.fetchall()
        connection.close()

    ids = [found[1].decode() for found in map(REQUEST_ID.search, heads) if found]
    by_statement = {}
    for each in ids:
        name, _, number = each.rpartition("-")
        by_statement.setdefault(name, []).append(int(number))
    assert 2 == len(by_statement)
    for name, numbers in by_statement.items():
        assert 32 == len(name)
        assert list(range(1, len(numbers) + 1)) == numbers
        assert len(numbers) > 1


def test_a_request_id_of_the_users_own_stays(monkeypatch):
    monkeypatch.setenv("no_proxy", HOST)
    heads = []
    with Peer(hiveserver2_over_http(Answers(), heads.append)) as peer:
        connection = impala_ha.connect(
            HOST,
            peer.coordinator.port,
            use_http_transport=True,
            get_user_custom_headers_func=lambda: [("x-request-id", "mine")],
        )
        connection.cursor().execute("SELECT 1")
        connection.close()

    assert {b"mine"} == {found[1] for found in map(REQUEST_ID.search, heads) if found}
