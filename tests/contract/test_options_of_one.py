"""One caller's mistake: it is told to that caller, and ejects nobody for the others of the process."""

import itertools
from collections import Counter
from contextlib import suppress

import pytest
from kerberized import BACKENDS

import impala_ha
from impala_ha import Cluster, OperationalError, State
from impala_ha.balancing.circuit_breaker import CircuitBreaker
from impala_ha.options.hosts import parse_hosts
from impala_ha.testing import LocalCluster
from real_servers import Certificates, Realm, missing

NEEDED = ("realm", "gssapi")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing(*NEEDED)), reason=missing(*NEEDED)),
]


@pytest.fixture(scope="module")
def other_ca():
    with Certificates() as others:
        yield others.ca


@pytest.fixture(scope="module")
def realm():
    with Realm(hosts=("coord1.test", "coord2.test", "coord3.test", "other.test")) as realm:
        yield realm


@pytest.fixture(scope="module")
def plain():
    with LocalCluster(3, http=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def encrypted(certificates):
    pems = [certificates.of(f"127.0.0.{number}") for number in (1, 2, 3)]
    with LocalCluster(3, tls=pems, http=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kerberized(realm):
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with LocalCluster(3, auth="GSSAPI", http=True, **keys) as cluster:
        yield cluster


def known(hosts):
    """A cluster where an ejection would be seen."""
    return Cluster(parse_hosts(hosts)[0], breaker=CircuitBreaker(ejection=300))


def spread(cluster, **options):
    """How many of nine connections each coordinator has, in order."""
    connections = [impala_ha.connect(cluster, hedge_after=0, **options) for _ in range(9)]
    found = Counter(connection.coordinator for connection in connections)
    for connection in connections:
        connection.close()
    return [found[coordinator] for coordinator in cluster.coordinators]


def check_nobody_else_suffers(cluster, wrong, right):
    with pytest.raises(OperationalError):
        impala_ha.connect(cluster, **{"deadline": 1, "connect_timeout": 1, **wrong})
    check_all_are_well(cluster, right)


def check_all_are_well(cluster, right):
    assert [State.HEALTHY] * 3 == [each.state for each in cluster.snapshot()], repr(cluster)

    assert [3, 3, 3] == spread(cluster, **right)


@pytest.mark.parametrize(
    "wrong",
    [
        {"use_ssl": True},
        {"use_ssl": True, "verify_cert": True},
        {"auth_mechanism": "PLAIN"},
        {"auth_mechanism": "LDAP", "user": "etl", "password": "s3cret"},
        {"use_http_transport": True},
        {"use_http_transport": True, "use_ssl": True},
    ],
    ids=str,
)
def test_another_protocol_than_that_of_the_port(plain, wrong):
    check_nobody_else_suffers(known(plain.hosts), wrong, {})


@pytest.mark.parametrize("http", [False, True])
def test_less_time_than_it_takes(plain, http):
    cluster = known(plain.http_hosts if http else plain.hosts)
    for _ in range(5):
        with suppress(OperationalError):  # once in a while it is enough
            words = {"connect_timeout": 1e-6, "deadline": 0.1, "hedge_after": 1e-6}
            impala_ha.connect(cluster, use_http_transport=http, **words).close()

    check_all_are_well(cluster, {"use_http_transport": http})


@pytest.mark.parametrize("wrong", [{}, {"use_ssl": True}, {"auth_mechanism": "PLAIN"}], ids=str)
def test_another_protocol_than_that_of_the_http_port(plain, wrong):
    check_nobody_else_suffers(known(plain.http_hosts), wrong, {"use_http_transport": True})


@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    "wrong", [{}, {"use_ssl": True, "verify_cert": True}, {"use_ssl": True, "ca_cert": "other"}]
)
def test_tls_that_is_forgotten_or_trusts_another_ca(encrypted, certificates, other_ca, http, wrong):
    if "ca_cert" in wrong:
        wrong = {**wrong, "ca_cert": other_ca}
    form = {"use_http_transport": http}
    hosts = encrypted.http_hosts if http else encrypted.hosts
    right = {"use_ssl": True, "ca_cert": certificates.ca, **form}
    check_nobody_else_suffers(known(hosts), {**wrong, **form}, right)


@pytest.fixture
def etl(realm, monkeypatch, tmp_path):
    caches = itertools.count()

    def log_in(ahead=0.0):
        cache = str(tmp_path / f"cache{next(caches)}")
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
        realm.kinit("etl", cache)
        return cache

    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    log_in()
    return log_in


def secured(cluster, http):
    """Its hosts with their names."""
    hosts = (cluster.http_hosts if http else cluster.hosts).split(",")
    return ",".join(f"{host}?krb_host=coord{n}.test" for n, host in enumerate(hosts, 1))


@pytest.mark.usefixtures("etl")
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize("package", BACKENDS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"auth_mechanism": "NOSASL"},
        {"auth_mechanism": "PLAIN"},
        {"use_ssl": True},
        {"kerberos_service_name": "nobody"},
    ],
    ids=str,
)
def test_another_login_than_the_coordinators_take(kerberized, http, package, wrong):
    right = {"auth_mechanism": "GSSAPI", "use_http_transport": http, "kerberos_backend": package}
    check_nobody_else_suffers(known(secured(kerberized, http)), {**right, **wrong}, right)


@pytest.mark.usefixtures("etl")
@pytest.mark.parametrize("package", BACKENDS)
def test_the_key_of_another(kerberized, package):
    """As connect() makes it: the names are options, so one cluster serves all."""
    names = {str(host): f"coord{n}.test" for n, host in enumerate(kerberized.hosts.split(","), 1)}
    words = {"auth_mechanism": "GSSAPI", "kerberos_backend": package}
    cluster = known(kerberized.hosts)

    check_nobody_else_suffers(
        cluster, {**words, "krb_host": "other.test"}, {**words, "krb_host": names}
    )


@pytest.mark.parametrize("package", BACKENDS)
@pytest.mark.parametrize("http", [False, True])
def test_a_clock_that_is_wrong_with_a_cached_ticket(kerberized, realm, etl, http, package):
    words = {"auth_mechanism": "GSSAPI", "use_http_transport": http, "kerberos_backend": package}
    cluster = known(secured(kerberized, http))
    cache = etl()
    for coordinator in cluster.coordinators:
        impala_ha.connect(Cluster([coordinator]), **words).close()
    realm.set_clock(3600, cache)
    with pytest.raises(OperationalError) as caught:
        impala_ha.connect(cluster, deadline=1, **words)
    etl()

    assert [State.HEALTHY] * 3 == [each.state for each in cluster.snapshot()], caught.value
    assert [3, 3, 3] == spread(cluster, **words)


# What is learned all the same.


def test_those_with_the_same_options_learn_from_each_other(certificates):
    """And whoever looks sees for whom a coordinator is ejected."""
    pems = [certificates.of("elsewhere.test"), *[certificates.of(f"127.0.0.{n}") for n in (2, 3)]]
    words = {"use_ssl": True, "ca_cert": certificates.ca, "hedge_after": 0}
    with LocalCluster(3, tls=pems) as mixed:
        cluster = Cluster(
            parse_hosts(mixed.hosts)[0], policy="ordered", breaker=CircuitBreaker(ejection=300)
        )
        with impala_ha.connect(cluster, **words) as connection:
            assert cluster.coordinators[1] == connection.coordinator
            assert 2 == len(connection._failover.cluster.failures(connection.options.key)) + 1
        with impala_ha.connect(cluster, **words, user="another") as connection:
            assert cluster.coordinators[1] == connection.coordinator

        (form,) = cluster.snapshot()[0].ejected_with
        assert f"use_ssl=True, ca_cert='{certificates.ca}'" in form
        with impala_ha.connect(cluster, use_ssl=True, hedge_after=0) as unverified:
            assert cluster.coordinators[0] == unverified.coordinator


def test_one_whose_port_is_closed_is_ejected_for_all(plain):
    plain[0].kill()
    try:
        cluster = known(plain.hosts)
        impala_ha.connect(cluster, policy=None, hedge_after=0).close()
        impala_ha.connect(cluster, hedge_after=0).close()
        impala_ha.connect(cluster, hedge_after=0).close()
        assert State.EJECTED is cluster.snapshot()[0].state
        assert () == cluster.snapshot()[0].ejected_with
    finally:
        plain.heal()


def test_a_statement_that_takes_longer_than_ones_time_limit(plain):
    cluster = known(plain.hosts)
    with impala_ha.connect(cluster, timeout=0.3) as connection:
        cursor = connection.cursor()
        for coordinator in plain:
            coordinator.delay(30, "ExecuteStatement")
        with pytest.raises(OperationalError, match="after 3 attempts"):
            cursor.execute("SELECT 1")
    plain.heal()

    assert [State.HEALTHY] * 3 == [each.state for each in cluster.snapshot()], repr(cluster)
    assert [3, 3, 3] == spread(cluster)


def test_one_that_is_silent_to_options_it_knows_is_ejected_for_all(plain):
    cluster = known(plain.hosts)
    words = {"hedge_after": 0, "connect_timeout": 2}
    for _ in range(3):
        impala_ha.connect(cluster, **words).close()
    plain[0].hang()
    for _ in range(3):
        impala_ha.connect(cluster, **words).close()
    plain.heal()

    assert State.EJECTED is cluster.snapshot()[0].state
    assert () == cluster.snapshot()[0].ejected_with
