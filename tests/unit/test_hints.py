"""What to look at when a connection cannot be opened: each advice, with a real message."""

import pytest

from impala_ha.core.faults import Phase
from impala_ha.core.model import Coordinator
from impala_ha.hs2.hints import HINTS, OpenFailure, hint
from impala_ha.options.options import Options

EOF = "TSocket read 0 bytes"
GSSAPI = {"auth_mechanism": "GSSAPI"}
HTTP = {"use_http_transport": True}
STRANGER = (
    "Server krbtgt/TEST@LAB.TEST not found in Kerberos database (KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN)"
)
CASES = [
    ({"auth_mechanism": "GSSAPI"}, "127.0.0.1", Phase.LOGIN, "x", "Kerberos needs names"),
    (GSSAPI, "127.0.0.1", Phase.TICKET, STRANGER, "Kerberos needs names"),
    (GSSAPI, "a", Phase.TICKET, STRANGER, "does not know the coordinator under this name"),
    ({**GSSAPI, "krb_host": "b"}, "::1", Phase.TICKET, STRANGER, "`kvno` with the name"),
    ({**GSSAPI, "krb_canonicalize": True}, "::1", Phase.TICKET, STRANGER, "`kvno` with the name"),
    (
        {**GSSAPI, "krb_canonicalize": True},
        "127.0.0.9",
        Phase.TICKET,
        (
            "127.0.0.9 has no name ([Errno -2] Name or service not known), which krb_canonicalize "
            "looked for"
        ),
        "knows no name for this address",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "no key of etl in the keytab /etc/etl.keytab (KRB5_FCC_NOFILE)",
        "check principal and keytab",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "Decrypt integrity check failed (KRB5KRB_AP_ERR_BAD_INTEGRITY), asking for impala/a",
        "`klist -k -e FILE`",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "no ticket for impala/a in the credential cache, and none to ask the KDC with: x",
        "no ticket-granting ticket",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "No Kerberos credentials available (default cache: /tmp/x) (KRB5_CC_NOTFOUND)",
        "there is no Kerberos ticket",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "Ticket expired (KRB5KRB_AP_ERR_TKT_EXPIRED), asking for impala/a",
        "the Kerberos ticket has ended",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "Clock skew too great (KRB5KRB_AP_ERR_SKEW), asking for impala/a",
        "check NTP",
    ),
    (
        GSSAPI,
        "a",
        Phase.TICKET,
        "Cannot contact any KDC for realm 'LAB.TEST' (KRB5_KDC_UNREACH), asking for impala/a",
        "check the KDC",
    ),
    (
        GSSAPI,
        "a",
        Phase.LOGIN,
        "Bad status: 3 (b'GSS initiate failed')",
        "its keytab may be out of date",
    ),
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
        "ca_cert=FILE names the CA",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
            "certificate (_ssl.c:1006)"
        ),
        "verify_cert=True takes those of the system",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
        "is to be renewed there",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid",
        "the clock of this machine may be slow",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, "
            "certificate is not valid for 'a'."
        ),
        "carries other names",
    ),
    (
        {"use_ssl": True},
        "127.0.0.1",
        Phase.CONNECT,
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, "
            "certificate is not valid for '127.0.0.1'."
        ),
        "carries other names",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: EE certificate key too weak",
        "RSA with 2048 bits",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unsuitable certificate purpose",
        "check ca_cert, the date",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.OPEN,
        (
            "unexpected exception: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate "
            "required (_ssl.c:2580)"
        ),
        "check client_cert",
    ),
    (
        {"use_ssl": True},
        "a",
        Phase.CONNECT,
        "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)",
        "at least TLS 1.2 is spoken here",
    ),
    ({}, "a", Phase.OPEN, "Invalid method name: 'OpenSession'", "another Thrift service"),
    (
        {"doas_user": "b"},
        "a",
        Phase.OPEN,
        "User 'a' is not authorized to delegate to 'b'.",
        "authorized_proxy_user_config",
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
        HTTP | GSSAPI,
        "a",
        Phase.OPEN,
        "the server did not prove who it is: it answered without a token of its own",
        "Hive and Spark do not over HTTP",
    ),
    (
        GSSAPI,
        "a",
        Phase.LOGIN,
        "the server did not prove who it is: it ended the login without a token of its own",
        "has not shown the key of the service principal",
    ),
    (HTTP, "a", Phase.OPEN, EOF, "the port may be that of the binary protocol"),
    (HTTP, "a", Phase.OPEN, "HTTP code 401: Unauthorized", "auth_mechanism='LDAP'"),
    (
        GSSAPI,
        "a",
        Phase.LOGIN,
        "the ticket is one of bob@X, and the connection was opened as etl@X",
        "a connection does not change its user",
    ),
    (HTTP | GSSAPI, "a", Phase.OPEN, "HTTP code 401: Unauthorized", "did not take the ticket"),
    (HTTP | GSSAPI, "a", Phase.OPEN, "HTTP code 401: Unauthorized", "the clocks of both machines"),
    (GSSAPI, "a", Phase.LOGIN, EOF, "the clocks of this machine and the coordinator"),
    (
        HTTP | GSSAPI,
        "a",
        Phase.OPEN,
        "HTTP code 401: Unauthorized (asks for Basic, Negotiate) from http://a:28000",
        "did not take the ticket",
    ),
    (
        HTTP | GSSAPI,
        "a",
        Phase.OPEN,
        "HTTP code 401: Unauthorized (asks for Basic) from http://a:28000",
        "auth_mechanism='LDAP' for Basic",
    ),
    (
        HTTP | GSSAPI,
        "a",
        Phase.OPEN,
        "HTTP code 401: Unauthorized from http://a:28000/, by a clock that is 3600 s ahead of ours",
        "the clocks of this machine and of the server differ",
    ),
    (HTTP, "a", Phase.OPEN, "HTTP code 302: Found (leads to https://b/login)", "leads to a page"),
    (HTTP, "a", Phase.OPEN, "HTTP code 404: Not Found from https://a:8443/x", "check http_path"),
    (
        HTTP,
        "a",
        Phase.CONNECT,
        "HTTP code 407: Proxy Authentication Required from proxy p:3128 for a:21050",
        "http://USER:PASSWORD@HOST:PORT",
    ),
    (
        HTTP,
        "a",
        Phase.CONNECT,
        "HTTP code 503: Service Unavailable from proxy p:3128 for a:21050",
        "the environment variable no_proxy",
    ),
    (
        {"auth_mechanism": "PLAIN"},
        "a",
        Phase.LOGIN,
        "Bad status: 72 (b'x')",
        "is not HiveServer2 in this form",
    ),
]


def advice(options, where, phase, text):
    return hint(OpenFailure(where, Options(**options), phase, text))


@pytest.mark.parametrize(("options", "host", "phase", "text", "told"), CASES)
def test_each_classic_has_its_remedy(options, host, phase, text, told):
    assert told in advice(options, Coordinator(host), phase, text)


def test_the_port_is_no_matter_while_a_ticket_is_asked_for():
    assert "there is no Kerberos ticket" in advice(
        GSSAPI, Coordinator("a", 21000), Phase.TICKET, "No ticket (KRB5_CC_NOTFOUND)"
    )


def test_every_row_has_a_real_message():
    told = {
        advice(options, Coordinator(host), phase, text) for options, host, phase, text, _ in CASES
    }

    assert {row.advice for row in HINTS if not row.at} == told


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
