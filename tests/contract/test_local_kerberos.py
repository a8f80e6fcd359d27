"""The local cluster's login asks for tickets: SASL GSSAPI, its layers, and who is let in."""

from __future__ import annotations

import socket
import struct
import threading

import impala.dbapi
import pytest
from kerberized import MARKS, backends, kerberized

from real_servers import missing

pytestmark = MARKS

if not missing("gssapi"):
    import gssapi
    from gss_clients import LAYERS, by_gssapi, by_kerberos
    from hs2 import Hs2, hs2
    from thrift.transport.TTransport import TTransportException

#: Of tests with impyla's own client.
impylas = pytest.mark.skipif(bool(missing("kerberos")), reason=missing("kerberos"))
QOPS = ("auth", "auth-int", "auth-conf")
SECRET = "SELECT 'nobody shall read this'"


@pytest.fixture
def ticket(realm, monkeypatch):
    """The test is etl, with a ticket of its own."""
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    realm.kinit("etl")


@pytest.fixture
def cache(nobody):
    """A place for a ticket of its own."""
    return nobody


@pytest.fixture(scope="module")
def clusters(realm):
    """Start a cluster for each layer, when it is asked for."""
    started = {}

    def start(qop="auth", **more):
        key = (qop, *sorted(more))
        if key not in started:
            started[key] = kerberized(realm, 2, qop=qop, **more).start()
        return started[key]

    yield start
    for cluster in started.values():
        cluster.stop()


def everything(sock):
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


@impylas
@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("index", [0, 1])
def test_impylas_own_client_opens_with_each_ones_own_name(clusters, realm, index):
    coordinator = clusters()[index]
    connection = impala.dbapi.connect(
        coordinator.host,
        coordinator.port,
        auth_mechanism="GSSAPI",
        kerberos_service_name="impala",
        krb_host=f"coord{index + 1}.test",
    )
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    cursor.close()
    connection.close()

    assert rows == [(f"etl@{realm.name}",)]


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("qop", QOPS)
@pytest.mark.parametrize("package", backends("gssapi", "kerberos"))
def test_big_statements_and_big_results_pass_under_each_layer(clusters, qop, package):
    coordinator = clusters(qop)[0]
    client = {"gssapi": by_gssapi, "kerberos": by_kerberos}[package](coordinator, qop)

    with hs2(coordinator, kerberos=client) as etl:
        operation, _ = etl.run("SELECT repeat('x', 5000000), '" + "y" * 300_000 + "'")
        columns = etl.fetch(operation).results.columns

    assert [len(column.stringVal.values[0]) for column in columns] == [5_000_000, 300_000]


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("qop", QOPS)
def test_only_its_one_layer_is_offered_and_none_has_a_longest_frame_of_zero(clusters, qop):
    coordinator = clusters(qop)[0]

    with hs2(coordinator, kerberos=by_gssapi(coordinator, qop)) as client:
        assert client.transport.sasl.offered == (LAYERS[qop], 0 if qop == "auth" else 65536)


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize(
    ("qop", "seen"), [("auth", True), ("auth-int", True), ("auth-conf", False)]
)
def test_only_encryption_hides_a_statement_and_its_rows(clusters, qop, seen):
    coordinator = clusters(qop)[0]
    with Tap(coordinator) as tap:
        with hs2(tap, kerberos=by_gssapi(coordinator, qop)) as client:
            operation, _ = client.run(SECRET)
            (value,) = client.fetch(operation).results.columns[0].stringVal.values

    assert value == b"nobody shall read this"
    assert (b"nobody shall" in tap.up, b"nobody shall" in tap.down) == (seen, seen)


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("qop", ["auth-int", "auth-conf"])
def test_a_frame_that_was_tampered_with_ends_the_connection(clusters, qop):
    coordinator = clusters(qop)[0]

    with hs2(coordinator, kerberos=by_gssapi(coordinator, qop)) as client:
        sock = client.transport._trans.handle
        _, frame = client.transport.sasl.encode(b"\x80\x01\x00\x01")
        sock.sendall(frame[:-1] + bytes([frame[-1] ^ 1]))

        assert everything(sock) == b""


@pytest.mark.usefixtures("ticket")
def test_a_signed_frame_is_not_enough_where_frames_are_encrypted(clusters):
    coordinator = clusters("auth-conf")[0]

    with hs2(coordinator, kerberos=by_gssapi(coordinator, "auth-conf")) as client:
        frame = client.transport.sasl.context.wrap(b"\x80\x01\x00\x01", False).message
        sock = client.transport._trans.handle
        sock.sendall(struct.pack(">I", len(frame)) + frame)

        assert everything(sock) == b""


@impylas
@pytest.mark.usefixtures("ticket")
def test_impylas_layer_as_it_is_does_not_work(clusters):
    """It has encoding and decoding the wrong way round, and no length: a defect of impyla's."""
    coordinator = clusters("auth-conf")[0]
    connection = impala.dbapi.connect(
        coordinator.host,
        coordinator.port,
        auth_mechanism="GSSAPI",
        kerberos_service_name="impala",
        krb_host=coordinator.kerberos_host,
        timeout=10,
    )

    with pytest.raises(TTransportException, match="token"):
        connection.cursor()
    connection.close()


def refused(coordinator, client):
    """Whether the coordinator hung up in the negotiation, without a word."""
    try:
        Hs2(coordinator, kerberos=client).close()
    except TTransportException as error:
        return error.type == TTransportException.END_OF_FILE
    return False


@pytest.mark.usefixtures("ticket")
def test_a_ticket_for_the_other_coordinator_gets_a_closed_socket_and_no_word(clusters):
    first, second = clusters()

    assert refused(first, by_gssapi(second))
    assert not refused(first, by_gssapi(first))


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize(("offered", "chosen"), [("auth", "auth-conf"), ("auth-conf", "auth")])
def test_a_layer_that_was_not_offered_gets_a_closed_socket(clusters, offered, chosen):
    coordinator = clusters(offered)[0]

    assert refused(coordinator, by_gssapi(coordinator, chosen))


@pytest.mark.usefixtures("ticket")
def test_a_client_that_does_not_ask_who_the_server_is_gets_in_too(clusters):
    coordinator = clusters()[0]

    assert not refused(coordinator, by_gssapi(coordinator, mutual=False))


@pytest.mark.usefixtures("ticket")
def test_nobody_authorizes_as_somebody_else(clusters, realm):
    coordinator = clusters()[0]
    names = [b"", b"etl", f"etl@{realm.name}".encode(), b"bob", b"root"]

    let_in = [
        name
        for name in names
        if not refused(coordinator, by_gssapi(coordinator, authorize_as=name))
    ]

    assert let_in == names[:3]


def test_a_client_whose_clock_is_wrong_gets_a_closed_socket(clusters, realm, cache):
    realm.kinit("etl", cache)
    coordinator = clusters()[0]
    assert not refused(coordinator, by_gssapi(coordinator))

    realm.set_clock(600, cache)

    assert refused(coordinator, by_gssapi(coordinator))


@pytest.mark.parametrize("token", [b"garbage", b"\x60\x03\x06\x01\x00"])
def test_what_is_no_token_gets_a_closed_socket(clusters, token):
    coordinator = clusters()[0]
    with socket.create_connection((coordinator.host, coordinator.port), timeout=10) as sock:
        sock.sendall(struct.pack(">BI6sBI", 1, 6, b"GSSAPI", 2, len(token)) + token)

        assert everything(sock) == b""


def test_a_password_is_no_mechanism_of_a_kerberized_coordinator(clusters):
    coordinator = clusters()[0]

    with pytest.raises(TTransportException, match="Unsupported mechanism type PLAIN"):
        Hs2(coordinator, user="etl", password="s3cret")


@pytest.mark.parametrize("qop", ["auth", "auth-conf"])
def test_a_connection_outlives_the_ticket_it_was_made_with(clusters, realm, cache, until, qop):
    realm.kinit("etl", cache, lifetime=2)
    coordinator = clusters(qop)[0]
    with hs2(coordinator, kerberos=by_gssapi(coordinator, qop)) as client:
        until(lambda: ticket_is_over(by_gssapi(coordinator, qop)))
        operation, _ = client.run("SELECT 1")
        columns = client.fetch(operation).results.columns

    assert columns[0].byteVal.values == [1]


def ticket_is_over(client):
    try:
        client().start("GSSAPI")
    except gssapi.exceptions.GSSError as error:
        return "expired" in str(error)
    return False


@pytest.mark.usefixtures("ticket")
def test_delegation_goes_by_the_short_name(realm, clusters):
    flags = {"authorized_proxy_user_config": "etl=ann"}
    coordinator = clusters("auth", flags=flags)[0]

    client = Hs2(coordinator, kerberos=by_gssapi(coordinator))
    client.open(configuration={"Impala.DoAs.User": "ann"})
    operation, _ = client.run("SELECT effective_user()")
    (user,) = client.fetch(operation).results.columns[0].stringVal.values
    refusal = client.call("OpenSession", configuration={"impala.doas.user": "zoe"})
    client.close()

    assert user == b"ann"
    assert refusal.status.errorMessage == (
        f"User 'etl@{realm.name}' is not authorized to delegate to 'zoe'."
    )


@pytest.mark.usefixtures("ticket")
def test_all_may_go_by_one_name_as_behind_a_load_balancer(clusters):
    cluster = clusters("auth", principals="impala/coord2.test")

    assert {each.kerberos_host for each in cluster} == {"coord2.test"}
    assert not any(refused(each, by_gssapi(each)) for each in cluster)


def test_the_hosts_of_a_kerberized_cluster_name_each_ones_service(clusters):
    cluster = clusters()
    first, second = cluster

    assert cluster.kerberos_hosts == (
        f"{first.address}?krb_host=coord1.test,{second.address}?krb_host=coord2.test"
    )


@pytest.mark.usefixtures("ticket")
def test_a_cut_counts_the_bytes_of_the_encrypted_frame(clusters):
    coordinator = clusters("auth-conf")[0]
    with hs2(coordinator, kerberos=by_gssapi(coordinator, "auth-conf")) as client:
        coordinator.cut("CloseSession:response", 20)
        client.client.send_CloseSession(_close(client.session))
        answer = everything(client.transport._trans.handle)

    assert len(answer) == 4 + 20
    assert struct.unpack(">I", answer[:4])[0] > 20


def _close(session):
    from impala._thrift_gen.TCLIService import ttypes as t  # noqa: PLC0415  # this test only

    return t.TCloseSessionReq(sessionHandle=session)


def test_a_keytab_without_the_key_is_reported_at_the_start(realm):
    with pytest.raises(RuntimeError, match="coordinator 2 did not start.*impala/coord3"):
        kerberized(realm, 3).start()


def test_the_process_that_starts_a_cluster_keeps_its_own_realm(clusters, monkeypatch):
    """Only the coordinators' own processes look at the plan's configuration."""
    monkeypatch.setenv("KRB5_CONFIG", "/nowhere/krb5.conf")
    coordinator = clusters()[0]

    coordinator.restart()

    with socket.create_connection((coordinator.host, coordinator.port), timeout=10) as sock:
        sock.sendall(struct.pack(">BI5s", 1, 5, b"PLAIN"))
        assert b"Unsupported mechanism" in everything(sock)


class Tap:
    """Sits between a client and a coordinator and writes down what it passes on."""

    def __init__(self, coordinator):
        self.up, self.down = bytearray(), bytearray()
        self._upstream = (coordinator.host, coordinator.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(10)
        self._listener.close()

    def _pass_on(self):
        client, _ = self._listener.accept()
        with client, socket.create_connection(self._upstream) as server:
            back = threading.Thread(target=self._copy, args=(server, client, self.down))
            back.start()
            self._copy(client, server, self.up)
            back.join(10)

    def _copy(self, source, target, seen):
        while data := source.recv(65536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
