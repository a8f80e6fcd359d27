"""
Second looks: what a server speaks that did not answer as it was asked.

A wrong password, a mechanism that is not offered, TLS where none is spoken: all of them look like
a closed socket.  So the other ways are tried, with the library's own parts and without a secret:
one that is answered is the explanation.  Nothing but OpenSession, without a login, is ever sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from thrift_sasl import TSaslClientTransport

from impala_ha import errors
from impala_ha._clock import Clock
from impala_ha._driver import ImpylaDriver
from impala_ha._faults import Phase
from impala_ha._model import Coordinator
from impala_ha._options import Options
from impala_ha._refusal import Refused
from impala_ha._service import Service
from impala_ha._wire import CallFailed

from ._doctor_chart import Diagnosis, Layer
from ._doctor_verdict import Failure

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
_NOBODY = "doctor"
_WEB_PORT = 25000


def without_login(options: Options, **more: Any) -> Options:
    """The same way to the server, without saying who comes."""
    return replace(options, **_NO_LOGIN, **more)


def unverified(options: Options) -> Options:
    """The same way to the server, and whoever answers is believed."""
    return without_login(options, ca_cert=None, verify_cert=False)


class _Stranger:
    """A client of SASL with a mechanism that no server has: who knows SASL refuses it in words."""

    def start(self, _: str) -> tuple[bool, str, bytes]:
        """Begin."""
        return True, "DOCTOR", b""


class Looks:
    """
    Second looks at one coordinator.

    Args:
        failure: How opening failed.
        clock: For deadlines.
        seconds: That one look may take.
    """

    def __init__(self, failure: Failure, clock: Clock, seconds: float):
        self._failure = failure
        self._coordinator: Coordinator = failure.coordinator
        self._options = failure.options
        self._clock = clock
        self._seconds = seconds

    def found(self) -> Diagnosis | None:
        """The explanation; None if there is none."""
        for look in self._looks():
            told = look()
            if told is not None:
                layer, problem, advice = told
                fault = self._failure.fault
                words = f"{problem} ({self._failure.plain})"
                return Diagnosis(layer, words, advice, fault.name if fault else "")
        return None

    def _looks(self) -> Iterator[Callable[[], tuple[Layer, str, str] | None]]:
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
        if not self._connects(without_login(self._options, use_ssl=True)):
            return None
        return (
            Layer.TLS,
            "the server speaks TLS on this port, and was spoken to in the clear",
            "use_ssl=True (--ssl), with ca_cert or verify_cert to verify who answers",
        )

    def _no_tls(self) -> tuple[Layer, str, str] | None:
        options = without_login(self._options, **_NO_TLS)
        if not (self._knows_sasl(options) or self._opens(options)):
            return None
        return (
            Layer.TLS,
            "the server speaks no TLS on this port",
            "leave out use_ssl (--ssl), or turn TLS on at the coordinator",
        )

    def _binary(self) -> tuple[Layer, str, str] | None:
        options = without_login(self._options, use_http_transport=False)
        if not (self._knows_sasl(options) or self._opens(options)):
            return None
        return (
            Layer.PROTOCOL,
            "the server speaks the binary protocol on this port, and no HTTP",
            "leave out use_http_transport (--protocol hs2), or use the port of hs2-http (28000)",
        )

    def _http(self) -> tuple[Layer, str, str] | None:
        path = self._options.http_path or "cliservice"
        options = without_login(self._options, use_http_transport=True, http_path=path)
        why = self._refusal(options)
        if not (why is None or isinstance(why, Refused)):
            return None
        what = "the server speaks HTTP on this port, and no binary HiveServer2"
        if isinstance(why, Refused) and why.code not in {200, 401}:
            advice = (
                f"is this Impala's web page (port {_WEB_PORT}) or a gateway? Binary HiveServer2 is "
                "on 21050; over HTTP it is on 28000, with --protocol hs2-http"
            )
        else:
            advice = "use_http_transport=True (--protocol hs2-http), or the binary port (21050)"
        return Layer.PROTOCOL, what, advice

    def _sasl(self) -> tuple[Layer, str, str] | None:
        if not self._knows_sasl(without_login(self._options)):
            return None
        return (
            Layer.LOGIN,
            "the server wants to know who comes (SASL), and NOSASL was spoken",
            "auth_mechanism='GSSAPI' (-k) for Kerberos, 'LDAP' (-l) or 'PLAIN' for a password",
        )

    def _no_sasl(self) -> tuple[Layer, str, str] | None:
        if not self._opens(without_login(self._options)):
            return None
        return (
            Layer.LOGIN,
            f"the server asks nobody who he is, and {self._options.auth_mechanism} was spoken",
            "auth_mechanism='NOSASL' (leave out -k and -l), or turn authentication on there",
        )

    def _connects(self, options: Options) -> bool:
        try:
            self._service(options).client.wire.close()
        except errors.Error:
            return False
        return True

    def _opens(self, options: Options) -> bool:
        return self._refusal(options) is None

    def _refusal(self, options: Options) -> BaseException | None:
        """Why no session is opened that way; None if one was, and is closed again."""
        try:
            service = self._service(options)
        except errors.Error as error:
            return _cause(error)
        wire = service.client.wire
        try:
            service.open_session(_NOBODY, {}).close()
        except errors.Error as error:
            # Whoever refuses a session in words speaks the language.
            spoken = not isinstance(error, CallFailed)
            return None if spoken else _cause(error)
        finally:
            wire.close()
        return None

    def _knows_sasl(self, options: Options) -> bool:
        try:
            wire = self._service(options).client.wire
        except errors.Error:
            return False
        try:
            TSaslClientTransport(_Stranger, "DOCTOR", wire).open()
        except Exception as error:  # noqa: BLE001 - whatever it makes of these bytes
            return bool(re.search(r"Bad status: [34]\b", str(error)))
        finally:
            wire.close()
        return False

    def _service(self, options: Options) -> Service:
        """Connected that way, with a deadline on all that follows."""
        driver = ImpylaDriver(options, self._clock)
        return driver.connect(self._coordinator, _NOBODY, self._seconds)


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error
