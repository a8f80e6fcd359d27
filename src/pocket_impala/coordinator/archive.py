"""What became of the statements that are over.

The last ones are kept in memory for the web page and are lost with the process, as in Impala; all
of them go to the log of workload management, where there is one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocket_impala.coordinator.handles import Handle
    from pocket_impala.coordinator.queries import Query
    from pocket_impala.coordinator.query_log import QueryLog
    from pocket_impala.coordinator.records import Record

# Impala's default of --query_log_size.
REMEMBERED = 200
# Impala's default of --query_stmt_size: the page shows no more, so no more is kept.
SHOWN = 250
# A statement of 20 MB is not worth its memory once it is closed.
_LONGEST_KEPT = 100_000


class Archive:
    """The statements of one coordinator that are over.

    Args:
        log: Where they are written down; None where that is not done.
    """

    def __init__(self, log: QueryLog | None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Query] = OrderedDict()
        self._completed: deque[Record] = deque(maxlen=REMEMBERED)

    def add(self, record: Record) -> None:
        """Remember a statement that is over."""
        if self._log is not None and not record.is_metadata:
            self._log.add(record)
        if len(record.sql) > SHOWN:
            shown = replace(record, sql=f"{record.sql[:SHOWN]}...")
        else:
            shown = record
        with self._lock:
            self._completed.appendleft(shown)

    def keep(self, query: Query) -> None:
        """Keep *query* itself, for those who ask for its profile."""
        with self._lock:
            if len(query.sql) <= _LONGEST_KEPT:
                self._kept[query.handle.guid] = query
            if len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)

    def kept(self, handle: Handle) -> Query | None:
        """Find a query that was kept."""
        with self._lock:
            return self._kept.get(handle.guid)

    def unwritten(self) -> list[Record]:
        """Return what is over and not in the log yet."""
        return [] if self._log is None else self._log.waiting()

    def completed(self) -> list[Record]:
        """Return the last that are over, the newest first, with their texts cut for the page."""
        with self._lock:
            return list(self._completed)
