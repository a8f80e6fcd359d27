"""A text that names a statement on its coordinator, so that another process can cancel it."""

from __future__ import annotations

from collections.abc import Iterable

from impala._thrift_gen.TCLIService.ttypes import (
    THandleIdentifier,
    TOperationHandle,
    TOperationType,
)

from impala_ha import errors
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import OperationHandle

_SIZE = 16  # bytes of a guid, and of a secret


def make_token(coordinator: Coordinator, handle: OperationHandle) -> str:
    """Where the statement is, and its handle with the secret of its session."""
    identifier = handle.operationId
    return f"{coordinator} {identifier.guid.hex()}{identifier.secret.hex()}"


def read_token(
    token: str, coordinators: Iterable[Coordinator]
) -> tuple[Coordinator, OperationHandle]:
    """
    What `make_token` made a text of.

    Raises:
        InterfaceError: It is none, or names none of *coordinators*: whoever made it up must not
            choose to whom we log in.
    """
    where, _, digits = token.partition(" ")
    try:
        handle = bytes.fromhex(digits)
    except ValueError:
        handle = b""
    if len(handle) != 2 * _SIZE:
        raise errors.InterfaceError("this is no cancel_token of a cursor")
    for each in coordinators:
        if str(each) == where:
            identifier = THandleIdentifier(guid=handle[:_SIZE], secret=handle[_SIZE:])
            found: OperationHandle = TOperationHandle(
                identifier, TOperationType.EXECUTE_STATEMENT, hasResultSet=False
            )
            return each, found
    raise errors.InterfaceError(
        f"the statement runs on {where}, which is none of the coordinators of this connection"
    )
