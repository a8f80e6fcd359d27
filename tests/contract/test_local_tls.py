"""The local cluster over TLS: a certificate for each host, and what happens to clients."""

from __future__ import annotations

import socket
import ssl
from functools import partial

import impala.dbapi
import pytest
from hs2 import hs2

from impala_ha.testing import LocalCluster
from real_servers import Certificates

pytestmark = pytest.mark.servers

_ALERT = 21


@pytest.fixture(scope="module")
def secured(certificates):
    """Two coordinators: each has a certificate of its own, and asks for a password."""
    pems = [certificates.of(f"coord{n}.test", f"127.0.0.{n}") for n in (1, 2)]
    with LocalCluster(2, auth="LDAP", users={"etl": "s3cret"}, tls=pems) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def demanding(certificates):
    """A coordinator that wants to see a client's certificate, by TLS 1.3."""
    pem = certificates.of("127.0.0.1")
    with LocalCluster(1, tls=pem, client_ca=certificates.ca, tls_minimum="TLSv1.3") as cluster:
        yield cluster[0]


@pytest.fixture
def trusting(certificates):
    """A client that trusts the authority and looks at the name."""
    return ssl.create_default_context(cafile=certificates.ca)


def names(coordinator, context):
    """The names in the certificate that a coordinator shows."""
    with socket.create_connection((coordinator.host, coordinator.port), timeout=10) as sock:
        with context.wrap_socket(sock, server_hostname=coordinator.host) as tls:
            return {name for _, name in tls.getpeercert()["subjectAltName"]}


def everything(sock):
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def test_each_coordinator_shows_its_own_certificate(secured, trusting):
    assert [names(each, trusting) for each in secured] == [
        {"coord1.test", "127.0.0.1"},
        {"coord2.test", "127.0.0.2"},
    ]


def test_impylas_own_client_trusts_the_authority_and_gets_in(secured, certificates):
    connection = impala.dbapi.connect(
        secured[1].host,
        secured[1].port,
        use_ssl=True,
        ca_cert=certificates.ca,
        auth_mechanism="PLAIN",
        user="etl",
        password="s3cret",
    )
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    cursor.close()
    connection.close()

    assert rows == [("etl",)]


def test_big_statements_and_big_results_pass(secured, trusting):
    with hs2(secured[0], user="etl", password="s3cret", tls=trusting) as client:
        operation, _ = client.run("SELECT repeat('x', 5000000), '" + "y" * 300_000 + "'")
        columns = client.fetch(operation).results.columns

    assert [len(column.stringVal.values[0]) for column in columns] == [5_000_000, 300_000]


def test_a_wrong_password_gets_a_goodbye_and_no_word(secured, trusting):
    with socket.create_connection((secured[0].host, secured[0].port), timeout=10) as sock:
        with trusting.wrap_socket(
            sock, server_hostname=secured[0].host, suppress_ragged_eofs=False
        ) as tls:
            tls.sendall(b"\1\0\0\0\5PLAIN\2\0\0\0\11\0etl\0oops")

            assert everything(tls) == b""


def test_a_client_without_tls_is_left(secured):
    with socket.create_connection((secured[0].host, secured[0].port), timeout=10) as sock:
        sock.sendall(b"\1\0\0\0\5PLAIN\2\0\0\0\13\0etl\0s3cret")
        try:
            answer = everything(sock)
        except ConnectionResetError:
            # It hangs up before it has read what is no TLS.
            answer = b""

    assert not answer or answer[0] == _ALERT


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_cut_comes_without_tlss_goodbye(secured, trusting, how):
    with hs2(secured[0], user="etl", password="s3cret", tls=trusting) as client:
        secured[0].cut("ExecuteStatement:request", byte=0, how=how)
        client.transport.write(b"\x80\x01\x00\x01\x00\x00\x00\x10ExecuteStatement\x00\x00\x00\x00")
        client.transport.flush()
        below = partial(socket.socket.recv, client.transport._trans.handle)

        if how == "fin":
            assert below(65536) == b""
        else:
            with pytest.raises(ConnectionResetError):
                below(65536)


def test_a_cut_counts_the_bytes_of_the_answer_in_clear(secured, trusting):
    with hs2(secured[0], user="etl", password="s3cret", tls=trusting) as client:
        secured[0].cut("CloseSession:response", byte=6)
        request = (
            b"\x80\x01\x00\x01\x00\x00\x00\x0cCloseSession\x00\x00\x00\x00\x0c\x00\x01\x00\x00"
        )
        client.transport.write(request)
        client.transport.flush()
        answer = everything(client.transport._trans.handle)

    assert answer[4:] == b"\x80\x01\x00\x02\x00\x00"


def test_connections_under_tls_are_closed_by_order(secured, trusting):
    with hs2(secured[0], user="etl", password="s3cret", tls=trusting) as client:
        assert secured[0].connections == 1
        secured[0].disconnect()

        assert everything(client.transport._trans.handle) == b""


def test_a_handshake_that_waits_is_closed_by_order(secured, until):
    with socket.create_connection((secured[0].host, secured[0].port), timeout=10) as sock:
        until(lambda: secured[0].connections == 1)
        secured[0].disconnect()

        assert everything(sock) == b""


def test_tls_below_its_minimum_is_refused(demanding, certificates):
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(certificates.client("etl"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        names(demanding, context)


def test_a_client_with_a_certificate_of_the_authority_gets_in(demanding, certificates):
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(certificates.client("etl"))

    with hs2(demanding, tls=context) as client:
        assert client.run("SELECT 1")


def test_a_client_without_a_certificate_is_told_so(demanding, trusting):
    """By TLS 1.3 its own handshake is over by then: the alert comes with the first answer."""
    with socket.create_connection((demanding.host, demanding.port), timeout=10) as sock:
        with trusting.wrap_socket(sock, server_hostname=demanding.host) as tls:
            with pytest.raises(ssl.SSLError, match="(?i)certificate.required"):
                tls.recv(1)


def test_a_client_with_a_certificate_of_another_authority_is_told_so(demanding, certificates):
    context = ssl.create_default_context(cafile=certificates.ca)
    with Certificates() as others:
        context.load_cert_chain(others.client("etl"))

        with socket.create_connection((demanding.host, demanding.port), timeout=10) as sock:
            with context.wrap_socket(sock, server_hostname=demanding.host) as tls:
                with pytest.raises(ssl.SSLError, match="(?i)unknown.ca"):
                    tls.recv(1)


def test_what_is_no_certificate_is_reported_at_the_start(tmp_path):
    pem = tmp_path / "no.pem"
    pem.write_text("nothing")

    with pytest.raises(RuntimeError, match="coordinator 0 did not start"):
        LocalCluster(1, tls=pem).start()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"auth": "GSSAPI"}, "auth='GSSAPI' needs a keytab"),
        ({"auth": "LDAP"}, "auth='LDAP' needs users"),
        ({"auth": "JWT"}, "auth='JWT' needs a jwt_key"),
        ({"users": {"a": "b"}}, "users have no meaning without auth='PLAIN' or auth='LDAP'"),
        ({"qop": "auth-conf"}, "qop='auth-conf' has no meaning without auth='GSSAPI'"),
        ({"qop": "privacy"}, "qop must be one of auth, auth-int, auth-conf, not 'privacy'"),
        ({"tls_minimum": "TLSv1"}, "tls_minimum must be one of TLSv1.2, TLSv1.3, not 'TLSv1'"),
        ({"principals": "impala"}, "principals must look like 'impala/coord{}.test'"),
        ({"keytab": "/nowhere"}, "keytab must be a file, and '/nowhere' is none"),
        ({"tls": [__file__] * 2}, "tls must be one pem, or one for each of 3, not 2"),
        ({"client_ca": __file__}, "client_ca has no meaning without tls"),
    ],
)
def test_security_that_makes_no_sense_is_reported(arguments, told):
    with pytest.raises(ValueError) as raised:
        LocalCluster(3, **arguments)

    assert told in str(raised.value)


def test_an_argument_that_does_not_exist_is_reported():
    with pytest.raises(TypeError, match="LocalCluster takes no argument 'certfile'"):
        LocalCluster(3, certfile="x")


def test_the_plan_keeps_passwords_and_keys_to_itself():
    users = {"etl": "s3cret"}
    cluster = LocalCluster(1, auth="LDAP", users=users, jwt_key="k3y")

    assert "s3cret" not in repr(cluster._plan)
    assert "k3y" not in repr(cluster._plan)
