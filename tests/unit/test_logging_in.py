"""Logging in on 127.0.0.1: passwords that change, old TLS, and certificates that are refused."""

import logging
import socket
import ssl
import warnings
from datetime import datetime, timedelta, timezone

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from loopback import HOST, Answers, Peer, exactly, hiveserver2
from thrift.transport.TTransport import TTransportException

from impala_ha import Coordinator, errors
from impala_ha.core.clock import SystemClock
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.net.sockets import Socket
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)

LIMIT = 5.0


def driver(**options):
    return ImpylaDriver(Options(**options), SystemClock())


def opened(peer, **options):
    return driver(**options).open(peer.coordinator, "etl", {}, LIMIT)


def refused(peer, **options):
    with pytest.raises(CallFailed) as caught:
        opened(peer, **options)
    return caught.value


class Vault:
    """A function that returns the next of its values, and the last one again and again."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


class Directory(dict):
    """Users and passwords, and how often somebody was looked up."""

    asked = 0

    def get(self, user):
        self.asked += 1
        return super().get(user)


@pytest.fixture
def guarded():
    users = Directory(etl="new")
    with Peer(hiveserver2(Answers(), users=users)) as peer:
        peer.users = users
        yield peer


# Passwords that change.


@pytest.mark.parametrize("mechanism", ["PLAIN", "LDAP"])
def test_a_password_that_changed_is_read_anew_and_tried_once_more(guarded, mechanism, caplog):
    vault = Vault("old", "new")

    with caplog.at_level(logging.WARNING, "impala_ha"):
        opened(guarded, auth_mechanism=mechanism, password=vault).close()

    assert (2, 2) == (vault.asked, guarded.users.asked)
    assert f"the password was refused by {guarded.coordinator}" in caplog.text


def test_a_wrong_password_is_not_sent_twice(guarded):
    """Three wrong ones lock the account."""
    vault = Vault("wrong")
    error = refused(guarded, auth_mechanism="LDAP", password=vault)

    assert Fault.DENIED is classify(error.__cause__, error.phase, credential=CredentialKind.SECRET)
    assert (2, 1) == (vault.asked, guarded.users.asked)


def test_another_wrong_password_is_the_last_one(guarded):
    refused(guarded, auth_mechanism="LDAP", password=Vault("old", "older", "oldest"))

    assert 2 == guarded.users.asked


def test_a_text_is_tried_once(guarded):
    refused(guarded, auth_mechanism="LDAP", password="old")

    assert 1 == guarded.users.asked


def test_without_a_password_nothing_is_opened(guarded):
    with pytest.raises(errors.AuthenticationFailed, match="password_cmd: the command ended with"):
        opened(guarded, auth_mechanism="LDAP", password_cmd="false")

    assert 0 == guarded.accepted


def test_what_has_no_password_does_not_ask_for_one():
    vault = Vault("x")
    with Peer(hiveserver2(Answers())) as peer:
        opened(peer, password=vault).close()

    assert 0 == vault.asked


def test_other_failures_are_no_reason_to_read_the_password_anew():
    vault = Vault("one", "two")
    with socket.create_server((HOST, 0)) as closed:
        nobody = Coordinator(HOST, closed.getsockname()[1])
    with pytest.raises(CallFailed, match="refused"):
        driver(auth_mechanism="LDAP", password=vault).open(nobody, "etl", {}, LIMIT)

    assert 1 == vault.asked


def test_a_login_that_cannot_be_understood_is_no_refusal():
    def babbles(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        exactly(connection, 1 << 30)

    vault = Vault("one", "two")
    with Peer(babbles) as peer:
        error = refused(peer, auth_mechanism="LDAP", password=vault)

    assert Fault.MISMATCH is classify(
        error.__cause__, error.phase, credential=CredentialKind.SECRET
    )
    assert 1 == vault.asked


# TLS.


def advised(pem, tmp_path, authority):
    """What is advised about a server with the certificates and the key in *pem*."""
    server, file = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "server.pem"
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    file.write_bytes(pem)
    server.load_cert_chain(file)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority)
    with Peer(hiveserver2(Answers()), server) as peer:
        client = driver(use_ssl=True, ca_cert=str(trusted))
        with pytest.raises(CallFailed) as caught:
            client.open(peer.coordinator, "etl", {}, LIMIT)
    error = caught.value
    assert Fault.UNTRUSTED is classify(error.__cause__, error.phase)
    return client.hint(peer.coordinator, error.phase, str(error))


def test_a_chain_without_its_intermediate_certificate_has_its_advice(tmp_path):
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert(HOST)
    pem = leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()

    assert "intermediate" in advised(pem, tmp_path, root.cert_pem.bytes())


def test_a_weak_key_has_its_advice(tmp_path):
    """RSA with 1024 bits, signed by itself."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    told = advised(secret + certificate, tmp_path, certificate)

    assert "too weak" in told
    assert "no name or CA is wrong" in told


def test_tls_1_1_is_not_spoken():
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    trustme.CA().issue_cert(HOST).configure_cert(old)
    with Peer(hiveserver2(Answers()), old) as peer:
        error = refused(peer, use_ssl=True)

    assert Fault.MISMATCH is classify(error.__cause__, error.phase)
    assert "ALERT_PROTOCOL_VERSION" in str(error)


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def demanding(request):
    """A server that wants a certificate from its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert(HOST).configure_cert(context)
    context.maximum_version = ssl.TLSVersion[request.param]
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with Peer(hiveserver2(Answers()), context) as peer:
        peer.authority, peer.version = authority, request.param
        yield peer


def pem(tmp_path, authority):
    path = tmp_path / "client.pem"
    authority.issue_cert("etl").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


def test_with_a_certificate_that_it_trusts_it_opens(demanding, tmp_path):
    opened(demanding, use_ssl=True, client_cert=pem(tmp_path, demanding.authority)).close()


def test_one_that_it_does_not_trust_is_refused_as_such(demanding, tmp_path):
    for _ in range(5):  # whether the refusal comes before or after our first request is chance
        error = refused(demanding, use_ssl=True, client_cert=pem(tmp_path, trustme.CA()))

        assert Fault.REFUSED is classify(error.__cause__, error.phase)
        assert "ALERT_UNKNOWN_CA" in f"{error.__cause__} {error.__cause__.inner}"


def test_without_one_it_does_not_open(demanding):
    """TLS 1.2 has no word for it but that the handshake failed."""
    error = refused(demanding, use_ssl=True)

    told = Fault.REFUSED if demanding.version == "TLSv1_3" else Fault.MISMATCH
    assert told is classify(error.__cause__, error.phase)


class Handle:
    """A socket to which nothing can be written, and that may have something to say."""

    def __init__(self, says):
        self.says = says

    def settimeout(self, seconds):
        pass

    def send(self, data):
        raise BrokenPipeError(32, "Broken pipe")

    def recv(self, size):
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def ssl_error(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


def written(says, context):
    wire = Socket(HOST, 1, SystemClock(), context)
    wire.handle = Handle(says)
    with pytest.raises(TTransportException) as caught:
        wire.write(b"x")
    return caught.value.inner


def test_the_last_words_of_a_server_that_hung_up_are_heard():
    alert = ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")

    assert alert is written(alert, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@pytest.mark.parametrize(
    "says",
    [b"x", b"", ssl_error("UNEXPECTED_EOF"), ssl.SSLWantReadError(), ConnectionResetError()],
    ids=repr,
)
def test_anything_else_does_not_hide_why_it_could_not_be_written(says):
    told = written(says, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    assert isinstance(told, BrokenPipeError)


def test_without_tls_there_are_none():
    assert isinstance(written(b"x", None), BrokenPipeError)


def test_a_name_with_a_dot_at_its_end_is_the_same_name(monkeypatch):
    """It tells the resolver not to add a domain; certificates are without."""
    names = []

    class Context:
        def wrap_socket(self, handle, server_hostname, do_handshake_on_connect):
            names.append(server_hostname)
            return handle

    def connect(handle, *_, **__):
        yield from ()
        handle.close()

    wire = Socket("coord1.example.", 1, SystemClock(), Context())
    wire.pinned = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (HOST, 1))
    monkeypatch.setattr(wire, "_connect", connect)
    wire.open()

    assert ["coord1.example"] == names


def test_phases_of_opening_are_those_in_which_a_certificate_is_refused():
    alert = TTransportException(inner=ssl_error("TLSV1_ALERT_UNKNOWN_CA"))

    assert {Phase.CONNECT, Phase.LOGIN, Phase.OPEN} == {
        phase
        for phase in Phase
        if classify(alert, phase) is Fault.REFUSED and phase is not Phase.TICKET
    }
