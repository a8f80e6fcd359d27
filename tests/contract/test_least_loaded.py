"""The policy least_loaded against coordinators whose web pages tell their load."""

from __future__ import annotations

import base64
from collections import Counter
from contextlib import ExitStack

import pytest
from kerberized import MARKS

import impala_ha
from impala_ha import State
from impala_ha.balancing import cluster as room
from impala_ha.discovery.sources import make_source
from impala_ha.failover import load
from impala_ha.options.host_urls import parse_url
from impala_ha.options.options import Options
from impala_ha.testing import LocalCluster
from load_pages import LoadPages

pytestmark = pytest.mark.servers

EARLY = 10.0  # seconds that are never used up


@pytest.fixture(autouse=True)
def fresh():
    room._SHARED.clear()
    room._IN_USE.clear()
    load._WARNED.clear()


def connect(cluster, **options):
    hosts = [f"{each.host}:{each.port}" for each in cluster]
    options = {"policy": "least_loaded", "web_timeout": EARLY, **options}
    return impala_ha.connect(hosts, **options)


def opened(cluster, times, **options):
    """To which each of so many connections went, one after the other."""
    found = Counter()
    for _ in range(times):
        with connect(cluster, **options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            found[cursor.coordinator.host] += 1
    return found


def told(cluster, **options):
    """What is known of their loads, by host, once each was met."""
    known = {}
    for _ in range(200):  # each is met by chance
        with connect(cluster, **options) as connection:
            state = connection.cluster
            now = state.clock.now()
            known = {c.host: t for c, t in state.board.reports(state.coordinators, now).items()}
        if len(known) == len(cluster):
            break
    return known


def test_a_loaded_coordinator_gets_no_new_connections(cluster):
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(impala_ha.connect(cluster[0].host, cluster[0].port))
        told(cluster)

        seen = opened(cluster, 30)

    assert 0 == seen[cluster[0].host]
    assert min(seen[each.host] for each in list(cluster)[1:]) >= 5


def test_registered_queries_are_load(cluster):
    with impala_ha.connect(cluster[0].host, cluster[0].port) as connection:
        cursors = [connection.cursor() for _ in range(10)]
        for cursor in cursors:
            cursor.execute("SELECT 1 UNION ALL SELECT 2")
        loads = told(cluster)

    assert loads[cluster[0].host].load > max(loads[each.host].load for each in list(cluster)[1:])


def test_the_number_of_service_threads_is_read():
    with LocalCluster(1, flags={"fe_service_threads": 4}) as small, connect(small):
        (found,) = told(small).values()

    assert (4, 0.25) == (found.threads, found.load)


def test_one_that_drains_is_left_before_a_connection_meets_it(cluster):
    told(cluster)
    cluster[1].drain()
    with connect(cluster) as connection:
        state = connection.cluster
        for coordinator in state.coordinators:  # the next readings are due
            state.board.note_port(coordinator, 1, state.clock.now())
            web = cluster[state.coordinators.index(coordinator)].web_address
            state.board.note_port(coordinator, int(web.rpartition(":")[2]), state.clock.now())
    before = len(cluster[1].sessions)

    seen = opened(cluster, 15)
    states = {each.coordinator.host: each.state for each in state.snapshot()}

    assert 0 == seen[cluster[1].host]
    assert State.DRAINING is states[cluster[1].host]
    assert before == len(cluster[1].sessions)


def test_the_port_of_http_is_counted_for_itself(over_http):
    where = over_http[0]
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(impala_ha.connect(where.host, where.port))
        known = None
        for _ in "first", "second":  # the first one learns where the pages are
            with impala_ha.connect(
                where.host,
                where.http_port,
                use_http_transport=True,
                policy="least_loaded",
                web_timeout=EARLY,
            ) as connection:
                state = connection.cluster
                known = state.board.reports(state.coordinators, state.clock.now())
        (found,) = known.values()

    assert found.load <= 1 / 64


# -- Kerberos ------------------------------------------------------------------------------------


def spnego(realm, host):
    """The login of a web server that takes tickets for HTTP/*host*."""
    import gssapi  # noqa: PLC0415

    name = gssapi.Name(f"HTTP/{host}@{realm.name}", gssapi.NameType.kerberos_principal)
    keys = gssapi.Credentials(name=name, usage="accept", store={"keytab": realm.server_keytab})

    def login(given, _):
        word, _, token = given.partition(" ")
        if word != "Negotiate":
            return "Negotiate"
        context = gssapi.SecurityContext(creds=keys, usage="accept")
        answer = context.step(base64.b64decode(token))
        users.append(str(context.initiator_name))
        return (f"Negotiate {base64.b64encode(answer).decode()}",)

    users = []
    login.users = users
    return login


@pytest.fixture
def kerberos(monkeypatch):
    monkeypatch.setenv("KRB5RCACHENAME", "none:")


def told_with_a_ticket(two, login):
    """What the pages of the first of *two*, which ask for this *login*, tell to who has a ticket."""
    with (
        LoadPages(two[0].host, login=login) as pages,
        impala_ha.connect(
            f"{two[0].host}:{two[0].port}?krb_host=coord1.test",
            auth_mechanism="GSSAPI",
            policy="least_loaded",
            web_port=pages.port,
            web_timeout=EARLY,
        ) as connection,
    ):
        state = connection.cluster
        return list(state.board.reports(state.coordinators, state.clock.now()).values())


@MARKS[1]
@pytest.mark.usefixtures("kerberos", "etl")
def test_a_ticket_is_shown_where_the_pages_ask_for_one(two, realm):
    login = spnego(realm, "coord1.test")
    (found,) = told_with_a_ticket(two, login)

    assert 0.25 == found.load
    assert {f"etl@{realm.name}"} == set(login.users)
    assert 3 == len(login.users)


@MARKS[1]
@pytest.mark.usefixtures("kerberos", "etl")
def test_a_refused_ticket_is_about_one_web_server_and_no_other(two, caplog):
    """It locks nobody's account, and the key of one may be missing or old."""
    with LoadPages(two[0].host, login=lambda *_: "Negotiate") as pages:
        with impala_ha.connect(
            f"{two[0].host}:{two[0].port}?krb_host=coord1.test",
            auth_mechanism="GSSAPI",
            policy="least_loaded",
            web_port=pages.port,
            web_timeout=EARLY,
        ) as connection:
            state = connection.cluster
            seen = state.board.lease([connection.coordinator], state.clock.now() + 600)
        assert sum("Authorization" in headers for _, headers in pages.asked) == 1
    assert seen is not None, "it is not left alone for an hour"
    assert "it refused the Kerberos ticket" in caplog.text


def backends(pages, name="listed"):
    """What a web server says of the cluster: one coordinator."""
    pages.pages["/backends"] = {"backends": [{"address": f"{name}:27000"}]}
    pages.pages["/varz"] = {"flags": [{"name": "hs2_port", "current": "21051"}]}


@MARKS[1]
@pytest.mark.usefixtures("kerberos", "etl")
def test_a_ticket_is_shown_for_the_list_of_backends(two, realm):
    """The first has lost its key and takes none; the second does."""
    login = spnego(realm, "coord1.test")
    with (
        LoadPages(two[0].host, login=lambda *_: "Negotiate") as first,
        LoadPages(two[1].host, login=login) as second,
    ):
        backends(first, "wrong")
        backends(second)
        places = f"{two[0].host}:{first.port},{two[1].host}:{second.port}"
        url = parse_url(f"backends://{places}", None)
        options = Options(auth_mechanism="GSSAPI", krb_host="coord1.test")
        found = make_source(url, options).resolve(EARLY)

    assert ["listed:21051"] == [str(each) for each in found]
    assert {f"etl@{realm.name}"} == set(login.users)
    assert sum("Authorization" in headers for _, headers in first.asked) == 1


@MARKS[1]
@pytest.mark.usefixtures("kerberos", "etl")
def test_a_server_that_does_not_prove_who_it_is_is_not_believed(two):
    def login(given, _):
        return None if given.startswith("Negotiate ") else "Negotiate"

    assert [] == told_with_a_ticket(two, login)
