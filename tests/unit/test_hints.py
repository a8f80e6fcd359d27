"""What to look at when a connection cannot be opened: each advice, with a real message."""

import pytest

from impala_ha._faults import Phase
from impala_ha._hints import HINTS, Failure, hint
from impala_ha._model import Coordinator
from impala_ha._options import Options

EOF = "TSocket read 0 bytes"
CASES = [
    ({"auth_mechanism": "GSSAPI"}, "127.0.0.1", Phase.LOGIN, "x", "Kerberos needs names"),
    ({"auth_mechanism": "GSSAPI"}, "a", Phase.LOGIN, EOF, "during the Kerberos handshake"),
    ({"auth_mechanism": "LDAP"}, "a", Phase.LOGIN, EOF, "after the password"),
    ({"auth_mechanism": "PLAIN"}, "a", Phase.LOGIN, "Broken pipe", "after the password"),
    ({}, "a", Phase.OPEN, EOF, "at the first request"),
    ({}, "a", Phase.OPEN, "[Errno 104] Connection reset by peer", "at the first request"),
    (
        {"auth_mechanism": "PLAIN"},
        "a",
        Phase.LOGIN,
        "Bad status: 3 (b'Unsupported mechanism type PLAIN')",
        "does not offer this auth_mechanism",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
        "check ca_cert",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: WRONG_VERSION_NUMBER] wrong version number",
        "does not speak TLS on this port",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version",
        "refused the TLS handshake",
    ),
    ({}, "a", Phase.OPEN, "No protocol version header", "is not HiveServer2 in this form"),
    (
        {"auth_mechanism": "PLAIN"},
        "a",
        Phase.LOGIN,
        "Bad status: 72 (b'x')",
        "is not HiveServer2 in this form",
    ),
]


def advice(options, where, phase, text):
    return hint(Failure(where, Options(**options), phase, text))


@pytest.mark.parametrize(("options", "host", "phase", "text", "told"), CASES)
def test_each_classic_has_its_remedy(options, host, phase, text, told):
    assert told in advice(options, Coordinator(host), phase, text)


def test_every_row_has_a_real_message():
    told = {
        advice(options, Coordinator(host), phase, text) for options, host, phase, text, _ in CASES
    }

    assert {row.advice for row in HINTS} == told


@pytest.mark.parametrize(
    ("port", "options", "told"),
    [
        (21000, {}, "Beeswax"),
        (25000, {}, "web page"),
        (28000, {}, "use_http_transport=True"),
        (28000, {"use_http_transport": True}, ""),
    ],
)
def test_a_port_of_another_service_is_known(port, options, told):
    got = advice(options, Coordinator("a", port), Phase.CONNECT, "refused")

    assert told in got
    assert bool(told) is bool(got)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.sent or phase is Phase.UNSENT])
def test_once_a_session_was_open_these_classics_are_out_of_question(phase):
    assert "" == advice({}, Coordinator("a", 21000), phase, EOF)


def test_an_error_that_says_it_all_needs_no_advice():
    assert "" == advice({}, Coordinator("a"), Phase.CONNECT, "Connection refused")
