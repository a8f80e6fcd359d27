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
    is_it: Callable[[Service], bool],
    gateway: bool,
) -> bool:
    """
    Close *session* on a new connection; is what ran in it certainly over?

    Args:
        connect: Connects to the process that has it, within the seconds it is given.
        session: Of HiveServer2.
        clock: For the limit.
        limit: Seconds for all of it.
        is_it: Is what was connected to the server that had the session?  There may be several
            behind one address, and one that never had it shows nothing.
        gateway: Whether a gateway is connected to, whose refusal shows nothing.
    """
    end = clock.now() + limit
    for _ in range(_RESETS):
        failed = _close(connect, session, max(0.001, end - clock.now()), is_it)
        if failed is None:
            return True
        if not isinstance(failed, CallFailed):
            return False
        origin = getattr(failed.__cause__, "inner", None) or failed.__cause__
        if failed.phase is Phase.CONNECT and isinstance(origin, ConnectionRefusedError):
            return not gateway
        if not isinstance(origin, ConnectionResetError):
            return False
    return False


def _close(
    connect: Callable[[float], Service],
    session: RemoteSession,
    limit: float,
    is_it: Callable[[Service], bool],
) -> Exception | None:
    """Close *session*, if it is there yet; what came in the way."""
    try:
        service = connect(limit)
        try:
            request = TCloseSessionReq(sessionHandle=session.handle)
            answer = service.client.CloseSession(request)
            try:
                err_if_rpc_not_ok(answer)
            except errors.Error as error:
                if classify(error, Phase.SENT) is not Fault.SESSION_GONE or not is_it(service):
                    raise
        finally:
            service.client.transport.close()
    except errors.Error as error:
        if from_signal_handler(error):
            raise
        return error  # type: ignore[no-any-return]  # impyla is not typed
    return None
