"""
What a server speaks: each way of speaking is tried with the library's own parts, without a login.

Nothing but OpenSession is sent, by a user called doctor, and the session is closed again; or the
name of a mechanism that no server has, which shows whether SASL is spoken without trying a login.
"""

from __future__ import annotations

import re

from thrift_sasl import TSaslClientTransport

from impala_ha import errors
from impala_ha.core.clock import Clock
from impala_ha.core.faults import CallFailed
from impala_ha.core.model import Coordinator
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.hs2.service import Service
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.options.options import Options

_NOBODY = "doctor"


class _UnknownMechanism:
    """A client of SASL with a mechanism that no server has: who knows SASL refuses it in words."""

    def start(self, _: str) -> tuple[bool, str, bytes]:
        """Begin."""
        return True, "DOCTOR", b""


class Sniffer:
    """
    Finds out what one server speaks.

    Args:
        coordinator: Which.
        clock: For deadlines.
        seconds: That one try may take.

    Attributes:
        seconds: The same.
    """

    def __init__(self, coordinator: Coordinator, clock: Clock, seconds: float):
        self._coordinator = coordinator
        self._clock = clock
        self.seconds = seconds

    def connects(self, options: Options) -> bool:
        """Does it take a connection, TLS included, that way?"""
        try:
            self._service(options).client.transport.close()
        except errors.Error:
            return False
        return True

    def opens(self, options: Options) -> bool:
        """Does it answer OpenSession that way?"""
        return self.refusal(options) is None

    def refusal(self, options: Options) -> BaseException | None:
        """Why no session is opened that way; None if one was, and is closed again."""
        try:
            service = self._service(options)
        except errors.Error as error:
            return _cause(error)
        wire = service.client.transport
        try:
            service.open_session(_NOBODY, {}).close()
        except errors.Error as error:
            # Whoever refuses a session in words speaks the language.
            spoken = not isinstance(error, CallFailed)
            return None if spoken else _cause(error)
        finally:
            wire.close()
        return None

    def knows_sasl(self, options: Options) -> bool:
        """Does it refuse an unknown mechanism as SASL has it?"""
        try:
            wire = self._service(options).client.transport
        except errors.Error:
            return False
        try:
            TSaslClientTransport(_UnknownMechanism, "DOCTOR", wire).open()
        except Exception as error:  # noqa: BLE001 - whatever it makes of these bytes
            return bool(re.search(r"Bad status: [34]\b", str(error)))
        finally:
            wire.close()
        return False

    def _service(self, options: Options) -> Service:
        """Connected that way, with a deadline on all that follows."""
        driver = ImpylaDriver(options, self._clock)
        return driver.connect(self._coordinator, _NOBODY, self.seconds)


def speaks_http(refusal: BaseException | None) -> bool:
    """Does what `Sniffer.refusal` found over HTTP come from somebody who speaks it?"""
    return refusal is None or isinstance(refusal, HTTPStatusError)


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error
