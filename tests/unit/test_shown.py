"""How often a password arrives at servers: once, however its login ends."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Thread

import pytest
from counting import serving

import impala_ha
from impala_ha import AuthenticationFailed, Cluster
from impala_ha.cli.doctor.context import Context
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed
from impala_ha.core.login_throttle import LoginBlocked, LoginThrottle, StaleCredential
from impala_ha.failover.hedging import _OPENING
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeClock

pytestmark = [pytest.mark.slow(70), pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(params=["binary", "http"])
def servers(request):
    with serving(request.param) as found:
        yield found


BINARY = ["status", "FIN", "RST", "silence", "garbage"]
ENDED = [("binary", each) for each in BINARY] + [
    ("http", each) for each in [*BINARY, "403", "500", "503"]
]


@pytest.fixture(params=ENDED, ids="-".join)
def ended(request):
    """Servers that end a login with a wrong password in one of the ways there are."""
    protocol, ending = request.param
    with serving(protocol) as found:
        found.ending = ending
        yield found


def words(servers, **more):
    return {
        "auth_mechanism": "LDAP",
        "user": "etl",
        "use_http_transport": servers.protocol == "http",
        "connect_timeout": 0.7,
        "deadline": 3,
        "hedge_after": 0.05,
        "probe_after": 0,
        **more,
    }


def connect(servers, **more):
    return impala_ha.connect(Cluster(servers.hosts), **words(servers, **more))


def shown(servers):
    """How often the good one was shown, also by opens that lost to others and still go on."""
    for thread in list(_OPENING):
        thread.join(20)
    return servers.counted["good"]


def test_a_wrong_password_arrives_once_in_a_process(ended):
    servers = ended
    for _ in range(3):
        with pytest.raises(AuthenticationFailed) as caught:
            connect(servers, password="wrong")

    assert {"wrong": 1} == servers.counted
    assert "this password was shown to 127.0.0.1:" in str(caught.value)
    assert "wrong" not in str(caught.value).replace("went wrong", "")


def test_twenty_threads_show_a_wrong_password_once(ended):
    servers = ended

    def failed(_):
        with pytest.raises(AuthenticationFailed):
            connect(servers, password="wrong")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(failed, range(20)))

    assert {"wrong": 1} == servers.counted


def test_a_pool_shows_the_old_password_once_after_a_change(ended):
    servers = ended
    now = ["good"]
    pooled = [connect(servers, password=lambda: now[0]) for _ in range(20)]
    old = shown(servers)
    servers.good = now[0] = "better"
    for each in pooled:
        each._failover.links.detach(each._failover.links.current)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda each: each.cursor(), pooled))

    assert old + 1 == servers.counted["good"]
    for each in pooled:
        each.close()


def test_a_probe_takes_a_refusal_for_a_sign_of_life_and_shows_the_password_once(ended):
    servers = ended
    driver = ImpylaDriver(Options(**words(servers, password="good")), SystemClock(), servers.hosts)
    driver.open(servers.hosts[0], "etl", {}, 5.0).close()
    old = shown(servers)
    servers.good = "better"
    told = [driver.probe(servers.hosts[0], "etl") for _ in range(3)]

    assert ["", ""] == told[1:]
    if (servers.protocol, servers.ending) in REFUSED:
        assert not told[0]
    assert old + 1 == servers.counted["good"]


#: What says that the password was not taken, and not only that something went wrong.
REFUSED = [("binary", "status"), ("binary", "FIN"), ("http", "status"), ("http", "403")]


def test_a_select_gets_its_rows_although_probes_are_refused(ended):
    servers = ended
    connection = connect(servers, password=lambda: servers.good, probe_after=0.1, connect_timeout=3)
    cursor = connection.cursor()
    shown(servers)
    server = servers.answers.server
    server.rows = ["one"]
    old = []

    def fetched(request):
        """Answer once four probes have come."""
        servers.good, before = "better", sum(peer.accepted for peer in servers.peers)
        old.append(servers.counted["good"])
        for _ in range(1500):
            if sum(peer.accepted for peer in servers.peers) >= before + 4:
                break
            servers.peers[0].gone.wait(0.01)
        return server._FetchResults(request)

    server.script["FetchResults"].append(fetched)
    cursor.execute("select c from t")

    assert [("one",)] == cursor.fetchall()
    assert [servers.counted["good"] - 1] == old
    connection.close()


def test_another_password_is_tried_at_once(ended):
    servers = ended
    given = iter(["wrong"])
    with suppress(AuthenticationFailed):
        connect(servers, password=lambda: next(given, "good")).close()
    connect(servers, password="good").close()

    assert 1 == servers.counted["wrong"]


def test_a_hedged_open_shows_a_wrong_password_to_one_coordinator(ended):
    servers = ended
    servers.delay = 0.5
    with pytest.raises(AuthenticationFailed):
        connect(servers, password="wrong", connect_timeout=3, deadline=9)

    assert {"wrong": 1} == servers.counted


@pytest.mark.parametrize("mechanism", ["LDAP", "NOSASL"])
def test_a_second_coordinator_is_asked_at_once_only_with_what_was_accepted(servers, mechanism):
    options = Options(**words(servers, password="good", auth_mechanism=mechanism))
    driver = ImpylaDriver(options, SystemClock(), servers.hosts)
    before = driver.trusted("etl")
    connect(servers, password="good").close()

    assert (mechanism == "NOSASL", True) == (before, driver.trusted("etl"))


def test_a_password_that_cannot_be_read_anew_is_not_shown_again(ended):
    servers = ended
    given = iter(["wrong"])
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            connect(servers, password=lambda: next(given))

    assert {"wrong": 1} == servers.counted


@pytest.mark.parametrize(("protocol", "ending"), REFUSED[:3])
def test_a_password_that_is_refused_is_shown_once_by_all_that_a_connection_does(protocol, ending):
    with serving(protocol) as servers:
        servers.ending = ending
        connection = connect(servers, password="good")
        old = shown(servers)
        servers.good = "better"
        connection._failover.links.detach(connection._failover.links.current)
        for opened in (connection.cursor, connection.reconnect, connection.cursor):
            with pytest.raises(AuthenticationFailed):
                opened()

        assert old + 1 == servers.counted["good"]
        connection.close()


def test_a_gateway_that_is_not_well_says_nothing_of_a_password():
    with serving("http") as away, serving("http") as servers:
        away.well = False
        hosts = [*away.hosts, *servers.hosts]
        cluster = Cluster(hosts, policy="ordered")
        connection = impala_ha.connect(cluster, **words(servers, password="good"))

        assert servers.hosts[0] == connection.coordinator
        assert not away.counted
        connection.close()


def test_who_was_let_in_once_comes_without_a_knock(servers):
    connect(servers, password="good", hedge_after=0).close()
    before = sum(peer.accepted for peer in servers.peers)
    connect(servers, password="good", hedge_after=0).close()

    assert before + 1 == sum(peer.accepted for peer in servers.peers)


def test_a_password_that_was_accepted_goes_on_from_a_coordinator_that_ended(servers):
    connect(servers, password="good").close()
    servers.peers[0].end()

    for _ in range(3):
        connect(servers, password="good").close()


def test_a_coordinator_that_ends_in_a_login_does_not_speak_against_a_password_that_is_known():
    with serving("binary") as servers:
        cluster = Cluster(servers.hosts, policy="ordered")
        impala_ha.connect(cluster, **words(servers, password="good")).close()
        first = servers.peers[0]

        def end(connection, peer):
            peer._listener.shutdown(socket.SHUT_RDWR)
            peer._listener.close()
            servers.good = "good"

        servers.end, servers.good = end, "another"
        told = impala_ha.connect(cluster, **words(servers, password="good"))

        assert told.coordinator != first.coordinator
        told.close()


def test_a_hedged_open_shows_the_old_password_to_one_coordinator_after_a_change(ended):
    servers = ended
    if servers.ending == "403":
        return  # it may be another one's, who forbids more than a login
    servers.delay = 0.5
    connect(servers, password="good").close()
    old = shown(servers)
    reads = iter(["good"])
    servers.good = "better"
    connect(servers, password=lambda: next(reads, "better"), connect_timeout=3, deadline=9).close()

    assert old + 1 == servers.counted["good"]


def test_the_doctor_shows_a_wrong_password_to_one_coordinator(ended):
    servers = ended
    context = Context(Options(**words(servers, password="wrong")), SystemClock(), 0, servers.hosts)
    for host in servers.hosts:
        with suppress(CallFailed):
            context.open(host)

    assert {"wrong": 1} == servers.counted


@pytest.mark.parametrize("ending", [each for protocol, each in ENDED if protocol == "http"])
def test_a_token_that_was_not_taken_arrives_once(ending):
    with serving("http") as servers:
        servers.scheme, servers.ending = b"Bearer", ending
        for _ in range(3):
            with pytest.raises(AuthenticationFailed):
                connect(servers, auth_mechanism="JWT", jwt="wrong", user=None)

        assert {"wrong": 1} == servers.counted


def test_another_token_is_shown_at_once():
    with serving("http") as servers:
        servers.scheme, servers.ending = b"Bearer", "status"
        given = iter(["wrong"])
        connect(servers, auth_mechanism="JWT", jwt=lambda: next(given, "good"), user=None).close()

        assert 1 == servers.counted["wrong"]


@pytest.mark.parametrize(("protocol", "ending"), ENDED)
def test_a_wrong_password_arrives_once_over_tls(protocol, ending, tls):
    with serving(protocol, context=tls.here) as servers:
        servers.ending = ending
        for _ in range(3):
            with pytest.raises(AuthenticationFailed):
                connect(servers, password="wrong", use_ssl=True, ca_cert=tls.ca)

        assert {"wrong": 1} == servers.counted


def test_over_tls_nobody_is_asked_twice(tls):
    for protocol in ("binary", "http"):
        with serving(protocol, 1, tls.here) as servers:
            connect(servers, password="good", use_ssl=True, ca_cert=tls.ca).close()

            assert 1 == servers.peers[0].accepted


def test_a_statement_outlives_a_password_that_is_changed(servers):
    servers.ending = "FIN" if servers.protocol == "binary" else "status"
    connection = connect(servers, password="good", probe_after=0.1, connect_timeout=5)
    try:
        cursor = connection.cursor()
        servers.good = "better"
        watch = connection._failover.links.current.client.transport.probe

        assert ["", "", ""] == [watch() for _ in range(3)]
        assert cursor is not None
    finally:
        connection.close()


# The book, on a clock that is wound by hand.

A, B = "a:21050", "b:21050"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def book(clock):
    return LoginThrottle(clock.now)


def begun(book, where=A, scope=(A, B), **how):
    return book.begin(b"key", scope, "password", where, 0.05, **how)


def test_what_was_refused_is_never_shown_again_in_its_cluster(book, clock):
    begun(book).refused("no")
    clock.sleep(1e6)

    with pytest.raises(LoginBlocked, match=r"was shown to a:21050 at .* and was refused \(no\)"):
        begun(book, B)
    begun(book, "c:21050", ("c:21050",)).accepted()


def test_what_nobody_answered_is_kept_back_for_longer_each_time(book, clock):
    for seconds in (60, 120, 240):
        begun(book).failed("reset")
        clock.sleep(seconds - 1)
        with pytest.raises(LoginBlocked, match="may have refused it .* not shown again for 1 s"):
            begun(book, B)
        clock.sleep(1)


def test_a_secret_that_was_accepted_is_read_anew_where_a_login_breaks(book):
    begun(book).accepted()
    begun(book).failed("reset")

    with pytest.raises(StaleCredential, match="broke at a:21050"):
        begun(book, B)
    begun(book, B, read_anew=True).accepted()
    begun(book).over()


def test_a_secret_that_was_accepted_and_then_refused_is_not_believed(book):
    begun(book).accepted()
    begun(book).refused("no")

    assert not book.trusts(b"key", (A, B))
    with pytest.raises(LoginBlocked):
        begun(book)


def test_no_more_than_two_show_a_password_whose_verdict_takes_its_time():
    """It was accepted once, and may have been changed since."""
    book, everyone = LoginThrottle(), (A, B, "c:21050")

    def begin(where):
        return book.begin(b"key", everyone, "password", where, 30, read_anew=True)

    begin(A).accepted()
    first = begin(A)
    second = begin(B)
    with ThreadPoolExecutor(3) as threads:
        more = [threads.submit(begin, where) for where in everyone]
        done, _ = wait(more, 1, "FIRST_COMPLETED")
        assert not done

        first.refused("no")
        second.refused("no")

        for one in more:
            with pytest.raises(LoginBlocked, match="was refused"):
                one.result(20)


def test_a_login_that_never_ends_holds_up_others_no_longer_than_it_may_take(book, clock):
    begun(book)
    clock.sleep(11)

    begun(book).accepted()


def test_what_was_accepted_before_it_was_refused_elsewhere_stays_refused(book, clock):
    slow = begun(book, "a:21050")
    slow.established = True
    clock.sleep(1)
    begun(book, B).refused("no")
    slow.accepted()

    with pytest.raises(LoginBlocked):
        begun(book)


def test_of_secrets_that_come_and_go_the_last_ten_thousand_are_known(book):
    keys = [b"%d" % number for number in range(10_001)]
    for key in keys:
        book.accept(key, (A,), A, 0.0)

    assert keys[1:] == [key for key in keys if book.trusts(key, (A,))]


def test_nobody_reads_a_secret_anew_because_a_statement_takes_its_time(book, clock):
    begun(book).accepted()
    begun(book).established = True
    clock.sleep(1)

    begun(book, B).accepted()


def test_nobody_goes_on_while_the_end_of_a_login_is_judged(book, clock):
    begun(book).accepted()
    first, told = begun(book), []
    first.ended = True
    clock.sleep(1)

    def second():
        try:
            book.begin(b"key", (A, B), "password", B, 30, read_anew=True)
        except LoginBlocked as error:
            told.append(error)

    thread = Thread(target=second)
    thread.start()
    thread.join(0.1)
    first.refused("no")
    thread.join(10)

    assert told
