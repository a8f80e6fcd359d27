"""Completion at the prompt: commands, keywords, options of the shell, names of the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from impala_ha.cli.connect.commands import COMMANDS, SHORTCUTS
from impala_ha.cli.connect.look import SHELL_OPTIONS

if TYPE_CHECKING:
    from impala_ha.cli.connect.names import Names

_PATIENCE = 3.0  # seconds; what comes later is there at the next Tab
_WORD = re.compile(r"[\w.`]*$")
_BEFORE = re.compile(r"(\w+)\s+(?:if\s+(?:not\s+)?exists\s+)?$", re.IGNORECASE)
_TABLE = r"(?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+))?"
_USED = re.compile(
    rf"\b(?:from|join|into|overwrite|table|update|,)\s+(?:table\s+)?({_TABLE})"
    r"(?:\s+(?:as\s+)?(\w+))?",
    re.IGNORECASE,
)
_WANT_TABLE = frozenset(
    """
    from join into overwrite table update describe desc formatted extended stats refresh metadata
    view truncate partitions files
    """.split()
)
_WANT_DATABASE = frozenset({"use", "database", "schema", "in"})
_KEYWORDS = """
    ADD ALL ALTER ANALYTIC AND ANTI AS ASC BETWEEN BIGINT BOOLEAN BY CACHED CASCADE CASE CAST
    CHANGE COLUMN COLUMNS COMMENT COMPUTE COUNT CREATE CROSS CURRENT DATABASE DATABASES DATE
    DECIMAL DELETE DESC DESCRIBE DISTINCT DOUBLE DROP ELSE END ESCAPED EXCEPT EXISTS EXPLAIN
    EXTERNAL FALSE FIELDS FILES FLOAT FOLLOWING FORMAT FORMATTED FROM FULL FUNCTION FUNCTIONS
    GRANT GROUP HAVING ICEBERG IF IGNORE ILIKE IN INCREMENTAL INNER INSERT INT INTERSECT
    INTERVAL INTO INVALIDATE IS JOIN KUDU LAST LEFT LIKE LIMIT LOAD LOCATION MAX MERGE METADATA
    MIN NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER OVERWRITE PARQUET PARTITION PARTITIONED
    PARTITIONS PRECEDING PRIMARY RANGE REFRESH RENAME REVOKE RIGHT ROLE ROW ROWS SCHEMA SELECT
    SEMI SET SHOW SMALLINT SORT STATS STORED STRAIGHT_JOIN STRING SUM TABLE TABLES TABLESAMPLE
    TBLPROPERTIES THEN TIMESTAMP TINYINT TO TRUE TRUNCATE UNBOUNDED UNION UPDATE UPSERT USE
    USING VALUES VARCHAR VIEW VIEWS WHEN WHERE WITH
""".split()


class SqlCompleter(Completer):  # type: ignore[misc]  # it is optional
    """
    Names and words for what stands before the cursor.

    Args:
        names: Those of the server.
    """

    def __init__(self, names: Names) -> None:
        self._names = names

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """What is known without asking a server."""
        del complete_event
        word = _word(document)
        return _matching(_words(document), word)

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """All; names of the server are waited for, while what is typed goes on."""
        word = _word(document)
        head = word.rpartition(".")[0]
        for wanted in self._wanted(document, head):
            found = await _in_time(wanted)
            for each in _matching(found, word[len(head) + 1 :] if head else word):
                yield each
        if not head:
            for each in self.get_completions(document, complete_event):
                yield each

    def _wanted(self, document: Document, head: str) -> Iterator[Future[Sequence[str]]]:
        """The lists that the word at the cursor may be in."""
        text = document.text
        before = _BEFORE.search(document.text_before_cursor[: -len(_word(document)) or None])
        last = before[1].lower() if before else ""
        used = [(match[1], match[2] or "") for match in _USED.finditer(text)]
        if head:
            named = next((table for table, alias in used if head in (alias, table)), None)
            if last not in _WANT_TABLE and (named or "." in head):
                yield self._columns(named or head)
            yield self._names.tables(head)
        elif last in _WANT_DATABASE:
            yield self._names.databases()
        elif last in _WANT_TABLE:
            yield self._names.tables()
            yield self._names.databases()
        else:
            for table, _ in used:
                yield self._columns(table)

    def _columns(self, table: str) -> Future[Sequence[str]]:
        database, _, name = table.rpartition(".")
        return self._names.columns(name, database)


async def _in_time(wanted: Future[Sequence[str]]) -> Sequence[str]:
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(wanted)), _PATIENCE)
    except asyncio.TimeoutError:
        return ()


def _word(document: Document) -> str:
    text: str = document.text_before_cursor
    if text.lstrip().startswith("\\") and " " not in text.lstrip():
        return text.lstrip()
    found = _WORD.search(text)
    return found[0] if found else ""


def _words(document: Document) -> Sequence[str]:
    """Words that need no server, by where the cursor is."""
    before = document.text_before_cursor.lstrip()
    if before.startswith("\\"):
        return () if " " in before else list(SHORTCUTS)
    if re.match(r"(?:un)?set\s+\w*$", before, re.IGNORECASE):
        return list(SHELL_OPTIONS)
    if re.fullmatch(r"\w*", before):
        words = [word.strip("@!?,") for each in COMMANDS.values() for word in each.usage.split()]
        return [*_KEYWORDS, *sorted({word for word in words if word.isalpha() and word.islower()})]
    return _KEYWORDS


def _matching(found: Iterable[str], word: str) -> Iterator[Completion]:
    """Those that begin with *word*, in its case if they are words of SQL."""
    start = word.strip("`").lower()
    for each in found:
        if each.lower().startswith(start):
            text = each.lower() if each.isupper() and word[:1].islower() else each
            yield Completion(text, start_position=-len(word))
