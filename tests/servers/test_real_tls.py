"""TLS at servers that others wrote: what is wrong with a certificate is told host by host."""

from __future__ import annotations

import pytest

import impala_ha
from real_servers import Certificates, missing

pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.servers,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing("spark")), reason=missing("spark")),
]

GOOD, EXPIRED, MISNAMED = range(3)


@pytest.fixture(scope="module")
def three(spark, certificates):
    """Good, expired, and one that shows the name of another."""
    shown = [
        certificates.of("127.0.0.2"),
        certificates.of("127.0.0.3", expired=True),
        certificates.of("coord9.test"),
    ]
    plans = [{"host": f"127.0.0.{n}", "tls": pem} for n, pem in enumerate(shown, 2)]
    with spark(*plans, warm=False) as servers:
        yield servers


def cluster(*servers):
    return impala_ha.Cluster([server.coordinator for server in servers], policy="ordered")


def options(three, certificates, **more):
    limits = {"timeout": 60, "connect_timeout": 60, "deadline": 60}
    return {**three[GOOD].options, "ca_cert": certificates.ca, **limits, **more}


def test_each_bad_certificate_is_told_with_its_host(three, certificates):
    servers = [three[EXPIRED], three[MISNAMED]]

    with pytest.raises(impala_ha.NoCoordinatorLeft) as told:
        impala_ha.connect(cluster(*servers), **options(three, certificates, deadline=5))

    about = {
        server.port: next(
            line for line in str(told.value).splitlines() if f"{server.host}:{server.port}" in line
        )
        for server in servers
    }
    assert "certificate has expired" in about[three[EXPIRED].port]
    assert "IP address mismatch" in about[three[MISNAMED].port]


def test_an_unknown_authority_is_reported(three, certificates):
    with Certificates() as others:
        with pytest.raises(impala_ha.NoCoordinatorLeft, match="unable to get local issuer"):
            impala_ha.connect(
                cluster(three[GOOD]), **options(three, certificates, ca_cert=others.ca, deadline=5)
            )


def test_the_one_with_a_good_certificate_is_found_and_none_is_ejected(three, certificates):
    """A bad certificate is a matter between it and this client: it does not say who is well."""
    known = cluster(three[EXPIRED], three[MISNAMED], three[GOOD])

    with impala_ha.connect(known, **options(three, certificates)) as connection:
        assert connection.coordinator == three[GOOD].coordinator

    assert {found.state for found in known.snapshot()} == {impala_ha.State.HEALTHY}


def test_a_session_over_tls_writes_and_reads(three, certificates):
    with impala_ha.connect(cluster(three[GOOD]), **options(three, certificates)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE written (n BIGINT) USING csv")
            cursor.execute("INSERT INTO written SELECT id FROM range(10000)")
            cursor.execute("SELECT count(*), sum(n) FROM written")
            assert cursor.fetchall() == [(10_000, 49_995_000)]


def test_without_an_authority_nothing_is_verified_as_with_impyla(three):
    for server in three:
        with impala_ha.connect(cluster(server), **server.options) as connection:
            assert connection.coordinator == server.coordinator


def test_a_client_without_tls_is_told_that_this_is_tls(three):
    plain = {**three[GOOD].options, "use_ssl": False, "deadline": 5}

    with pytest.raises(impala_ha.Error, match=f"{three[GOOD].host}:{three[GOOD].port}"):
        impala_ha.connect(cluster(three[GOOD]), **plain)
