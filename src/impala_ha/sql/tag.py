"""
What a statement is known by on the server: the query option CLIENT_IDENTIFIER (Impala 3.2).

It names the program and its job, and for each write a tag by which it is found again after its
coordinator was lost: where the answer to ExecuteStatement was lost the query id is not known, and
another client may have sent the same text.  It is shown in the profile and in
``sys.impala_query_log``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .session_state import Session

_OPTION = "CLIENT_IDENTIFIER"
_LONGEST = 100  # characters of what a program is known by, if it does not say
_JOB = ("AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_TASK_ID")  # Airflow sets them for its tasks


def program_and_job() -> str:
    """The name of the program, and in a task of Airflow the ids of DAG and task."""
    return _known_as(sys.argv[0] if sys.argv else "", *map(os.environ.get, _JOB))


@lru_cache(maxsize=16)
def _known_as(path: str, *job: str | None) -> str:
    name = os.path.basename(path)
    if name == "__main__.py":  # python -m package
        name = os.path.basename(os.path.dirname(path))
    task = ".".join(filter(None, job))
    found = f"{name if name != '-c' else 'python'} {task}".strip()
    return re.sub(r"[^\w.:@/ -]", "_", found, flags=re.ASCII)[:_LONGEST]


def identified(
    overlay: dict[str, object] | None, wanted: Session, offered: Mapping[str, str], identifier: str
) -> dict[str, object] | None:
    """
    Add *identifier* to the query options of a statement.

    Args:
        overlay: Its query options.
        wanted: The session that the caller wants.
        offered: All options of the session, as the server returned them from OpenSession.
        identifier: What the statement is to be known by.

    Returns:
        The query options; *overlay* itself where the server does not know the option or the caller
        has set it.
    """
    if offered.get(_OPTION) != "":
        return overlay
    own = {name.upper() for name in (*(overlay or ()), *wanted.changes)}
    return overlay if _OPTION in own else {**(overlay or {}), _OPTION: identifier}


@dataclass(frozen=True, slots=True)
class StatementTag:
    """
    The tag of one statement.

    Attributes:
        comment: Whether it is put into the text as well, as a comment.
        program: What stands before it.
        tag: The tag itself.
    """

    comment: bool
    program: str = ""
    tag: str = field(default_factory=lambda: f"impala-ha-{os.urandom(8).hex()}")

    def add_to(
        self,
        text: str,
        overlay: dict[str, object] | None,
        wanted: Session,
        offered: Mapping[str, str],
    ) -> tuple[str, dict[str, object] | None, str | None]:
        """
        Add the tag to a statement; arguments as of `identified`.

        Returns:
            Text and query options to send, and the tag; None instead of the tag where the server
            does not know the option or the caller has set it.
        """
        marked = identified(overlay, wanted, offered, f"{self.program} {self.tag}".strip())
        if self.comment:
            text = f"/* {self.tag} */ {text}"
        return text, marked, self.tag if marked is not overlay or self.comment else None
