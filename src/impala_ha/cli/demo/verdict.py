"""
What came of it: the callers' view against what the coordinators wrote down and the table holds.

Every INSERT has a text of its own, so the journals of the coordinators, which outlive a SIGKILL,
show how often each one ran; the table shows how often its row is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from impala_ha.cli.demo.ledger import Entry, Result
from impala_ha.testing import Event


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The numbers of the summary.

    Attributes:
        statements: Statements that were called.
        inserts: Those that write.
        failed: Those that ended in a plain error.
        twice: INSERTs that ran more than once, or whose row is there more than once.
        missing: INSERTs reported as done whose row is not in the table.
        unknown: INSERTs of unknown outcome.
        looked_up_done: Those of `unknown` whose row was there when the thread looked.
        done_later: Those of `unknown` whose row came after the thread had looked.
        longest: The statement that took longest; None when there was none.
        counted: Executions of INSERTs that the coordinators wrote down.
    """

    statements: int
    inserts: int
    failed: tuple[Entry, ...]
    twice: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: int
    looked_up_done: int
    done_later: int
    longest: Entry | None
    counted: int

    @property
    def good(self) -> bool:
        """Nothing failed, nothing ran twice, nothing is missing."""
        return not (self.failed or self.twice or self.missing) and self.longest is not None


def sum_up(
    entries: list[Entry],
    lookups: Mapping[int, bool],
    journal: Iterable[Event],
    rows: Mapping[int, int],
) -> Verdict:
    """
    Compare what the callers heard with what happened.

    Args:
        entries: Every statement.
        lookups: By id: whether the row of an INSERT of unknown outcome was there at once.
        journal: What all coordinators wrote down.
        rows: By id: how often the row is in the table, at the end.
    """
    ran = Counter(event.sql for event in journal if event.event == "started")
    inserts = [entry for entry in entries if entry.row is not None]
    unknown = [entry for entry in inserts if entry.result is Result.UNKNOWN]
    here = {entry.row: rows.get(entry.row or 0, 0) for entry in inserts}
    return Verdict(
        statements=len(entries),
        inserts=len(inserts),
        failed=tuple(entry for entry in entries if entry.result is Result.FAILED),
        twice=tuple(e.sql for e in inserts if ran[e.sql] > 1 or here[e.row] > 1),
        missing=tuple(e.sql for e in inserts if e.result is Result.DONE and not here[e.row]),
        unknown=len(unknown),
        looked_up_done=sum(lookups.get(entry.row or 0, False) for entry in unknown),
        done_later=sum(
            here[entry.row] > 0 and not lookups.get(entry.row or 0, False) for entry in unknown
        ),
        longest=max(entries, key=lambda entry: entry.wait, default=None),
        counted=sum(ran[entry.sql] for entry in inserts),
    )
