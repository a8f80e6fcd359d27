"""
impyla's way of making a call, without what it does behind the caller's back.

Since Impala 3.3 a session outlives its socket by 15 minutes, and its statements run on.  So when
a connection breaks (it does not when the coordinator is silent) and the coordinator can be
reached, a question that may be asked twice is asked again on a new connection, with the same
handles: a two-hour INSERT survives a network that blinked, and is polled to its end.  Where the
server does not know them any more it says so, and the table of faults decides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from impala.hiveserver2 import ThriftRPC, err_if_rpc_not_ok
from impala.hiveserver2 import log as _impylas_log

from impala_ha.core.faults import CallFailed
from impala_ha.net.http_status import HTTPStatusError

if TYPE_CHECKING:
    from .service import Service

Got = TypeVar("Got")

_ASKED_AGAIN = (
    *("GetOperationStatus", "GetResultSetMetadata", "FetchResults"),
    *("GetLog", "GetRuntimeProfile", "GetExecSummary"),
)


class RedactedRPC(ThriftRPC):  # type: ignore[misc]  # impyla is not typed
    """impyla's calls, whose responses are logged without secrets; nothing is tried twice."""

    def _rpc(self, func_name: str, request: object, _: bool = False) -> Any:
        logged = _impylas_log.isEnabledFor(logging.DEBUG)
        if logged:
            self._log_request(func_name, request)
        response = self._execute(func_name, request)
        if logged:
            self._log_response(func_name, response)
        err_if_rpc_not_ok(response)
        return response

    def _log_request(self, kind: str, request: object) -> None:
        if _impylas_log.isEnabledFor(logging.DEBUG):
            _impylas_log.debug("%s: req=%s", kind, _without_secrets(request))

    def _log_response(self, kind: str, response: object) -> None:
        if _impylas_log.isEnabledFor(logging.DEBUG):
            text = self.client.redact(_without_secrets(response))
            _impylas_log.debug("%s: resp=%s", kind, text)

    def _execute(self, func_name: str, request: object, _: bool = False) -> Any:
        return self.client.call(func_name, request)


def _without_secrets(message: object) -> str:
    """*message* without the secrets of sessions: who knows one may use the session."""
    return re.sub(_SECRET, r"\1...", str(message))


_SECRET = r"""(\bsecret=)b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""  # noqa: S105 - not one


def ask_again(
    ask: Callable[[str, object], Got], service: Service, name: str, request: object
) -> Got:
    """Ask, and once more on a new connection where that is harmless."""
    if name not in _ASKED_AGAIN:
        return ask(name, request)
    if service.client.broken is not None:
        service.try_reconnect()
    try:
        return ask(name, request)
    except CallFailed as error:
        if isinstance(error.__cause__, HTTPStatusError):
            return _ask_later(ask, service, name, request, error)
        if not service.try_reconnect():
            raise
    return ask(name, request)


def _is_later(error: CallFailed) -> bool:
    return isinstance(error.__cause__, HTTPStatusError) and error.__cause__.passing


def _ask_later(
    ask: Callable[[str, object], Got],
    service: Service,
    name: str,
    request: object,
    error: CallFailed,
) -> Got:
    """Ask until the gateway lets it through: what it hides may well go on."""
    waited = 0.0
    while _is_later(error) and service.pause is not None:
        waited = service.pause(error.__cause__, waited)  # type: ignore[arg-type]
        if not waited or not service.try_reconnect():
            break
        try:
            return ask(name, request)
        except CallFailed as another:
            error = another
    raise error
