"""
Is a statement that was lost certainly over?

A request may still lie in the socket of a coordinator that hangs, and run when it wakes up.  So a
write is not repeated elsewhere, harmless or not, before its session was closed, or its process is
gone: its port refuses connections.
"""

from __future__ import annotations

from collections.abc import Callable

from impala._thrift_gen.TCLIService.ttypes import TCloseSessionReq
from impala.hiveserver2 import err_if_rpc_not_ok

from impala_ha import errors
from impala_ha.core.clock import Clock
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.remote import RemoteSession

from .service import Service

_RESETS = 3  # a process that is killed resets connections, and refuses them a moment later


def close_and_confirm(
    connect: Callable[[float], Service],
    session: RemoteSession,
    clock: Clock,
    limit: float,
    *,
    several: bool,
    gateway: bool,
) -> bool:
    """
    Close *session* on a new connection; is what ran in it certainly over?

    Args:
        connect: Connects to the process that has it, within the seconds it is given.
        session: Of HiveServer2.
        clock: For the limit.
        limit: Seconds for all of it.
        several: Whether there may be several servers behind one address, so that one that does not
            know the session shows nothing.
        gateway: Whether a gateway is connected to, whose refusal shows nothing.
    """
    end = clock.now() + limit
    for _ in range(_RESETS):
        failed = _close(connect, session, max(0.001, end - clock.now()))
        if failed is None:
            return True
        if not isinstance(failed, CallFailed):
            return not several and classify(failed, Phase.SENT) is Fault.SESSION_GONE
        origin = getattr(failed.__cause__, "inner", None) or failed.__cause__
        if failed.phase is Phase.CONNECT and isinstance(origin, ConnectionRefusedError):
            return not gateway
        if not isinstance(origin, ConnectionResetError):
            return False
    return False


def _close(
    connect: Callable[[float], Service], session: RemoteSession, limit: float
) -> Exception | None:
    """Close *session*; what came in the way."""
    try:
        service = connect(limit)
        try:
            request = TCloseSessionReq(sessionHandle=session.handle)
            err_if_rpc_not_ok(service.client.CloseSession(request))
        finally:
            service.client.transport.close()
    except errors.Error as error:
        if from_signal_handler(error):
            raise
        return error  # type: ignore[no-any-return]  # impyla is not typed
    return None
