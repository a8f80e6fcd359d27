"""
What a write is marked with, so that it can be found again when its coordinator is lost.

Where the answer to ExecuteStatement was lost nobody knows the query id, and somebody else may have
sent the same text.  The mark is one of a kind, and shows in the profile and in
``sys.impala_query_log``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from .session_state import Session

_OPTION = "CLIENT_IDENTIFIER"  # a query option since Impala 3.2


@dataclass(frozen=True, slots=True)
class StatementTag:
    """
    The mark of one statement.

    Attributes:
        comment: Whether it stands in the text as well.
        tag: The mark itself.
    """

    comment: bool
    tag: str = field(default_factory=lambda: f"impala-ha-{os.urandom(8).hex()}")

    def add_to(
        self,
        text: str,
        overlay: dict[str, object] | None,
        wanted: Session,
        offered: Mapping[str, str],
    ) -> tuple[str, dict[str, object] | None, str | None]:
        """
        Mark a statement.

        Args:
            text: The statement.
            overlay: The query options that go with it.
            wanted: The session as the caller made it.
            offered: The session as the server told it when it was opened, every option included.

        Returns:
            Text and query options to send, and the tag; None where there was no room for it: the
            server does not know the option, or the caller has put a name of his own there.
        """
        own = {name.upper() for name in overlay or {}} | {name.upper() for name in wanted.changes}
        room = offered.get(_OPTION) == "" and _OPTION not in own
        if room:
            overlay = {**(overlay or {}), _OPTION: self.tag}
        if self.comment:
            text = f"/* {self.tag} */ {text}"
        return text, overlay, self.tag if room or self.comment else None
