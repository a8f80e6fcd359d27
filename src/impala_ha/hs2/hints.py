"""
What to check when a connection cannot be opened: one table for errors and `impala-ha doctor`.

Impala closes the socket without an answer for a wrong password, a wrong mechanism and a missing
TLS alike, and other ports speak other protocols; who reads the error should not have to know that.
The first row that fits is given.  A new hint is one row of `HINTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from impala_ha.core.faults import Phase
from impala_ha.core.kerberos_errors import EXPIRED
from impala_ha.core.model import Coordinator
from impala_ha.options.kerberos_names import HOST, given
from impala_ha.options.options import Options


class OpenFailure(NamedTuple):
    """
    What is known when opening failed.

    Attributes:
        coordinator, options: Where, and how.
        phase: How far it had come, None if it had not begun.
        text: Of the error.
        layer: Which was wrong, as `impala-ha doctor` names it; empty where none was looked for.
    """

    coordinator: Coordinator
    options: Options
    phase: Phase | None
    text: str
    layer: str = ""


class Hint(NamedTuple):
    """*advice*, where *pattern* is in the text, and *fits* says so or a layer of *at* is wrong."""

    pattern: str
    advice: str
    fits: Callable[[OpenFailure], bool] = lambda _: True
    at: str = ""


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
_NOT_OPENING = (None, Phase.UNSENT, *(phase for phase in Phase if phase.sent))
_OTHER_PORTS = {
    21000: "port 21000 is Impala's old Beeswax port; HiveServer2 is on 21050",
    25000: "port 25000 is Impala's web page; HiveServer2 is on 21050",
    _HTTP_PORT: "port 28000 speaks HiveServer2 over HTTP: use_http_transport=True, or port 21050",
}


def _when(phase: Phase | None, *mechanisms: str) -> Callable[[OpenFailure], bool]:
    """Was it in that phase, with one of these mechanisms?  None, and none: any."""
    return lambda failure: (
        phase in (None, failure.phase)
        and (not mechanisms or failure.options.auth_mechanism in mechanisms)
    )


_ticket = _when(Phase.TICKET)
_gssapi = _when(Phase.LOGIN, "GSSAPI")


def _nameless(failure: OpenFailure) -> bool:
    """Was Kerberos asked for an address, for want of a name?"""
    where, options = failure.coordinator, failure.options
    unnamed = where.is_address and HOST in given(options.krb_host, where)
    return unnamed and not options.krb_canonicalize


def _http(failure: OpenFailure) -> bool:
    return failure.options.use_http_transport


HINTS: tuple[Hint, ...] = (
    Hint(r"S_PRINCIPAL_UNKNOWN", _NAMES, lambda f: _ticket(f) and _nameless(f)),
    Hint(
        r"S_PRINCIPAL_UNKNOWN|KDC_ERR_SERVICE",
        "the KDC does not know the coordinator under this name, or not in this realm: `kvno` with "
        "the name asks for it once more, `klist` shows what was found, and `klist -k` on the "
        "coordinator what its keytab holds; check krb_host (clusters set up for a load balancer "
        "know only the balancer's name), kerberos_service_name, and domain_realm in krb5.conf",
        _ticket,
    ),
    Hint(
        r"has no name",
        "the name service knows no name for this address: give the full name as host or krb_host",
        _ticket,
    ),
    Hint(
        r"keytab|PREAUTH_FAILED|C_PRINCIPAL_UNKNOWN|BAD_INTEGRITY|KEY_EXP|CLIENT_REVOKED",
        "check principal and keytab: `klist -k -e FILE` shows what the keytab holds, `kinit -k -t "
        "FILE PRINCIPAL` tries it; a key that was changed in the KDC makes older keytabs useless",
        _ticket,
    ),
    Hint(
        r"none to ask the KDC with",
        "the credential cache has no ticket-granting ticket, as `klist` shows: `kinit`, or put a "
        "ticket for each coordinator into it",
        _ticket,
    ),
    Hint(
        r"CC_NOTFOUND|FCC_NOFILE|NO_CRED",
        "there is no Kerberos ticket: `kinit`, then `klist` shows it (in the cache that KRB5CCNAME "
        "names), or give principal and keytab",
        _ticket,
    ),
    Hint(
        "|".join(EXPIRED),
        "the Kerberos ticket has ended, as `klist` shows: `kinit`, or give principal and keytab, "
        "with which tickets are renewed",
    ),
    Hint(
        r"AP_ERR_SKEW|TKT_NYV",
        "the clocks of this machine and of the KDC differ by more than Kerberos allows (5 minutes "
        "as a rule): check NTP",
        _ticket,
    ),
    Hint(
        r"KDC_UNREACH|REALM_UNKNOWN|CANT_RESOLVE|SVC_UNAVAILABLE|ERR_GENERIC|ERR_MSG_TYPE|ASN1",
        "check the KDC that krb5.conf (KRB5_CONFIG) names for the realm: TCP and UDP port 88",
        _ticket,
    ),
    Hint(
        r"the connection was opened as",
        "a connection does not change its user: `kinit` as the one that it was opened as, or open "
        "another connection; a keytab keeps jobs apart from whoever uses the cache",
    ),
    Hint(
        r"did not prove who it is: it answered without",
        "Impala answers a ticket with a token of its own, Hive and Spark do not over HTTP: with "
        "TLS (use_ssl=True and ca_cert or verify_cert=True) the certificate proves who answers; "
        "the binary protocol needs neither",
    ),
    Hint(
        r"did not prove who it is",
        "whoever answers has not shown the key of the service principal, and was told nothing: see "
        "where host and port lead, and who stands between; Kerberos has no option to go without",
    ),
    Hint(
        r"GSS initiate failed",
        "the coordinator could not read the ticket for its name: its keytab may be out of date "
        "(`klist -k -e` there, `kvno` here: the version numbers must agree), or the ticket, if its "
        "keys were made anew (`kinit` replaces it), or krb_host is the name of another server, or "
        "the clocks of both machines differ (NTP)",
        _gssapi,
    ),
    Hint("", _NAMES, lambda f: _gssapi(f) and _nameless(f)),
    Hint(
        _EOF,
        "the server closed the connection during the Kerberos handshake: check krb_host (clusters "
        "set up for a load balancer accept only the balancer's name), kerberos_service_name, "
        "use_ssl, and the clocks of this machine and the coordinator (5 minutes apart at most: "
        "NTP); if the coordinators' keys were made anew, `kinit` replaces the tickets of before",
        _gssapi,
    ),
    Hint(
        _EOF,
        "the server closed the connection after the password: it, the user name or auth_mechanism "
        "may be wrong, or the server wants TLS (use_ssl=True)",
        _when(Phase.LOGIN, "PLAIN", "LDAP"),
    ),
    Hint(
        _EOF + r"|no HTTP answer",
        "what answered does not speak HTTP: the port may be that of the binary protocol (21050; "
        "HTTP is on 28000), or the server wants TLS (use_ssl=True)",
        lambda f: _http(f) and f.phase is Phase.OPEN,
    ),
    Hint(
        r"HTTP code 401.*\(asks for (?!.*Negotiate)",
        "the server does not offer Kerberos here, but what it asks for: auth_mechanism='LDAP' for "
        "Basic, 'JWT' for Bearer",
        _when(None, "GSSAPI"),
    ),
    Hint(
        r"HTTP code 401.*, by a clock that is",
        "the clocks of this machine and of the server differ by more than a ticket or token allows "
        "(5 minutes as a rule, with Kerberos): check NTP",
        _when(None, "GSSAPI", "JWT"),
    ),
    Hint(
        r"HTTP code 401",
        "the coordinator did not take the ticket: check krb_host and kerberos_service_name (Hive, "
        "Spark and gateways: HTTP), and the clocks of both machines (NTP); if its keys were made "
        "anew, `kinit` replaces the old ticket",
        _when(None, "GSSAPI"),
    ),
    Hint(
        r"HTTP code 401",
        "the server wants to know who comes: auth_mechanism='LDAP', 'PLAIN', 'GSSAPI' or 'JWT'",
        _when(None, "NOSASL"),
    ),
    Hint(
        r"HTTP code 30\d|HTTP code 200",
        "a gateway shows or leads to a page, of its login perhaps: check host, port and http_path, "
        "and whether the gateway lets programs in with this auth_mechanism",
    ),
    Hint(
        r"HTTP code 40[045]",
        "check http_path: impalad takes any, Hive and Spark 'cliservice', a gateway its own; and "
        "use_ssl",
    ),
    Hint(
        r"HTTP code 407",
        "the proxy of the environment wants to know who comes: http://USER:PASSWORD@HOST:PORT in "
        "http_proxy or https_proxy; hosts in no_proxy are reached without it",
    ),
    Hint(
        r"\bproxy \S+:\d+",
        "hosts in the environment variable no_proxy are reached without the proxy that http_proxy "
        "or https_proxy names",
        _http,
    ),
    Hint(
        _EOF,
        "the server closed the connection at the first request: it may want auth_mechanism="
        "'GSSAPI', 'LDAP' or 'PLAIN', or TLS (use_ssl=True)",
        _when(Phase.OPEN, "NOSASL"),
    ),
    Hint(
        r"Unsupported mechanism type|Expecting START status|Could not start SASL",
        "the server does not offer this auth_mechanism",
        _when(Phase.LOGIN),
    ),
    Hint(
        r"certificate has expired",
        "the coordinator's certificate has ended, or another of its chain (an intermediate, the "
        "CA), and is to be renewed there, unless the clock of this machine is wrong",
    ),
    Hint(
        r"certificate is not yet valid",
        "the clock of this machine may be slow, or that where the certificate was made fast",
    ),
    Hint(
        r"[Hh]ostname mismatch|IP address mismatch|certificate is not valid for",
        "the certificate carries other names than the one that the coordinator is called by here "
        "(subject alternative names count, the common name does not): call it by one of them (name "
        "or address), or have it made anew with this one",
    ),
    Hint(
        r"too weak|KEY_TOO_SMALL|MD_TOO_WEAK",
        "a key or signature in the certificate's chain is too weak for this machine's OpenSSL: "
        "have it made anew (RSA with 2048 bits or more, SHA-256); no name or CA is wrong",
    ),
    Hint(
        r"unable to get (?:local )?issuer|unable to verify the first certificate",
        f"{_UNKNOWN_CA}; or the server leaves out the intermediate certificate between its own and "
        "the CA, as `openssl s_client -showcerts -connect HOST:PORT` shows: it belongs into the "
        "server's file",
    ),
    Hint(r"self.signed", _UNKNOWN_CA),
    Hint(
        r"CERTIFICATE_VERIFY_FAILED",
        "check ca_cert, the date of the certificate, and that it carries the coordinator's name",
    ),
    Hint(
        r"ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)",
        "the server wants a certificate from this client that it trusts: check client_cert "
        "(whether there is one, its date, who signed it) and client_key",
    ),
    Hint(
        r"WRONG_VERSION_NUMBER|UNEXPECTED_EOF|EOF occurred in violation|record layer failure",
        "the server does not speak TLS on this port: use_ssl=False (leave out --ssl), or another "
        "port",
        lambda f: f.options.use_ssl,
    ),
    Hint(
        r"alert|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE",
        "the server refused the TLS handshake: its version or ciphers may be too old (at least "
        "TLS 1.2 is spoken here), its key too short to sign with, or it wants a client certificate "
        "(client_cert)",
        lambda f: f.options.use_ssl,
    ),
    Hint(
        r"not authorized to delegate|User is not authorized|validate proxy privilege",
        "each coordinator must allow the user to act for doas_user: authorized_proxy_user_config "
        "or authorized_proxy_group_config, and the LDAP filters, which count for doas_user",
    ),
    Hint(
        r"Invalid method name|Unknown function",
        "another Thrift service listens there (Beeswax on 21000, the metastore on 9083): "
        "HiveServer2 is on 21050",
    ),
    Hint(
        r"No protocol version header|Bad version in readMessageBegin|Bad status: (?!3\b|4\b)\d+"
        r"|frame of \d+ bytes",
        "what answered is not HiveServer2 in this form: the port may speak HTTP "
        "(use_http_transport=True), TLS (use_ssl=True) or SASL (auth_mechanism)",
    ),
    # Where only a diagnosis gives advice: a connection would rather ask another coordinator.
    Hint(
        r"did not answer in time",
        "the name service is slow or cannot be reached: check /etc/resolv.conf; `getent hosts "
        "NAME` asks it as this program does",
        at="addresses",
    ),
    Hint(
        "",
        "check the spelling; `getent hosts NAME` asks the name service as this program does",
        at="addresses",
    ),
    Hint(
        r"refused",
        "nothing listens on this port: impalad is down or still starting (it opens its port when "
        "it has the catalog), takes no clients (an executor), or has another --hs2_port",
        at="tcp",
    ),
    Hint(
        r"timed out",
        "a firewall swallows it, the host is down, or so overloaded that nobody takes connections: "
        "try `ping`, and the port from another machine",
        at="tcp",
    ),
    Hint(r"[Nn]o route|unreachable", "check the network between here and there", at="tcp"),
    Hint(
        r"timed out",
        "the connection was taken, and nobody answers in TLS: the server speaks none on this port "
        "(leave out --ssl), or hangs",
        at="tls",
    ),
    Hint(
        "",
        "run the command, or look at the function, by hand: without the secret nothing is opened",
        at="secret",
    ),
    Hint(
        r"HTTP code 40[13]",
        "user, password or token was not accepted: check them, the date of a token and its "
        "audience, and --auth_creds_ok_in_clear's place: some servers take them under TLS only",
        at="login",
    ),
    Hint(
        r"timed out|timeout",
        "the connection was taken, and nobody answers: the coordinator hangs, or all of its "
        "service threads are taken (--fe_service_threads, 64); end idle connections, or restart it",
        at="login session",
    ),
    Hint(
        r"exceeds coordinator limit",
        "close sessions of this user at this coordinator (its page /sessions shows them), or raise "
        "--max_hs2_sessions_per_user; other coordinators count for themselves",
        at="session",
    ),
    Hint(
        r"being shut down",
        "somebody shuts it down gracefully: nothing need be done; new connections go to the others",
        at="state",
    ),
    Hint(
        "",
        "it waits for the catalog or was lost by the statestore: wait, then look at both",
        at="state",
    ),
    Hint(
        r"HTTP code (?:429|5\d\d)",
        "a gateway (Knox, an ingress, a balancer) answers in the coordinator's place and cannot "
        "reach it, or protects it: look at its log, and try the coordinator without it",
        at="http",
    ),
    Hint("", "check http_path and the gateway between here and there, if there is one", at="http"),
    Hint(
        "",
        "check port and --protocol: 21050 is binary HiveServer2, 28000 HiveServer2 over HTTP",
        at="protocol",
    ),
    Hint(
        "",
        "check krb_host and kerberos_service_name, and `klist -k` on the coordinator",
        at="principal",
    ),
    Hint(r"not installed|does not load", "install it where this program is installed", at="ticket"),
)


def hint(failure: OpenFailure) -> str:
    """What to look at; empty where the error says it all."""
    opening = failure.phase not in _NOT_OPENING
    other = None if _ticket(failure) else _OTHER_PORTS.get(failure.coordinator.port)
    if opening and other and not (_http(failure) and failure.coordinator.port == _HTTP_PORT):
        return other
    for row in HINTS:
        fits = failure.layer in row.at.split() if row.at else opening and row.fits(failure)
        if fits and re.search(row.pattern, failure.text):
            return row.advice
    return ""
