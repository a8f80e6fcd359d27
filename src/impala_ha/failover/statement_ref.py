"""A statement of unknown outcome, for whoever asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impala_ha.core.model import Coordinator
    from impala_ha.core.remote import OperationHandle, RemoteSession


@dataclass(frozen=True, slots=True)
class StatementRef:
    """
    One try of a statement, with what is needed to ask for its outcome.

    Attributes:
        text: As it was sent.
        tag: The tag that was sent with it; None for none.
        coordinator: Where it was sent.
        user: User of the session.
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
