"""A login that fails is judged by whose it is: a refused ticket by one coordinator is its own matter."""

import pytest
from imposter import Imposter, Relay, answered, end, negotiate, receive, request, reset, send
from kerberized import BACKENDS

import impala_ha
from impala_ha import (
    AuthenticationFailed,
    CircuitBreaker,
    Cluster,
    Coordinator,
    NoCoordinatorLeft,
    State,
)
from impala_ha.core.faults import Fault
from impala_ha.testing import FaultProxy, LocalCluster
from real_servers import Realm, missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi")),
]

HERE, THERE = "127.93.0.1", "127.93.0.2"
LONG = 600  # seconds of a deadline that nobody waits for
OK, BAD, ERROR, STRANGE = 2, 3, 4, 77


@pytest.fixture(scope="module")
def realm():
    with Realm(hosts=("coord1.test", "coord2.test")) as realm:
        yield realm


@pytest.fixture(scope="module")
def genuine(realm):
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with LocalCluster(2, auth="GSSAPI", http=True, **keys) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def cache(realm, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'cache'}")
    monkeypatch.setenv("no_proxy", "*")
    realm.kinit("etl", str(tmp_path / "cache"))


@pytest.fixture(params=BACKENDS)
def package(request):
    return request.param


def connect(*where, **options):
    cluster = Cluster(where, policy="ordered")
    defaults = {"auth_mechanism": "GSSAPI", "hedge_after": 0, "deadline": LONG}
    return cluster, lambda: impala_ha.connect(cluster, **{**defaults, **options})


def states(cluster):
    return [each.state for each in cluster.snapshot()]


# How a coordinator may refuse a ticket, and what that is called.


def by_sasl(refuse):
    """Who refuses a ticket with *refuse*, and a mechanism that it does not know in words."""

    def talk(_, client):
        _, mechanism = receive(client)
        if mechanism != b"GSSAPI":
            send(client, BAD, b"Unsupported mechanism type")
            return
        receive(client)
        refuse(client)

    return talk


def by_http(refuse):
    def talk(imposter, client):
        while True:
            head, body = request(client)
            imposter.heard += head + body
            refuse(client)

    return talk


def says(status, *headers):
    return by_http(lambda client: answered(client, *headers, status=status))


NEGOTIATE, BASIC = "WWW-Authenticate: Negotiate", 'WWW-Authenticate: Basic realm="x"'
GARBAGE = b"\x60\x03\x06\x01\x2a" * 20
KINDS = {
    "BAD": (by_sasl(lambda c: send(c, BAD, b"GSS initiate failed")), Fault.REFUSED),
    "ERROR": (by_sasl(lambda c: send(c, ERROR, b"Error validating the login")), Fault.REFUSED),
    "no words": (by_sasl(lambda c: send(c, BAD)), Fault.REFUSED),
    "LDAP alone": (by_sasl(lambda c: send(c, BAD, b"Unsupported mechanism")), Fault.REFUSED),
    "FIN": (by_sasl(end), Fault.REFUSED),
    "half a header and FIN": (by_sasl(lambda c: (c.sendall(b"\3\0"), end(c))), Fault.REFUSED),
    "RST": (by_sasl(reset), Fault.REFUSED),
    "status 77": (by_sasl(lambda c: send(c, STRANGE, b"x")), Fault.MISMATCH),
    "another protocol": (by_sasl(lambda c: c.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")), Fault.MISMATCH),
    "an empty token": (by_sasl(lambda c: send(c, OK)), Fault.UNTRUSTED),
    "a token of garbage": (by_sasl(lambda c: send(c, OK, GARBAGE)), Fault.UNTRUSTED),
    "401": (says("401 Unauthorized", NEGOTIATE), Fault.REFUSED),
    "401 for Basic alone": (says("401 Unauthorized", BASIC), Fault.REFUSED),
    "401 without a header": (says("401 Unauthorized"), Fault.REFUSED),
    "401 with a token of garbage": (says("401 Unauthorized", negotiate(GARBAGE)), Fault.REFUSED),
    "403": (says("403 Forbidden"), Fault.REFUSED),
    "404": (says("404 Not Found"), Fault.MISMATCH),
    "200 with a token of garbage": (says("200 OK", negotiate(GARBAGE)), Fault.UNTRUSTED),
    "no HTTP": (by_http(lambda c: c.sendall(GARBAGE)), Fault.MISMATCH),
    "HTTP and FIN": (by_http(end), Fault.UNREACHABLE),
    "HTTP and RST": (by_http(reset), Fault.UNREACHABLE),
    "502": (says("502 Bad Gateway"), Fault.UNREACHABLE),
}
OVER_HTTP = {kind for kind in KINDS if "HTTP" in kind or kind[:3].isdigit()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_coordinator_is_asked_whatever_the_first_says_to_a_ticket(genuine, kind, package):
    talk, fault = KINDS[kind]
    http = kind in OVER_HTTP
    port = genuine[1].http_port if http else genuine[1].port
    good = Coordinator(genuine[1].host, port, krb_host="coord2.test")
    options = {"use_http_transport": http, "kerberos_backend": package}
    with Imposter(talk, address=HERE) as imposter:
        cluster, opened = connect(imposter.where, good, **options)
        with opened() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert good == cursor.coordinator

    assert 0 < imposter.clients
    if fault is not Fault.UNREACHABLE:
        assert [State.HEALTHY] * 2 == states(cluster)


@pytest.mark.parametrize("kind", [k for k, (_, f) in KINDS.items() if f is not Fault.UNREACHABLE])
def test_what_all_of_them_say_is_reported_at_once_and_for_each(kind):
    talk, fault = KINDS[kind]
    with Imposter(talk, address=HERE) as here, Imposter(talk, address=THERE) as there:
        cluster, opened = connect(here.where, there.where, use_http_transport=kind in OVER_HTTP)
        with pytest.raises(impala_ha.errors.FailoverError) as caught:
            opened()

    assert [fault, fault] == [attempt.fault for attempt in caught.value.attempts]
    assert isinstance(caught.value, AuthenticationFailed) is (fault is Fault.REFUSED)
    assert all(f"- {where} " in str(caught.value) for where in (here.where, there.where))
    assert [State.HEALTHY] * 2 == states(cluster)


@pytest.mark.parametrize("http", [False, True])
def test_one_coordinator_with_another_key_costs_nobody_a_connection(realm, genuine, http):
    """A real one: every second connect used to fail over HTTP.  It is not asked each time."""
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with LocalCluster(1, auth="GSSAPI", http=True, principals="impala/coord2.test", **keys) as one:
        both = [(one[0], "coord1.test"), (genuine[1], "coord2.test")]
        bad, good = (
            Coordinator(each.host, each.http_port if http else each.port, krb_host=name)
            for each, name in both
        )
        cluster = Cluster([bad, good], breaker=CircuitBreaker(ejection=300))
        words = {"auth_mechanism": "GSSAPI", "use_http_transport": http, "deadline": LONG}
        for _ in range(4):
            with impala_ha.connect(cluster, **words) as connection:
                assert good == connection.coordinator

    assert [State.HEALTHY] * 2 == states(cluster)
    assert [True, False] == [bool(each.ejected_with) for each in cluster.snapshot()]


def test_where_one_refuses_and_another_is_not_trusted_nobody_is_left():
    first, second = KINDS["BAD"][0], KINDS["an empty token"][0]
    for one, other in ((first, second), (second, first)):
        with Imposter(one, address=HERE) as here, Imposter(other, address=THERE) as there:
            with pytest.raises(NoCoordinatorLeft):
                connect(here.where, there.where)[1]()


def test_who_shows_nothing_and_is_asked_who_comes_goes_on_as_well():
    """A coordinator with a login among some without is no matter of the caller's alone."""
    with LocalCluster(1, http=True) as local, Imposter(KINDS["401"][0], address=HERE) as imposter:
        good = Coordinator(local[0].host, local[0].http_port)
        _, opened = connect(imposter.where, good, auth_mechanism="NOSASL", use_http_transport=True)
        with opened() as connection:
            assert good == connection.coordinator

        with pytest.raises(AuthenticationFailed, match="auth_mechanism='LDAP'"):
            connect(imposter.where, auth_mechanism="NOSASL", use_http_transport=True)[1]()


def test_a_password_is_still_shown_to_one_alone():
    with LocalCluster(2, auth="LDAP", users={"etl": "right"}, http=True) as local:
        for http in (False, True):
            where = [Coordinator(c.host, c.http_port if http else c.port) for c in local]
            words = {"auth_mechanism": "LDAP", "user": "etl", "password": f"wrong {http}"}
            with pytest.raises(AuthenticationFailed) as caught:
                connect(*where, use_http_transport=http, **words)[1]()
            assert [Fault.DENIED] == [attempt.fault for attempt in caught.value.attempts]


# Who hangs up may refuse, or be gone.


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_login_that_is_cut_once_is_tried_once_more_without_a_word(genuine, how, caplog):
    """Of one coordinator alone: nobody else could be asked."""
    with FaultProxy(genuine[0].address) as proxy:
        host, port = proxy.address.split(":")
        proxy.cut("to_client", 3, how=how)
        _, opened = connect(Coordinator(host, int(port), krb_host="coord1.test"))
        opened().close()

        assert 2 == proxy.connections
    assert [] == caplog.messages  # at WARNING, as each attempt that failed


@pytest.mark.parametrize("close", [end, reset])
def test_who_hangs_up_on_everybody_is_away_and_waited_for(close):
    """A balancer without a coordinator behind it, say."""
    with Imposter(lambda _, client: close(client), address=HERE) as imposter:
        with pytest.raises(NoCoordinatorLeft) as caught:
            connect(imposter.where, deadline=0.5)[1]()

    assert {Fault.UNREACHABLE} == {attempt.fault for attempt in caught.value.attempts}


def test_who_hangs_up_on_a_ticket_is_told_with_what_to_check():
    with Imposter(KINDS["FIN"][0], address=HERE) as imposter:
        with pytest.raises(AuthenticationFailed) as caught:
            connect(imposter.where)[1]()

    text = str(caught.value)
    assert "hangs up on this ticket, and answers those who show none (TSocket read 0 bytes)" in text
    assert "`kinit` replaces" in text
    assert "impala-ha doctor -i" in text


# In the middle, and after the login.


def test_a_read_goes_on_where_its_coordinator_takes_no_ticket_any_more(genuine):
    relay = Relay((genuine[0].host, genuine[0].http_port))
    good = Coordinator(genuine[1].host, genuine[1].http_port, krb_host="coord2.test")
    options = {"use_http_transport": True, "http_cookie_names": []}
    with Imposter(relay, address=HERE) as imposter:
        _, opened = connect(imposter.where, good, **options)
        with opened() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert imposter.where == cursor.coordinator
            relay.turned = True
            cursor.execute("SELECT 2")
            assert [(2,)] == cursor.fetchall()
            assert good == cursor.coordinator


@pytest.mark.parametrize("http", [False, True])
def test_who_may_not_act_for_another_is_refused_once(realm, genuine, http):
    """That comes after the login, and each coordinator would say the same."""
    where = [
        Coordinator(c.host, c.http_port if http else c.port, krb_host=f"coord{n}.test")
        for n, c in enumerate(genuine, 1)
    ]
    with pytest.raises(AuthenticationFailed, match="not authorized to delegate") as caught:
        connect(*where, doas_user="bob", use_http_transport=http)[1]()

    assert [Fault.DENIED] == [attempt.fault for attempt in caught.value.attempts]
