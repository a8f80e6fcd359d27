"""Logging in with Kerberos, by each backend: a real KDC, and coordinators that ask for tickets."""

import base64
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from kerberized import MARKS, kerberized

import impala_ha
from impala_ha import AuthenticationFailed, Coordinator, NoCoordinatorLeft, State
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import Fault, Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.hosts import parse_hosts
from impala_ha.options.options import Options
from impala_ha.testing import LocalCluster
from real_servers import Realm

pytestmark = [pytest.mark.slow(50), *MARKS]

PATIENCE = 3.0  # seconds for a KDC that hangs


def connect(hosts, package="auto", **options):
    """With a cluster of its own, so that one test does not eject for another."""
    cluster = impala_ha.Cluster(parse_hosts(hosts)[0])
    options = {"auth_mechanism": "GSSAPI", "kerberos_backend": package, **options}
    return impala_ha.connect(cluster, **options)


def names(connection):
    """Who the coordinator says we are, and where."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT effective_user()")
        return cursor.fetchall()[0][0], cursor.coordinator.krb_host


@pytest.fixture
def untouched():
    """A host that notices whether anybody knocks."""
    listeners = [socket.create_server((f"127.0.0.{number}", 0)) for number in (1, 2)]
    hosts = ["{}:{}".format(*listener.getsockname()) for listener in listeners]
    yield ",".join(f"{host}?krb_host=coord{n}.test" for n, host in enumerate(hosts, 1))
    for listener in listeners:
        listener.settimeout(0)
        with listener, pytest.raises(BlockingIOError):
            listener.accept()


def denied(hosts, package, **options):
    """How logging in failed for want of a ticket, and nobody was blamed for it."""
    cluster = impala_ha.Cluster(parse_hosts(hosts)[0])
    with pytest.raises(AuthenticationFailed) as caught:
        impala_ha.connect(cluster, auth_mechanism="GSSAPI", kerberos_backend=package, **options)
    assert [Phase.TICKET] == [attempt.phase for attempt in caught.value.attempts]
    assert {State.HEALTHY} == {candidate.state for candidate in cluster.snapshot()}
    return str(caught.value)


def without_kdc(hosts, package, **options):
    """How the deadline came without a ticket, and nobody was blamed for it."""
    cluster = impala_ha.Cluster(parse_hosts(hosts)[0])
    with pytest.raises(NoCoordinatorLeft) as caught:
        impala_ha.connect(cluster, auth_mechanism="GSSAPI", kerberos_backend=package, **options)
    assert {Fault.NO_KDC} == {attempt.fault for attempt in caught.value.attempts}
    assert {State.HEALTHY} == {candidate.state for candidate in cluster.snapshot()}
    return str(caught.value)


# Each under its own name.


@pytest.mark.usefixtures("etl")
def test_each_coordinator_is_asked_for_by_its_own_name(two, realm, package):
    cluster = impala_ha.Cluster(parse_hosts(two.kerberos_hosts)[0])
    words = {"auth_mechanism": "GSSAPI", "kerberos_backend": package}
    with impala_ha.connect(cluster, **words) as one, impala_ha.connect(cluster, **words) as other:
        assert {(f"etl@{realm.name}", "coord1.test"), (f"etl@{realm.name}", "coord2.test")} == {
            names(one),
            names(other),
        }


@pytest.mark.usefixtures("etl")
def test_names_may_be_said_in_a_mapping(two, package):
    names_ = {two[0].address: "coord1.test", two[1].host: "coord2.test"}
    for coordinator in two:
        with connect(coordinator.address, package, krb_host=names_) as connection:
            assert coordinator.address == str(connection.coordinator)


@pytest.mark.usefixtures("etl")
def test_a_cluster_behind_a_balancer_is_asked_for_by_the_balancers_name(realm, package):
    with kerberized(realm, principals="impala/lb.test") as cluster:
        for coordinator in cluster:
            with connect(coordinator.address, package, krb_host="lb.test") as connection:
                assert coordinator.address == str(connection.coordinator)
        with pytest.raises(AuthenticationFailed) as caught:
            connect(cluster[0].address, package, krb_host="coord1.test")
    assert "the server closed the connection during the Kerberos handshake" in str(caught.value)


@pytest.mark.usefixtures("etl")
def test_an_address_is_looked_up_only_when_asked(two, package, monkeypatch):
    looked_up = []

    def getnameinfo(address, flags):
        looked_up.append(address[0])
        return "Coord1.test.", "0"

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    with pytest.raises(NoCoordinatorLeft, match=r"Kerberos needs names"):
        connect(two[0].address, package, deadline=1)
    assert [] == looked_up

    with connect(two[0].address, package, krb_canonicalize=True) as connection:
        assert two[0].address == str(connection.coordinator)
    assert [two[0].host] == looked_up


@pytest.mark.usefixtures("etl")
def test_an_unknown_name_is_reported_and_another_coordinator_is_tried(two, package):
    hosts = f"{two[0].address}?krb_host=nope.test,{two[1].address}?krb_host=coord2.test"
    with connect(hosts, package, policy=None) as connection:
        cluster = connection.cluster
        for _ in range(3):
            with impala_ha.connect(
                cluster, auth_mechanism="GSSAPI", kerberos_backend=package
            ) as other:
                assert two[1].address == str(other.coordinator)

        assert {State.HEALTHY} == {candidate.state for candidate in cluster.snapshot()}


@pytest.mark.usefixtures("etl")
def test_names_that_nobody_knows_are_reported_once_each_with_what_shows_them(two, package):
    with pytest.raises(NoCoordinatorLeft) as caught:
        connect(",".join(f"{c.address}?krb_host=nope.test" for c in two), package)

    assert [Fault.MISNAMED] * 2 == [attempt.fault for attempt in caught.value.attempts]
    text = str(caught.value)
    assert "impala/nope.test" in text
    assert "`kvno` with the name" in text


@pytest.mark.usefixtures("etl")
def test_a_coordinator_that_accepts_no_kerberos_is_the_wrong_mechanism(package):
    with LocalCluster(1, auth="PLAIN", users={"etl": "s3cret"}) as plain:
        with pytest.raises(AuthenticationFailed) as caught:
            connect(f"{plain.hosts}?krb_host=coord1.test", package)
    assert "the server does not offer this auth_mechanism" in str(caught.value)


# What is the client's own: nobody is touched, nobody is blamed.


@pytest.mark.usefixtures("nobody")
def test_no_ticket(untouched, package):
    text = denied(untouched, package)

    assert "KRB5_CC_NOTFOUND" in text
    assert "`kinit`" in text


def expire(realm, cache, until, package):
    """Have a ticket that has just ended."""
    realm.kinit("etl", cache, lifetime=1)
    asked = ImpylaDriver(Options(auth_mechanism="GSSAPI", kerberos_backend=package), SystemClock())

    def ended():
        try:
            asked.connect(Coordinator("127.0.0.1", 1, krb_host="coord1.test"), "etl", 5.0)
        except impala_ha.errors.OperationalError as error:
            return error.phase is Phase.TICKET

    until(ended)


def test_a_ticket_that_ends_in_the_moment_of_a_login_is_reported_as_that(
    two, realm, nobody, package, until
):
    """The library takes it for good until the second is over, and then refuses the server's."""
    realm.kinit("etl", nobody, lifetime=2)
    told = []

    def over():
        try:
            connect(two.kerberos_hosts, package, deadline=0.01).close()
        except AuthenticationFailed as error:
            told.append(str(error))
            return "getting a Kerberos ticket" in told[-1]

    until(over)

    assert all("the Kerberos ticket has ended" in text for text in told)


def got_for(realm, *services):
    """Put tickets for *services* into the cache, and no ticket-granting ticket."""
    for service in services:
        command = ["kinit", "-k", "-t", realm.keytab("etl"), "-S", service, "etl"]
        subprocess.run(command, check=True, timeout=30)


@pytest.mark.usefixtures("nobody")
def test_tickets_for_some_coordinators_are_good_for_those(two, realm, package):
    """A scheduler may hand them out without the ticket to get more with."""
    got_for(realm, "impala/coord2.test")

    with connect(two.kerberos_hosts, package) as connection:
        assert "coord2.test" == names(connection)[1]


@pytest.mark.usefixtures("nobody")
def test_the_ticket_that_is_missing_is_named(realm, untouched, package):
    got_for(realm, "impala/lb.test")

    with pytest.raises(NoCoordinatorLeft) as caught:
        connect(untouched, package, deadline=600)

    assert {Fault.NO_TICKET} == {attempt.fault for attempt in caught.value.attempts}
    assert 2 == len(caught.value.attempts)
    assert "no ticket for impala/coord1.test in the credential cache" in str(caught.value)
    assert "ticket-granting ticket" in str(caught.value)


def test_an_expired_ticket(realm, nobody, untouched, package, until):
    expire(realm, nobody, until, package)

    text = denied(untouched, package)

    assert "Ticket expired (KRB5KRB_AP_ERR_TKT_EXPIRED)" in text
    assert "the Kerberos ticket has ended" in text


def test_a_clock_that_is_wrong(realm, etl, untouched, package):
    realm.set_clock(3600, etl)

    text = denied(untouched, package)

    assert "KRB5KRB_AP_ERR_SKEW" in text or "KRB5KRB_AP_ERR_TKT_NYV" in text
    assert "NTP" in text


@pytest.mark.usefixtures("etl")
def test_a_kdc_that_is_gone(realm, untouched, package):
    realm.stop_kdc()

    text = without_kdc(untouched, package, deadline=0.5)

    assert "KRB5_KDC_UNREACH" in text
    assert "check the KDC" in text


@pytest.mark.usefixtures("etl")
def test_a_kdc_that_hangs_costs_no_more_than_the_time_to_connect(realm, untouched, package):
    """And no second coordinator is asked meanwhile, though there is no answer yet."""
    realm.hang_kdc()
    start = time.monotonic()

    brief = {"connect_timeout": PATIENCE, "hedge_after": 0.1, "deadline": 0.1}
    text = without_kdc(untouched, package, **brief)

    assert time.monotonic() - start < 2 * PATIENCE, "the library itself takes 27 s"
    assert "no answer from the Kerberos library or the KDC within 3 s" in text


@pytest.mark.usefixtures("etl")
def test_a_ticket_that_was_had_before_serves_while_the_kdc_hangs(two, realm, package):
    connect(two.kerberos_hosts.split(",")[0], package).close()
    realm.hang_kdc()

    with connect(two.kerberos_hosts.split(",")[0], package, connect_timeout=PATIENCE) as there:
        assert "coord1.test" == names(there)[1]


# Tickets of one's own.


def test_a_keytab_is_enough_and_leaves_no_trace(two, realm, nobody, keytab):
    before = dict(os.environ)
    with connect(two.kerberos_hosts, **keytab) as connection:
        assert f"etl@{realm.name}" == names(connection)[0]

    with connect(two.kerberos_hosts, **{**keytab, "principal": None}) as connection:
        assert f"etl@{realm.name}" == names(connection)[0], "the first one in it"
    assert before == dict(os.environ)
    assert not Path(nobody).exists()


@pytest.mark.usefixtures("nobody")
def test_a_keytab_without_that_principal_is_reported(untouched, realm, by_keytab):
    text = denied(untouched, by_keytab, principal="other", keytab=realm.keytab("etl"))

    assert f"no key of other in the keytab {realm.keytab('etl')}" in text
    assert "`klist -k -e FILE`" in text


@pytest.mark.usefixtures("nobody")
def test_a_file_that_is_no_keytab_is_told_without_what_is_in_it(untouched, tmp_path, by_keytab):
    file = tmp_path / "keytab"
    file.write_text("s3cret")

    text = denied(untouched, by_keytab, principal="etl", keytab=str(file))

    assert "no key of etl in the keytab" in text
    assert "s3cret" not in text


def test_a_principal_is_found_among_the_tickets(two, realm, etl, untouched, package):
    with connect(two.kerberos_hosts, package, principal=f"etl@{realm.name}") as connection:
        assert f"etl@{realm.name}" == names(connection)[0]

    assert "KRB5_CC_NOTFOUND" in denied(untouched, package, principal=f"bob@{realm.name}")


def test_a_long_job_outlives_its_ticket(two, realm, nobody, package, until):
    """Its connection goes on; a new one wants a ticket, and has one after the next kinit."""
    realm.kinit("etl", nobody, lifetime=2)
    with connect(two.kerberos_hosts, package) as job:
        expire(realm, nobody, until, package)
        denied(two.kerberos_hosts, package)
        assert f"etl@{realm.name}" == names(job)[0]

        realm.kinit("etl", nobody)
        connect(two.kerberos_hosts, package).close()


@pytest.fixture
def brief(monkeypatch, by_keytab):
    """A cluster in a realm whose tickets live for some seconds, and how to log in there."""

    def start(life):
        realm = stack.enter_context(Realm(ticket_life=life))
        monkeypatch.setenv("KRB5_CONFIG", realm.config)
        cluster = stack.enter_context(kerberized(realm))
        words = {"principal": "etl", "keytab": realm.keytab("etl"), "package": by_keytab}
        return realm, cluster, words

    with ExitStack() as stack:
        yield start


@pytest.mark.usefixtures("nobody")
def test_a_keytab_renews_tickets_before_they_end(brief):
    """Tickets of two seconds, and three threads that all connect while they are renewed."""
    realm, cluster, words = brief(2.0)
    with connect(cluster.kerberos_hosts, **words) as job:
        end = time.monotonic() + 3.5

        def again_and_again(_):
            while time.monotonic() < end:
                connect(cluster.kerberos_hosts, **words).close()

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(again_and_again, range(3)))
        assert f"etl@{realm.name}" == names(job)[0]


@pytest.mark.usefixtures("nobody")
def test_tickets_that_cannot_be_renewed_serve_to_their_end(brief, until):
    """The KDC hangs when half of their life is over, which costs the first try half of its time."""
    realm, cluster, words = brief(8.0)
    connect(cluster.kerberos_hosts.split(",")[0], **words).close()
    half = time.monotonic() + 4.5
    until(lambda: time.monotonic() > half)
    realm.hang_kdc()

    for limit in (2.0, 60.0):
        words["connect_timeout"] = limit
        with connect(cluster.kerberos_hosts.split(",")[0], **words) as there:
            assert f"etl@{realm.name}" == names(there)[0]


# What else opens connections.


@pytest.mark.usefixtures("etl")
@pytest.mark.parametrize("qop", ["auth-int", "auth-conf"])
def test_signed_and_encrypted_links_carry_long_statements_and_large_cells(realm, qop, package):
    with kerberized(realm, qop=qop) as cluster:
        with connect(cluster.kerberos_hosts, package) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT repeat('x', 5000000), '" + "y" * 300_000 + "'")
                ((large, long),) = cursor.fetchall()

    assert ("x" * 5_000_000, "y" * 300_000) == (large, long)


@pytest.mark.usefixtures("etl")
def test_a_killed_coordinator_is_left_for_one_with_another_name(realm, package):
    with kerberized(realm) as cluster, connect(cluster.kerberos_hosts, package) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        first = cursor.coordinator
        next(c for c in cluster if c.address == str(first)).kill()

        cursor.execute("SELECT effective_user()")

        assert [(f"etl@{realm.name}",)] == cursor.fetchall()
        assert {"coord1.test", "coord2.test"} == {first.krb_host, cursor.coordinator.krb_host}


@pytest.mark.usefixtures("etl")
def test_a_hung_coordinator_is_hedged_under_the_others_name(two, package):
    two[0].hang()
    for _ in range(2):
        with connect(two.kerberos_hosts, package, hedge_after=0.1, connect_timeout=20) as there:
            assert "coord2.test" == there.coordinator.krb_host


@pytest.mark.usefixtures("etl")
def test_probes_and_second_connections_log_in_as_well(two, package):
    where = parse_hosts(two.kerberos_hosts)[0][0]
    words = {"auth_mechanism": "GSSAPI", "kerberos_backend": package, "connect_timeout": 5.0}
    driver = ImpylaDriver(Options(**words), SystemClock())
    link = driver.open(where, "etl", {}, 5.0)
    session = link.session("etl", {})

    assert "" == driver.probe(where, "etl")
    assert 1 == len(two[0].sessions)
    link.client.invalidate(ConnectionResetError("cut"))
    link.check()
    assert driver.end_session(link, "etl", session, 5.0)

    assert [] == two[0].sessions
    link.close()


@pytest.mark.usefixtures("nobody")
def test_a_probe_without_a_ticket_says_nothing_about_the_coordinator(two, package):
    where = parse_hosts(two.kerberos_hosts)[0][0]
    driver = ImpylaDriver(Options(auth_mechanism="GSSAPI", kerberos_backend=package), SystemClock())

    assert "" == driver.probe(where, "etl")


@pytest.mark.usefixtures("nobody")
def test_neither_token_nor_key_is_reported(two, realm, caplog, untouched, tmp_path):
    caplog.set_level(logging.DEBUG)
    keytab = shutil.copy(realm.keytab("etl"), tmp_path / "etl.keytab")
    words = {"principal": "etl", "keytab": keytab}
    with connect(two.kerberos_hosts, **words) as connection:
        told = [repr(connection), repr(connection.options), caplog.text]
    realm.stop_kdc()
    other = shutil.copy(keytab, tmp_path / "other.keytab")  # for which no ticket was had yet
    told.append(without_kdc(untouched, "auto", deadline=0.5, principal="etl", keytab=other))

    assert "a token for impala/coord" in caplog.text
    token_begins = base64.b64encode(bytes.fromhex("60820200"))[:3].decode()
    key = Path(keytab).read_bytes()[-40:]
    for text in told:
        assert token_begins not in text
        assert repr(key)[2:-1] not in text
        assert key.hex() not in text


# From the shell.


def shell(hosts, *flags):
    """What `impala-connect` says, and how it ends."""
    program = "import sys; from impala_ha.cli.connect import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "-i", hosts, "-k", *flags]
    command += ["-B", "--quiet", "-e", "SELECT effective_user()"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IMPALA")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("etl")
def test_the_shell_logs_in_with_the_ticket_of_the_cache(two, realm):
    names_ = ",".join(f"{c.host}=coord{n}.test" for n, c in enumerate(two, 1))

    assert (0, f"etl@{realm.name}\n") == shell(two.hosts, "-b", names_, "-s", "impala")
    code, text = shell(two.hosts, "-b", "nope.test")
    assert 1 == code
    assert "impala/nope.test" in text


@pytest.mark.usefixtures("nobody")
def test_the_shell_logs_in_with_a_keytab(two, realm):
    keytab = ("--principal", "etl", "--keytab", realm.keytab("etl"))

    assert (0, f"etl@{realm.name}\n") == shell(two.kerberos_hosts, *keytab)
    code, text = shell(two.kerberos_hosts)
    assert 1 == code
    assert "`kinit`" in text
