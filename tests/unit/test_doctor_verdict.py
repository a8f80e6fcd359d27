"""From a failure to the layer that is wrong: the table of what a doctor says, without any server."""

import pytest
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TTransportException

from impala_ha.cli.doctor.report import Layer
from impala_ha.cli.doctor.verdict import Failure, diagnosis
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import CredentialKind, Phase
from impala_ha.core.kerberos_errors import GSSError
from impala_ha.core.model import Coordinator
from impala_ha.errors import AuthenticationFailed, OperationalError
from impala_ha.hs2.hints import HINTS, OpenFailure, hint
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.options.options import Options

EOF = TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
SILENCE = TTransportException(TTransportException.TIMED_OUT, "read timeout: timed out")
DEAF = TTransportException(
    TTransportException.NOT_OPEN, "Could not connect to any of [('10.0.0.1', 21050)]: timed out"
)

NOT_READY = (
    "AnalysisException: This Impala daemon is not ready to accept user requests. "
    "Status: Waiting for catalog update from the StateStore."
)


def failure(error, phase, at=Layer.TCP, *, port=21050, **options):
    options = Options(**options)
    credential = CredentialKind.by(options.auth_mechanism)
    fault = classify(error, phase, credential=credential) if phase else None
    return Failure(Coordinator("coord1", port), options, phase, error, error_text(error), fault, at)


def refused(code):
    return HTTPStatusError(code, "as it says", b"", {})


CASES = [
    (failure(AuthenticationFailed("password_cmd: ..."), None), "secret", "by hand"),
    (failure(GSSError("x (KRB5_KDC_UNREACH)"), Phase.TICKET), "ticket", "check the KDC"),
    (failure(GSSError("x (KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN)"), Phase.TICKET), "principal", "`kvno`"),
    (failure(DEAF, Phase.CONNECT), "tcp", "firewall"),
    (failure(OSError("No route to host"), Phase.CONNECT), "tcp", "check the network"),
    (
        failure(OSError("the name service did not answer in time"), Phase.CONNECT, Layer.ADDRESSES),
        "addresses",
        "/etc/resolv.conf",
    ),
    (failure(TimeoutError("timed out"), Phase.CONNECT, Layer.TLS, use_ssl=True), "tls", "--ssl"),
    (failure(refused(407), Phase.CONNECT, use_http_transport=True), "http", "http_proxy"),
    (
        failure(OSError("[SSL: TLSV1_ALERT_UNKNOWN_CA] alert"), Phase.OPEN, use_ssl=True),
        "tls",
        "client_cert",
    ),
    (failure(EOF, Phase.LOGIN, auth_mechanism="GSSAPI"), "principal", "krb_host"),
    (failure(GSSError("bad"), Phase.LOGIN, auth_mechanism="GSSAPI"), "login", "log"),
    (failure(GSSError("bad"), Phase.OPEN, use_http_transport=True), "login", "log"),
    (failure(EOF, Phase.LOGIN, auth_mechanism="LDAP"), "login", "after the password"),
    (failure(SILENCE, Phase.LOGIN, auth_mechanism="LDAP"), "login", "--fe_service_threads"),
    (
        failure(TTransportException(message="Bad status: 72 (x)"), Phase.LOGIN),
        "protocol",
        "use_http_transport=True",
    ),
    (failure(EOF, Phase.OPEN), "session", "auth_mechanism="),
    (failure(SILENCE, Phase.OPEN), "session", "--fe_service_threads"),
    (failure(EOF, Phase.OPEN, port=21000), "protocol", "Beeswax"),
    (failure(TApplicationException(1, "Invalid method name: 'OpenSession'"), Phase.OPEN), "protocol", "21050"),
    (failure(SILENCE, Phase.OPEN, port=25000), "protocol", "web page"),
    (failure(EOF, Phase.OPEN, use_http_transport=True), "protocol", "21050"),
    (failure(refused(401), Phase.OPEN, use_http_transport=True), "login", "auth_mechanism"),
    (
        failure(refused(403), Phase.OPEN, use_http_transport=True, auth_mechanism="LDAP"),
        "login",
        "not accepted",
    ),
    (failure(refused(404), Phase.OPEN, use_http_transport=True), "http", "http_path"),
    (failure(refused(503), Phase.OPEN, use_http_transport=True), "http", "gateway"),
    (failure(refused(418), Phase.OPEN, use_http_transport=True), "http", "gateway"),
    (failure(OperationalError("Server is being shut down: 3 s"), Phase.OPEN), "state", "gracefully"),
    (
        failure(OperationalError(NOT_READY), Phase.SENT),
        "state",
        "catalog",
    ),
    (
        failure(
            OperationalError("Number of sessions for user etl exceeds coordinator limit 1"),
            Phase.OPEN,
        ),
        "session",
        "/sessions",
    ),
    (failure(OperationalError("something new"), Phase.OPEN), "session", "log"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "layer", "advice"), CASES, ids=[f"{c[1]}: {c[0].text[:40]}" for c in CASES]
)
def test_a_failure_names_its_layer_and_what_to_do(case, layer, advice):
    found = diagnosis(case)

    assert layer == found.layer.value
    assert advice in found.advice


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EOF, "the server closed the connection without a word"),
        (SILENCE, "no answer within 10 s"),
        (DEAF, "no answer within 10 s"),
        (OSError("failed to resolve sockaddr for a:1: [Errno -2] unknown"), "unknown"),
        (OSError("[SSL: WRONG] certificate verify failed: x (_ssl.c:99)"), "certificate verify failed: x"),
        (OSError("one\ntwo"), "one"),
        (OSError(), "OSError"),
    ],
)  # fmt: skip
def test_words_are_told_without_their_wrapping(error, told):
    assert told == failure(error, Phase.CONNECT).plain


DIAGNOSED = [(layer, row) for row in HINTS for layer in row.at.split()]


def test_every_advice_of_a_layer_can_be_given():
    """A row behind one that takes everything would never be read."""
    seen = set()
    for layer, row in DIAGNOSED:
        assert Layer(layer) not in seen, row
        if not row.pattern:
            seen.add(Layer(layer))


def test_a_hint_of_a_layer_is_not_for_an_error():
    """Whoever only wants a connection is told of those alone that every coordinator shares."""
    for _, row in DIAGNOSED:
        where = Coordinator("coord1", 21050)

        assert row.advice != hint(OpenFailure(where, Options(), Phase.OPEN, row.pattern))
