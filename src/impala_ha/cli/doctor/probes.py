"""
Probes: which protocol a server speaks that did not answer as expected.

A wrong password, a mechanism that is not offered, TLS where none is spoken: all of them look like
a closed socket.  So the other ways are tried, with the library's own parts and without a secret:
one that is answered is the explanation.  Nothing but OpenSession, without a login, is ever sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from impala_ha.cli.doctor.report import Diagnosis, Layer
from impala_ha.cli.doctor.sniff import Sniffer, speaks_http
from impala_ha.cli.doctor.verdict import Failure
from impala_ha.core.clock import Clock
from impala_ha.core.faults import Phase
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.options.options import Options

_NO_LOGIN: dict[str, Any] = {
    "auth_mechanism": "NOSASL",
    "password": None,
    "password_cmd": None,
    "jwt": None,
    "jwt_cmd": None,
    "principal": None,
    "keytab": None,
    "doas_user": None,
}
_NO_TLS: dict[str, Any] = {
    "use_ssl": False,
    "ca_cert": None,
    "verify_cert": False,
    "client_cert": None,
    "client_key": None,
}
_WEB_PORT = 25000
_LONGEST = 2.0  # seconds for one try
_TRIES = 2  # at most, of one probe


def without_login(options: Options, **more: Any) -> Options:
    """The same way to the server, without saying who comes."""
    return replace(options, **_NO_LOGIN, **more)


def unverified(options: Options) -> Options:
    """The same way to the server, and whoever answers is believed."""
    return without_login(options, ca_cert=None, verify_cert=False)


class Probes:
    """
    Probes of one coordinator.

    Args:
        failure: How opening failed.
        clock: For deadlines.
        seconds: That all probes together may take; what one leaves over, the next ones have.
    """

    def __init__(self, failure: Failure, clock: Clock, seconds: float):
        self._failure = failure
        self._options = failure.options
        self._clock = clock
        self._end = clock.now() + seconds
        self._sniffer = Sniffer(failure.coordinator, clock, _LONGEST)

    def found(self) -> Diagnosis | None:
        """The explanation; None if there is none."""
        probes = list(self._probes())
        for number, probe in enumerate(probes):
            share = (self._end - self._clock.now()) / (len(probes) - number)
            self._sniffer.seconds = max(0.05, min(_LONGEST, share / _TRIES))
            explained = probe()
            if explained is not None:
                layer, problem, advice = explained
                fault = self._failure.fault
                problem = f"{problem} ({self._failure.plain})"
                return Diagnosis(layer, problem, advice, fault.name if fault else "")
        return None

    def _probes(self) -> Iterator[Callable[[], tuple[Layer, str, str] | None]]:
        options, phase = self._options, self._failure.phase
        if phase is Phase.CONNECT:
            yield self._no_tls
            return
        if not options.use_ssl:
            yield self._tls
        if options.use_http_transport:
            yield self._binary
            return
        yield self._http
        if options.auth_mechanism == "NOSASL":
            yield self._sasl
        elif phase is Phase.LOGIN:
            yield self._no_sasl

    def _tls(self) -> tuple[Layer, str, str] | None:
        if not self._sniffer.connects(without_login(self._options, use_ssl=True)):
            return None
        return (
            Layer.TLS,
            "the server speaks TLS on this port, and was spoken to in the clear",
            "use_ssl=True (--ssl), with ca_cert or verify_cert to verify who answers",
        )

    def _no_tls(self) -> tuple[Layer, str, str] | None:
        options = without_login(self._options, **_NO_TLS)
        if options.use_http_transport:
            spoken = speaks_http(self._sniffer.refusal(options))
        else:
            spoken = self._sniffer.knows_sasl(options) or self._sniffer.opens(options)
        if not spoken:
            return None
        return (
            Layer.TLS,
            "the server speaks no TLS on this port",
            "leave out use_ssl (--ssl), or turn TLS on at the coordinator",
        )

    def _binary(self) -> tuple[Layer, str, str] | None:
        options = without_login(self._options, use_http_transport=False)
        if not (self._sniffer.knows_sasl(options) or self._sniffer.opens(options)):
            return None
        return (
            Layer.PROTOCOL,
            "the server speaks the binary protocol on this port, and no HTTP",
            "leave out use_http_transport (--protocol hs2), or use the port of hs2-http (28000)",
        )

    def _http(self) -> tuple[Layer, str, str] | None:
        path = self._options.http_path or "cliservice"
        options = without_login(self._options, use_http_transport=True, http_path=path)
        why = self._sniffer.refusal(options)
        if not speaks_http(why):
            return None
        what = "the server speaks HTTP on this port, and no binary HiveServer2"
        if isinstance(why, HTTPStatusError) and why.code not in {200, 401}:
            advice = (
                f"is this Impala's web page (port {_WEB_PORT}) or a gateway? Binary HiveServer2 is "
                "on 21050; over HTTP it is on 28000, with --protocol hs2-http"
            )
        else:
            advice = "use_http_transport=True (--protocol hs2-http), or the binary port (21050)"
        return Layer.PROTOCOL, what, advice

    def _sasl(self) -> tuple[Layer, str, str] | None:
        if not self._sniffer.knows_sasl(without_login(self._options)):
            return None
        return (
            Layer.LOGIN,
            "the server wants to know who comes (SASL), and NOSASL was spoken",
            "auth_mechanism='GSSAPI' (-k) for Kerberos, 'LDAP' (-l) or 'PLAIN' for a password",
        )

    def _no_sasl(self) -> tuple[Layer, str, str] | None:
        if not self._sniffer.opens(without_login(self._options)):
            return None
        return (
            Layer.LOGIN,
            f"the server asks nobody who he is, and {self._options.auth_mechanism} was spoken",
            "auth_mechanism='NOSASL' (leave out -k and -l), or turn authentication on there",
        )
