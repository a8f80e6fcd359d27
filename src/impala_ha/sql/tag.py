"""
A tag for each write, by which it is found again after its coordinator was lost.

Where the answer to ExecuteStatement was lost the query id is not known, and another client may have
sent the same text.  The tag is unique, and is shown in the profile and in
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
    The tag of one statement.

    Attributes:
        comment: Whether it is put into the text as well, as a comment.
        tag: The tag itself.
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
        Add the tag to a statement.

        Args:
            text: The statement.
            overlay: Its query options.
            wanted: The session that the caller wants.
            offered: All options of the session, as the server returned them from OpenSession.

        Returns:
            Text and query options to send, and the tag; None instead of the tag where the server
            does not know the option or the caller has set it.
        """
        own = {name.upper() for name in overlay or {}} | {name.upper() for name in wanted.changes}
        free = offered.get(_OPTION) == "" and _OPTION not in own
        if free:
            overlay = {**(overlay or {}), _OPTION: self.tag}
        if self.comment:
            text = f"/* {self.tag} */ {text}"
        return text, overlay, self.tag if free or self.comment else None
