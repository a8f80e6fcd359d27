"""What is known of a statement whose outcome is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impala_ha.core.model import Coordinator
    from impala_ha.core.remote import OperationHandle, RemoteSession


@dataclass(frozen=True, slots=True)
class StatementRef:
    """
    What is known of one try of a statement, for who asks what became of it.

    Attributes:
        text: As it was sent.
        tag: What it was marked with; None if it was not.
        coordinator: Where.
        user: Whose session.
        session: Its HS2 session.
        operation: Its handle, None if the server's answer was lost.
        session_id: As Impala prints it.
        query_id: As Impala prints it; None without a handle.
        known: Ids of the earlier statements of the session, as far as they are known.
        unnamed: How many it had before of which the id is not known: Impala refused them, or they
            were too many to remember.
    """

    text: str
    tag: str | None
    coordinator: Coordinator
    user: str
    session: RemoteSession
    operation: OperationHandle | None
    session_id: str
    query_id: str | None
    known: tuple[str, ...] = ()
    unnamed: int = 0
