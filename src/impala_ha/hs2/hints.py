"""
What to look at when a connection cannot be opened: the classics, each with its remedy.

Impala closes the socket without a word for a wrong password, a wrong mechanism and a missing TLS
alike, and other ports answer in other languages; who reads the error at night should not have to
know that.  To teach another one, add a row to `HINTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from impala_ha.core.faults import Phase
from impala_ha.core.kerberos_errors import ENDED
from impala_ha.core.model import Coordinator
from impala_ha.options.kerberos_names import HOST, given
from impala_ha.options.options import Options


class Failure(NamedTuple):
    """What is known when opening failed."""

    coordinator: Coordinator
    options: Options
    phase: Phase
    text: str


class Hint(NamedTuple):
    """*advice*, where *pattern* is in the text of the error and *fits* agrees."""

    pattern: str
    fits: Callable[[Failure], bool]
    advice: str


_NAMES = (
    "Kerberos needs names: give the coordinator's full name as host, or as krb_host (?krb_host= in "
    "the list of hosts), or look it up with krb_canonicalize=True"
)
_UNKNOWN_CA = (
    "the certificate was signed by somebody who is not trusted: ca_cert=FILE names the CA, "
    "verify_cert=True takes those of the system (the package ca-certificates)"
)
_EOF = r"read 0 bytes|[Cc]onnection reset|Broken pipe"
_HTTP_PORT = 28000
_OTHER_PORTS = {
    21000: "port 21000 is Impala's old Beeswax port; HiveServer2 is on 21050",
    25000: "port 25000 is Impala's web page; HiveServer2 is on 21050",
    _HTTP_PORT: "port 28000 speaks HiveServer2 over HTTP: use_http_transport=True, or port 21050",
}


def _gssapi(failure: Failure) -> bool:
    return failure.options.auth_mechanism == "GSSAPI" and failure.phase is Phase.LOGIN


def _ticket(failure: Failure) -> bool:
    return failure.phase is Phase.TICKET


def _nameless(failure: Failure) -> bool:
    """Was Kerberos asked for an address, for want of a name?"""
    where, options = failure.coordinator, failure.options
    unnamed = where.is_address and HOST in given(options.krb_host, where)
    return unnamed and not options.krb_canonicalize


def _password(failure: Failure) -> bool:
    return failure.options.auth_mechanism in ("PLAIN", "LDAP") and failure.phase is Phase.LOGIN


def _http(failure: Failure) -> bool:
    return failure.options.use_http_transport


def _plain_socket(failure: Failure) -> bool:
    return failure.options.auth_mechanism == "NOSASL" and failure.phase is Phase.OPEN


HINTS: tuple[Hint, ...] = (
    Hint(
        r"S_PRINCIPAL_UNKNOWN",
        lambda f: _ticket(f) and _nameless(f),
        _NAMES,
    ),
    Hint(
        r"S_PRINCIPAL_UNKNOWN|KDC_ERR_SERVICE",
        _ticket,
        "the KDC does not know the coordinator under this name, or not in this realm: `kvno` with "
        "the name asks for it once more, `klist` shows what was found, and `klist -k` on the "
        "coordinator what its keytab holds; check krb_host (clusters set up for a load balancer "
        "know only the balancer's name), kerberos_service_name, and domain_realm in krb5.conf",
    ),
    Hint(
        r"has no name",
        _ticket,
        "the name service knows no name for this address: give the full name as host or krb_host",
    ),
    Hint(
        r"keytab|PREAUTH_FAILED|C_PRINCIPAL_UNKNOWN|BAD_INTEGRITY|KEY_EXP|CLIENT_REVOKED",
        _ticket,
        "check principal and keytab: `klist -k -e FILE` shows what the keytab holds, `kinit -k -t "
        "FILE PRINCIPAL` tries it; a key that was changed in the KDC makes older keytabs useless",
    ),
    Hint(
        r"none to ask the KDC with",
        _ticket,
        "the credential cache has no ticket-granting ticket, as `klist` shows: `kinit`, or put a "
        "ticket for each coordinator into it",
    ),
    Hint(
        r"CC_NOTFOUND|FCC_NOFILE|NO_CRED",
        _ticket,
        "there is no Kerberos ticket: `kinit`, then `klist` shows it (in the cache that KRB5CCNAME "
        "names), or give principal and keytab",
    ),
    Hint(
        "|".join(ENDED),
        lambda _: True,  # in a login as well, if it ends in that moment
        "the Kerberos ticket has ended, as `klist` shows: `kinit`, or give principal and keytab, "
        "with which tickets are renewed",
    ),
    Hint(
        r"AP_ERR_SKEW|TKT_NYV",
        _ticket,
        "the clocks of this machine and of the KDC differ by more than Kerberos allows (5 minutes "
        "as a rule): check NTP",
    ),
    Hint(
        r"KDC_UNREACH|REALM_UNKNOWN|CANT_RESOLVE|SVC_UNAVAILABLE|ERR_GENERIC|ERR_MSG_TYPE|ASN1",
        _ticket,
        "check the KDC that krb5.conf (KRB5_CONFIG) names for the realm: TCP and UDP port 88",
    ),
    Hint(
        r"the connection was opened as",
        lambda _: True,
        "a connection does not change its user: `kinit` as the one that it was opened as, or open "
        "another connection; a keytab keeps jobs apart from whoever uses the cache",
    ),
    Hint(
        r"did not prove who it is: it answered without",
        _http,
        "Impala answers a ticket with a token of its own, Hive and Spark do not over HTTP: with "
        "TLS (use_ssl=True and ca_cert or verify_cert=True) the certificate proves who answers; "
        "the binary protocol needs neither",
    ),
    Hint(
        r"did not prove who it is",
        lambda _: True,
        "whoever answers has not shown the key of the service principal, and was told nothing: see "
        "where host and port lead, and who stands between; Kerberos has no option to go without",
    ),
    Hint(
        r"GSS initiate failed",
        _gssapi,
        "the coordinator could not read the ticket for its name: its keytab may be out of date "
        "(`klist -k -e` there, `kvno` here: the version numbers must agree), or the ticket, if its "
        "keys were made anew (`kinit` replaces it), or krb_host is the name of another server, or "
        "the clocks of both machines differ (NTP)",
    ),
    Hint(
        "",
        lambda f: _gssapi(f) and _nameless(f),
        _NAMES,
    ),
    Hint(
        _EOF,
        _gssapi,
        "the server closed the connection during the Kerberos handshake: check krb_host (clusters "
        "set up for a load balancer accept only the balancer's name), kerberos_service_name, "
        "use_ssl, and the clocks of this machine and the coordinator (5 minutes apart at most: "
        "NTP); if the coordinators' keys were made anew, `kinit` replaces the tickets of before",
    ),
    Hint(
        _EOF,
        _password,
        "the server closed the connection after the password: it, the user name or auth_mechanism "
        "may be wrong, or the server wants TLS (use_ssl=True)",
    ),
    Hint(
        _EOF + r"|no HTTP answer",
        lambda f: _http(f) and f.phase is Phase.OPEN,
        "what answered does not speak HTTP: the port may be that of the binary protocol (21050; "
        "HTTP is on 28000), or the server wants TLS (use_ssl=True)",
    ),
    Hint(
        r"HTTP code 401.*\(asks for (?!.*Negotiate)",
        lambda f: f.options.auth_mechanism == "GSSAPI",
        "the server does not offer Kerberos here, but what it asks for: auth_mechanism='LDAP' for "
        "Basic, 'JWT' for Bearer",
    ),
    Hint(
        r"HTTP code 401.*, by a clock that is",
        lambda f: f.options.auth_mechanism in ("GSSAPI", "JWT"),
        "the clocks of this machine and of the server differ by more than a ticket or token allows "
        "(5 minutes as a rule, with Kerberos): check NTP",
    ),
    Hint(
        r"HTTP code 401",
        lambda f: f.options.auth_mechanism == "GSSAPI",
        "the coordinator did not take the ticket: check krb_host and kerberos_service_name (Hive, "
        "Spark and gateways: HTTP), and the clocks of both machines (NTP); if its keys were made "
        "anew, `kinit` replaces the old ticket",
    ),
    Hint(
        r"HTTP code 401",
        lambda f: f.options.auth_mechanism == "NOSASL",
        "the server wants to know who comes: auth_mechanism='LDAP', 'PLAIN', 'GSSAPI' or 'JWT'",
    ),
    Hint(
        r"HTTP code 30\d|HTTP code 200",
        _http,
        "a gateway shows or leads to a page, of its login perhaps: check host, port and http_path, "
        "and whether the gateway lets programs in with this auth_mechanism",
    ),
    Hint(
        r"HTTP code 40[045]",
        _http,
        "check http_path: impalad takes any, Hive and Spark 'cliservice', a gateway its own; and "
        "use_ssl",
    ),
    Hint(
        r"HTTP code 407",
        _http,
        "the proxy of the environment wants to know who comes: http://USER:PASSWORD@HOST:PORT in "
        "http_proxy or https_proxy; hosts in no_proxy are reached without it",
    ),
    Hint(
        r"\bproxy \S+:\d+",
        _http,
        "hosts in the environment variable no_proxy are reached without the proxy that http_proxy "
        "or https_proxy names",
    ),
    Hint(
        _EOF,
        _plain_socket,
        "the server closed the connection at the first request: it may want auth_mechanism="
        "'GSSAPI', 'LDAP' or 'PLAIN', or TLS (use_ssl=True)",
    ),
    Hint(
        r"Unsupported mechanism type|Expecting START status|Could not start SASL",
        lambda f: f.phase is Phase.LOGIN,
        "the server does not offer this auth_mechanism",
    ),
    Hint(
        r"certificate has expired",
        lambda _: True,
        "the coordinator's certificate has ended, or another of its chain (an intermediate, the "
        "CA), and is to be renewed there, unless the clock of this machine is wrong",
    ),
    Hint(
        r"certificate is not yet valid",
        lambda _: True,
        "the clock of this machine may be slow, or that where the certificate was made fast",
    ),
    Hint(
        r"[Hh]ostname mismatch|IP address mismatch|certificate is not valid for",
        lambda _: True,
        "the certificate carries other names than the one that the coordinator is called by here "
        "(subject alternative names count, the common name does not): call it by one of them (name "
        "or address), or have it made anew with this one",
    ),
    Hint(
        r"too weak|KEY_TOO_SMALL|MD_TOO_WEAK",
        lambda _: True,
        "a key or signature in the certificate's chain is too weak for this machine's OpenSSL: "
        "have it made anew (RSA with 2048 bits or more, SHA-256); no name or CA is wrong",
    ),
    Hint(
        r"unable to get (?:local )?issuer|unable to verify the first certificate",
        lambda _: True,
        f"{_UNKNOWN_CA}; or the server leaves out the intermediate certificate between its own and "
        "the CA, as `openssl s_client -showcerts -connect HOST:PORT` shows: it belongs into the "
        "server's file",
    ),
    Hint(
        r"self.signed",
        lambda _: True,
        _UNKNOWN_CA,
    ),
    Hint(
        r"CERTIFICATE_VERIFY_FAILED",
        lambda _: True,
        "check ca_cert, the date of the certificate, and that it carries the coordinator's name",
    ),
    Hint(
        r"ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)",
        lambda _: True,
        "the server wants a certificate from this client that it trusts: check client_cert "
        "(whether there is one, its date, who signed it) and client_key",
    ),
    Hint(
        r"WRONG_VERSION_NUMBER|UNEXPECTED_EOF|EOF occurred in violation|record layer failure",
        lambda f: f.options.use_ssl,
        "the server does not speak TLS on this port: use_ssl=False (leave out --ssl), or another "
        "port",
    ),
    Hint(
        r"alert|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE",
        lambda f: f.options.use_ssl,
        "the server refused the TLS handshake: its version or ciphers may be too old (at least "
        "TLS 1.2 is spoken here), its key too short to sign with, or it wants a client certificate "
        "(client_cert)",
    ),
    Hint(
        r"not authorized to delegate|User is not authorized|validate proxy privilege",
        lambda _: True,
        "each coordinator must allow the user to act for doas_user: authorized_proxy_user_config "
        "or authorized_proxy_group_config, and the LDAP filters, which count for doas_user",
    ),
    Hint(
        r"Invalid method name|Unknown function",
        lambda _: True,
        "another Thrift service listens there (Beeswax on 21000, the metastore on 9083): "
        "HiveServer2 is on 21050",
    ),
    Hint(
        r"No protocol version header|Bad version in readMessageBegin|Bad status: (?!3\b|4\b)\d+"
        r"|frame of \d+ bytes",
        lambda _: True,
        "what answered is not HiveServer2 in this form: the port may speak HTTP "
        "(use_http_transport=True), TLS (use_ssl=True) or SASL (auth_mechanism)",
    ),
)


def hint(failure: Failure) -> str:
    """What to look at; empty where the error says it all."""
    if failure.phase.sent or failure.phase is Phase.UNSENT:
        return ""
    other = None if _ticket(failure) else _OTHER_PORTS.get(failure.coordinator.port)
    http = failure.options.use_http_transport and failure.coordinator.port == _HTTP_PORT
    if other and not http:
        return other
    for row in HINTS:
        if row.fits(failure) and re.search(row.pattern, failure.text):
            return row.advice
    return ""
