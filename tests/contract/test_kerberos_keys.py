"""Coordinators whose keys are made anew while jobs run: old tickets are replaced, once."""

import logging
import re
import shutil

import pytest
from kerberized import MARKS

import impala_ha
from impala_ha import Cluster, Coordinator, Error
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed
from impala_ha.errors import ConfigurationError
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options

pytestmark = [*MARKS, pytest.mark.usefixtures("nobody")]


@pytest.fixture
def one(two):
    return two[0]


@pytest.fixture(params=["binary", "http"])
def connect(request, one):
    """Open a connection, in a cluster of its own: what one test learns is no news to the next."""
    over_http = request.param == "http"
    port = one.http_port if over_http else one.port

    def opened(name="coord1.test", **options):
        cluster = Cluster([Coordinator(one.host, port, krb_host=name)])
        words = {"auth_mechanism": "GSSAPI", "use_http_transport": over_http, "deadline": 0.01}
        return impala_ha.connect(cluster, **{**words, **options})

    return opened


def test_a_job_with_a_keytab_shows_a_new_ticket_and_nobody_is_blamed(
    realm, connect, keytab, caplog
):
    for _ in range(3):
        with connect(**keytab) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT effective_user()")
            assert [(f"etl@{realm.name}",)] == cursor.fetchall()
        realm.change_keys()
    assert [] == caplog.messages  # at WARNING, as each attempt that failed


def test_a_connection_moves_to_a_coordinator_with_new_keys(realm, one, connect, keytab):
    """Its process is started anew, as after a change of the keytab."""
    with connect(**keytab, deadline=10) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
        one.kill()
        realm.change_keys()
        one.restart()
        cursor.execute("SELECT 2")
        assert [(2,)] == cursor.fetchall()


@pytest.mark.parametrize("over_http", [False, True], ids=["binary", "http"])
def test_a_ticket_that_is_refused_though_it_is_new_is_not_replaced_again_and_again(
    one, keytab, caplog, over_http
):
    """One that was refused is followed by one more, with a new ticket at most."""
    caplog.set_level(logging.DEBUG, "impala_ha")
    where = Coordinator(one.host, one.http_port if over_http else one.port, krb_host="coord2.test")
    options = Options(auth_mechanism="GSSAPI", use_http_transport=over_http, **keytab)
    asked = []
    for _ in range(4):
        with pytest.raises(CallFailed):
            ImpylaDriver(options, SystemClock()).open(where, "etl", {}, 10.0)
        asked.append(caplog.text.count("a token for impala/coord2.test"))

    assert [2, 4, 6, 8] == asked


def test_a_keytab_that_is_missing_for_a_moment_is_no_mistake_of_the_caller(
    connect, realm, tmp_path
):
    """Somebody replaces it; the tickets are good for hours."""
    keytab = tmp_path / "etl.keytab"
    with pytest.raises(ConfigurationError, match="keytab must be a file"):
        connect(principal="etl", keytab=str(keytab))
    shutil.copy(realm.keytab("etl"), keytab)
    connect(principal="etl", keytab=str(keytab)).close()
    keytab.unlink()

    connect(principal="etl", keytab=str(keytab)).close()


def test_without_a_keytab_kinit_is_what_helps(realm, connect, etl, package):
    connect(kerberos_backend=package).close()
    realm.change_keys()

    with pytest.raises(Error, match="keys were made anew, `kinit` replaces"):
        connect(kerberos_backend=package)

    realm.kinit("etl", etl)
    connect(kerberos_backend=package).close()


def test_a_refusal_is_reported_as_it_was_where_no_new_ticket_is_to_be_had(
    realm, connect, keytab, until
):
    """And the tickets of before, which may be good for others, or later, are still there."""
    connect(**keytab).close()
    realm.change_keys()
    realm.stop_kdc()
    with pytest.raises(Error) as caught:
        connect(**keytab, deadline=2)
    told = " ".join(attempt.text for attempt in caught.value.attempts)
    assert re.search("read 0 bytes|HTTP code 401|KDC_UNREACH", told)
    realm.start_kdc()

    connect(**keytab, deadline=30).close()
