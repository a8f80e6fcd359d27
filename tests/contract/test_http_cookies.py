"""A login over HTTP that goes along to the other coordinators of a cluster, and to nobody else."""

from __future__ import annotations

import logging
import re

import pytest
from imposter import Imposter, answered, request

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator, NoCoordinatorLeft
from impala_ha.testing import LocalCluster
from real_servers import Certificates, missing

pytestmark = [pytest.mark.servers, pytest.mark.slow(20)]

PASSWORD = "s3cret"
needs_realm = pytest.mark.skipif(
    bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi")
)
LDAP = {"auth_mechanism": "LDAP", "user": "etl", "password": PASSWORD}


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2,127.0.0.3,127.35.0.1")


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    """What the coordinators of a cluster of Impala 5.0 may sign their cookies with."""
    file = tmp_path_factory.mktemp("secret") / "cookie"
    file.write_bytes(bytes(range(64)))
    return {"cookie_secret_file": str(file)}


def guarded(flags):
    return LocalCluster(3, auth="LDAP", users={"etl": PASSWORD}, http=True, flags=flags)


@pytest.fixture(scope="module")
def _sharing(secret):
    with guarded(secret) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def _apart():
    with guarded({}) as cluster:
        yield cluster


@pytest.fixture
def sharing(_sharing):
    """Three coordinators that know each other's cookies."""
    yield _sharing
    _sharing.heal()


@pytest.fixture
def apart(_apart):
    """Three that do not, as before Impala 5.0."""
    yield _apart
    _apart.heal()


def connect(local, *more, **options):
    hosts = [Coordinator(one.host, one.http_port) for one in local]
    words = {"connect_timeout": 5, "hedge_after": 0, "deadline": 5, **LDAP, **options}
    cluster = Cluster([*hosts, *more], policy="ordered")
    return impala_ha.connect(cluster, use_http_transport=True, **words)


class Logins:
    """How often each coordinator let somebody in by more than a cookie; None: it is dead."""

    def __init__(self, local):
        self._local = local
        self._before = [one.http_logins() for one in local]

    def __call__(self):
        pairs = zip(self._local, self._before, strict=True)
        return [one.http_logins() - was if one.pid else None for one, was in pairs]


def user_of(cursor):
    cursor.execute("SELECT effective_user()")
    return cursor.fetchall()[0][0]


def test_a_failover_shows_the_cookie_and_no_password(sharing):
    logins = Logins(sharing)
    with connect(sharing) as connection, connection.cursor() as cursor:
        user_of(cursor)
        assert [1, 0, 0] == logins()
        sharing[0].kill()
        assert "etl" == user_of(cursor)
        assert sharing[1].host == cursor.coordinator.host

    assert [None, 0, 0] == logins()


def test_before_impala_5_each_coordinator_is_logged_in_to(apart):
    logins = Logins(apart)
    with connect(apart) as connection, connection.cursor() as cursor:
        user_of(cursor)
        apart[0].kill()
        assert "etl" == user_of(cursor)
        assert apart[1].host == cursor.coordinator.host, "the refused cookie is no failure"

    assert [None, 1, 0] == logins()


@pytest.mark.parametrize(("which", "expected"), [("sharing", [1, 0, 0]), ("apart", [1, 1, 1])])
def test_the_connections_of_cursors_share_a_login_where_the_coordinators_do(
    which, expected, request
):
    local = request.getfixturevalue(which)
    hosts = [Coordinator(one.host, one.http_port) for one in local]
    logins = Logins(local)
    words = {"balance": "cursor", "policy": "round_robin", "use_http_transport": True, **LDAP}
    with impala_ha.connect(hosts, **words) as connection:
        cursors = [connection.cursor() for _ in range(3)]
        assert ["etl"] * 3 == [user_of(cursor) for cursor in cursors]
        assert 3 == len({cursor.coordinator for cursor in cursors})

    assert expected == sorted(logins(), reverse=True)


def test_another_cluster_gets_no_cookie_whatever_it_signs_with(sharing, secret):
    with guarded(secret) as other:
        logins = Logins(other)
        with connect(sharing) as one, connect(other) as another:
            user_of(one.cursor())
            user_of(another.cursor())

        assert [1, 0, 0] == logins()


def test_another_connection_has_to_show_its_own_password(sharing):
    """Or whoever is in the process too would come in as somebody else."""
    with connect(sharing) as connection:
        user_of(connection.cursor())
        with pytest.raises(AuthenticationFailed):
            connect(sharing, password="wrong")


def test_a_cookie_that_nobody_knows_any_more_is_followed_by_a_login(sharing):
    logins = Logins(sharing)
    with connect(sharing) as connection, connection.cursor() as cursor:
        user_of(cursor)
        sharing[1].forget_cookies()
        sharing[0].kill()
        assert "etl" == user_of(cursor)
        assert sharing[1].host == cursor.coordinator.host

    assert [None, 1, 0] == logins()
    sharing[1].restart()  # with the key of the file again


def echo(imposter, client):
    """A gateway that repeats what it was sent."""
    head, _ = request(client)
    imposter.heard += head
    said = b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
    client.sendall(said % (len(head), head.replace(b"\r\n", b"  ")))


def test_what_a_cookie_holds_is_told_to_nobody(sharing, caplog):
    caplog.set_level(logging.DEBUG)
    with Imposter(echo, address="127.35.0.1") as gateway:
        connection = connect([sharing[0]], gateway.where)
        cursor = connection.cursor()
        user_of(cursor)
        sharing[0].kill()
        with pytest.raises(NoCoordinatorLeft) as caught:
            user_of(cursor)
        (signature,) = set(re.findall(rb"impala.auth=([^&]+)&", gateway.heard))
        told = [str(caught.value), repr(caught.value), caplog.text, repr(connection)]
        jars = connection._failover.driver._http._cookies
        told += [repr(connection.options), repr([vars(jar) for jar in jars.values()])]
        connection.close()

    assert all(signature.decode() not in text for text in told)


# Kerberos.


def by_ticket(local, *more, **options):
    names = {one.host: f"coord{number}.test" for number, one in enumerate(local, 1)}
    words = {"auth_mechanism": "GSSAPI", "krb_host": names, "user": None, "password": None}
    return connect(local, *more, **{**words, **options})


@needs_realm
@pytest.mark.usefixtures("etl")
@pytest.mark.parametrize("package", ["system", "gssapi"])
def test_over_tls_a_ticket_for_one_is_enough(realm, secret, package):
    with Certificates() as certificates:
        keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
        pem = certificates.of("127.0.0.1", "127.0.0.2")
        plan = {"auth": "GSSAPI", "http": True, "tls": pem, "flags": secret, **keys}
        with LocalCluster(2, **plan) as local:
            logins = Logins(local)
            secured = {"use_ssl": True, "ca_cert": certificates.ca, "kerberos_backend": package}
            with by_ticket(local, **secured) as connection, connection.cursor() as cursor:
                first = user_of(cursor)
                local[0].kill()
                realm.stop_kdc()
                assert first == user_of(cursor) == f"etl@{realm.name}"
            assert [None, 0] == logins()


@needs_realm
@pytest.mark.usefixtures("etl")
def test_without_tls_each_has_to_prove_itself_before_it_gets_a_cookie(realm, secret):
    """For who has the cookie is taken for etl by all of the cluster."""

    def answer(imposter, client):
        imposter.heard += b"".join(request(client))
        answered(client)

    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with (
        LocalCluster(1, auth="GSSAPI", http=True, flags=secret, **keys) as local,
        Imposter(answer, address="127.35.0.1") as imposter,
        by_ticket(local, imposter.where, krb_host="coord1.test") as connection,
    ):
        cursor = connection.cursor()
        user_of(cursor)
        local[0].kill()
        with pytest.raises(NoCoordinatorLeft):
            user_of(cursor)

    assert b"Authorization: Negotiate" in imposter.heard
    assert b"impala.auth" not in imposter.heard
