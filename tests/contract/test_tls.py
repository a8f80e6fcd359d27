"""Our connections over TLS, to coordinators with a certificate each, binary and over HTTP."""

from __future__ import annotations

import logging
import shutil

import pytest

import impala_ha
from impala_ha import State, errors
from impala_ha.core.faults import Fault
from impala_ha.net import tls
from impala_ha.testing import LocalCluster
from real_servers import Certificates

pytestmark = pytest.mark.servers

BINARY = {}
HTTP = {"use_http_transport": True, "http_path": "cliservice"}
FORMS = pytest.mark.parametrize("form", [BINARY, HTTP], ids=["binary", "http"])
USERS = {"etl": "s3cret"}


@pytest.fixture(scope="module")
def mixed(certificates):
    """One whose certificate is good, one with another's name, one that has ended."""
    pems = [
        certificates.of("localhost", "127.0.0.1"),
        certificates.of("coord2.example", "127.9.9.9"),
        certificates.of("127.0.0.3", expired=True),
    ]
    with LocalCluster(3, tls=pems, http=True) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["TLSv1.2", "TLSv1.3"])
def demanding(request, certificates):
    """Coordinators that let in whoever shows a certificate, and knows the password."""
    pems = [certificates.of(f"127.0.0.{n}") for n in (1, 2)]
    with LocalCluster(
        2,
        auth="LDAP",
        users=USERS,
        tls=pems,
        client_ca=certificates.ca,
        tls_minimum=request.param,
        http=True,
    ) as cluster:
        yield cluster


def hosts(cluster, form, *numbers):
    """The host list of some coordinators, or of all."""
    items = (cluster.http_hosts if form else cluster.hosts).split(",")
    return ",".join(items[n] for n in numbers) if numbers else ",".join(items)


def connected(cluster, form, *numbers, **options):
    """A connection to new eyes: nobody has been ejected yet."""
    coordinators = [
        impala_ha.Coordinator(host.rpartition(":")[0], int(host.rpartition(":")[2]))
        for host in hosts(cluster, form, *numbers).split(",")
    ]
    fresh = impala_ha.Cluster(coordinators, policy="ordered")
    return impala_ha.connect(fresh, use_ssl=True, **{"deadline": 5, **form, **options})


def refused(cluster, form, *numbers, **options):
    with pytest.raises(errors.OperationalError) as caught:
        connected(cluster, form, *numbers, **options)
    return caught.value


def answer(connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchall()


# Whom we believe.


@FORMS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_names_and_addresses_of_the_certificate_are_believed(mixed, certificates, form, host):
    port = hosts(mixed, form, 0).rpartition(":")[2]
    connection = impala_ha.connect(
        f"{host}:{port}", use_ssl=True, ca_cert=certificates.ca, deadline=5, **form
    )

    assert [(1,)] == answer(connection)


@FORMS
def test_each_coordinator_must_show_its_own_name(mixed, certificates, form):
    error = refused(mixed, form, 1, 2, ca_cert=certificates.ca)

    assert isinstance(error, errors.NoCoordinatorLeft)
    assert [Fault.UNTRUSTED, Fault.UNTRUSTED] == [one.fault for one in error.attempts]
    named, ended = (one.text for one in error.attempts)
    assert "IP address mismatch, certificate is not valid for '127.0.0.2'" in named
    assert "certificate has expired" in ended
    assert "Hint: the certificate carries other names" in str(error)
    assert "Hint: the coordinator's certificate has ended" in str(error)


@FORMS
def test_a_certificate_that_is_not_believed_ejects_nobody(mixed, certificates, form):
    cluster = impala_ha.Cluster(
        [
            impala_ha.Coordinator(host.rpartition(":")[0], int(host.rpartition(":")[2]))
            for host in hosts(mixed, form, 1, 2, 0).split(",")
        ],
        policy="ordered",
    )
    connection = impala_ha.connect(cluster, use_ssl=True, ca_cert=certificates.ca, **form)

    assert "127.0.0.1" == connection.coordinator.host
    assert [(1,)] == answer(connection)
    assert {State.HEALTHY} == {candidate.state for candidate in cluster.snapshot()}


@FORMS
def test_a_file_that_is_missing_for_a_moment_is_no_mistake_of_the_caller(
    mixed, certificates, form, tmp_path
):
    """Somebody replaces it; what was in it is known.  One that never was there is a mistake."""
    authority = tmp_path / "ca.pem"
    with pytest.raises(errors.ConfigurationError, match="ca_cert must be a file"):
        connected(mixed, form, 0, ca_cert=str(authority))
    shutil.copy(certificates.ca, authority)
    connected(mixed, form, 0, ca_cert=str(authority)).close()
    authority.unlink()

    assert [(1,)] == answer(connected(mixed, form, 0, ca_cert=str(authority)))
    error = refused(mixed, form, 1, ca_cert=str(authority))
    assert [Fault.UNTRUSTED] == [one.fault for one in error.attempts], "it verifies as before"


@FORMS
def test_the_authorities_of_the_system_are_asked_when_told(mixed, certificates, form, monkeypatch):
    monkeypatch.setattr(tls, "_KEPT", {})
    stranger = refused(mixed, form, 0, verify_cert=True)
    assert "unable to get local issuer certificate" in str(stranger)
    assert "Hint: the certificate was signed by somebody who is not trusted" in str(stranger)

    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    assert [(1,)] == answer(connected(mixed, form, 0, verify_cert=True))


@FORMS
def test_without_a_word_about_it_anybody_is_believed_and_one_warning_says_so(
    mixed, form, caplog, monkeypatch
):
    monkeypatch.setattr(tls, "_WARNED", set())
    with caplog.at_level(logging.WARNING, "impala_ha"):
        for _ in range(3):
            assert [(1,)] == answer(connected(mixed, form, 1, 2))

    (warning,) = [r.getMessage() for r in caplog.records if "nobody verifies" in r.getMessage()]
    assert all(host in warning for host in hosts(mixed, form, 1, 2).split(","))


def test_a_connection_that_moves_verifies_the_next_one_too(certificates):
    """And goes on to one that is who it should be."""
    pems = [
        certificates.of("127.0.0.1"),
        certificates.of("elsewhere.example"),
        certificates.of("127.0.0.3"),
    ]
    with LocalCluster(3, tls=pems) as cluster:
        connection = connected(cluster, BINARY, ca_cert=certificates.ca)
        with connection.cursor() as cursor:
            assert "127.0.0.1" == cursor.coordinator.host
            cluster[0].kill()
            cursor.execute("SELECT 1")

            assert [(1,)] == cursor.fetchall()
            assert "127.0.0.3" == cursor.coordinator.host
        connection.close()


def test_a_server_without_tls_is_reported_as_such(certificates):
    with LocalCluster(1) as plain:
        error = refused(plain, BINARY, ca_cert=certificates.ca, deadline=0.1)

    assert "and no TLS: use_ssl=False" in str(error)


def test_a_client_without_tls_is_reported_as_such(mixed):
    with pytest.raises(errors.NoCoordinatorLeft, match="speaks TLS: use_ssl=True"):
        impala_ha.connect(hosts(mixed, BINARY, 0))


# Who we are.

LOGIN = {"auth_mechanism": "LDAP", "user": "etl", "password": "s3cret"}


@FORMS
def test_a_client_with_a_certificate_is_let_in(demanding, certificates, form):
    client = certificates.client("etl")

    connection = connected(demanding, form, ca_cert=certificates.ca, client_cert=client, **LOGIN)

    assert [(1,)] == answer(connection)


@FORMS
def test_a_client_whose_certificate_is_refused_is_told_so_and_nobody_is_ejected(
    demanding, certificates, form
):
    """In TLS 1.3 the refusal comes after the handshake, with the first answer."""
    with Certificates() as others:
        stranger = others.client("etl")
        for _ in range(3):  # whether it comes before or after our first request is chance
            error = refused(demanding, form, ca_cert=certificates.ca, client_cert=stranger, **LOGIN)
            assert isinstance(error, errors.AuthenticationFailed)
            assert [Fault.REFUSED] * 2 == [attempt.fault for attempt in error.attempts]
            assert all("unknown ca" in attempt.text for attempt in error.attempts)
            assert "Hint: the server wants a certificate from this client" in str(error)


@FORMS
def test_a_client_without_a_certificate_is_told_so(demanding, certificates, form):
    error = refused(demanding, form, ca_cert=certificates.ca, **LOGIN)

    assert isinstance(error, errors.AuthenticationFailed)
    assert "certificate required" in str(error)


# Passwords and tokens.


class Vault:
    """A function that returns the next of its values, and the last one again and again."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@pytest.fixture(scope="module")
def secured(certificates):
    pems = [certificates.of(f"127.0.0.{n}") for n in (1, 2)]
    with LocalCluster(2, auth="LDAP", users=USERS, tls=pems, http=True) as cluster:
        yield cluster


@FORMS
@pytest.mark.parametrize(
    "password",
    [
        {"password": "s3cret"},
        {"password": lambda: "s3cret"},
        {"password_cmd": "printf 's3cret\\n'"},
    ],
    ids=["text", "function", "command"],
)
def test_a_password_is_a_text_or_comes_from_a_function_or_a_command(
    secured, certificates, form, password
):
    connection = connected(
        secured, form, ca_cert=certificates.ca, auth_mechanism="LDAP", user="etl", **password
    )

    assert [(1,)] == answer(connection)


@FORMS
def test_a_password_that_changed_is_read_anew(secured, certificates, form):
    vault = Vault("0ld", "s3cret")
    connection = connected(
        secured, form, ca_cert=certificates.ca, auth_mechanism="LDAP", user="etl", password=vault
    )

    assert [(1,)] == answer(connection)
    assert 2 == vault.asked


@FORMS
def test_a_wrong_one_is_tried_at_one_coordinator_and_once(secured, certificates, form):
    vault = Vault("wr0ng")
    error = refused(
        secured, form, ca_cert=certificates.ca, auth_mechanism="LDAP", user="etl", password=vault
    )

    assert isinstance(error, errors.AuthenticationFailed)
    assert 1 == len(error.attempts)
    assert 2 == vault.asked, "at first, and anew; the same is not sent again"


@FORMS
@pytest.mark.parametrize(
    ("password", "told"),
    [
        ({"password_cmd": "false"}, "password_cmd: the command ended with status 1"),
        ({"password_cmd": "true"}, "password_cmd: the command printed nothing"),
        ({"password_cmd": "sleep 60", "connect_timeout": 0.2}, "did not end within 0.2 s"),
        ({"password": lambda: ""}, "the function given as password returned an empty text"),
        ({"password": lambda: 1 / 0}, "ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize("where", ["127.0.0.1:1", "127.0.0.1:1,127.0.0.2:1"])
def test_without_one_nothing_is_opened(where, form, password, told):
    """Nobody listens there, so an attempt would be told as such."""
    with pytest.raises(errors.AuthenticationFailed, match="nothing was opened") as caught:
        impala_ha.connect(where, auth_mechanism="LDAP", user="etl", **form, **password)

    assert told in str(caught.value)
    assert () == caught.value.attempts


# For somebody else.


@pytest.fixture(scope="module")
def allowing():
    """Coordinators that let etl act for ada and bob."""
    flags = {"authorized_proxy_user_config": "etl=ada,bob"}
    with LocalCluster(2, auth="PLAIN", flags=flags, http=True) as cluster:
        yield cluster


PLAIN = {"auth_mechanism": "PLAIN", "user": "etl"}


def who(cursor):
    cursor.execute("SELECT effective_user()")
    return cursor.fetchall()[0][0]


@FORMS
def test_sessions_are_those_of_the_user_that_is_acted_for(allowing, form):
    where = hosts(allowing, form)
    with impala_ha.connect(where, doas_user="ada", **PLAIN, **form) as connection:
        with connection.cursor() as cursor:
            assert "ada" == who(cursor)
        with connection.cursor(configuration={"impala.doas.user": "bob"}) as cursor:
            assert "bob" == who(cursor)
        with connection.cursor(configuration={"Impala.DoAs.User": "bob"}) as cursor:
            assert "bob" == who(cursor)


@FORMS
def test_who_may_not_be_acted_for_is_told_once_and_by_one(allowing, form):
    with pytest.raises(errors.AuthenticationFailed) as caught:
        impala_ha.connect(hosts(allowing, form), doas_user="eve", **PLAIN, **form)

    assert 1 == len(caught.value.attempts)
    assert "User 'etl' is not authorized to delegate to 'eve'." in str(caught.value)
    assert "Hint: each coordinator must allow the user to act for doas_user" in str(caught.value)


def test_a_session_that_moves_is_still_that_of_somebody_else():
    flags = {"authorized_proxy_user_config": "etl=ada"}
    with LocalCluster(2, auth="PLAIN", flags=flags) as cluster:
        with impala_ha.connect(cluster.hosts, doas_user="ada", **PLAIN) as connection:
            with connection.cursor() as cursor:
                left = cursor.coordinator
                next(c for c in cluster if c.host == left.host).kill()

                assert "ada" == who(cursor)
                assert left != cursor.coordinator
