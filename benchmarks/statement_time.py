"""How much longer a statement takes than it runs on the server, with impyla and with ours.

    python benchmarks/statement_time.py [--part 1.0]

A client that asks again and again whether a statement has ended loses what it sleeps in between.
Two calls can wait instead: since Impala 3.4 FetchResults, and since 4.5 also GetOperationStatus,
which an INSERT needs, where the client wants that (LONG_POLLING_TIME_MS).  The server
(`_canned.py`) runs a statement for as long as its text says, in three versions.  The run times are
spread evenly over 10 % below and above what the table says, so that no poll falls on the end by
chance.  Means, without the highest and the lowest tenth, of execute and, for a SELECT, fetchall on
an open cursor, less the run time; both clients take turns.

Goals: never above impyla; at most 5 % of the run time or 5 ms, whichever is more, up to Impala
4.4, and 3 ms since 4.5.
"""

from __future__ import annotations

import contextlib
import statistics
from typing import Any

from _canned import Canned
from _shared import cursors_at, parser, statement, timed, verdict

#: Run time in milliseconds, and how many statements of it.
RUNS = {0: 100, 2: 100, 10: 50, 60: 30, 500: 8, 1200: 6}
#: By what is said of them: a version, and the statement.
SERVERS = {
    "up to 3.3: SELECT": ("3.3", "select sleep({})"),
    "3.4 to 4.4: SELECT": ("4.4", "select sleep({})"),
    "since 4.5: SELECT": ("4.5", "select sleep({})"),
    "up to 4.4: INSERT": ("4.4", "insert into t select sleep({})"),
    "since 4.5: INSERT": ("4.5", "insert into t select sleep({})"),
}
WARM_UP = 10


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--part", type=float, default=1.0, help="of the statements")
    part = arguments.parse_args().part
    print("milliseconds over the statement's own run time")
    print(f"{'':20}{'it runs':>10}{'impyla':>10}{'impala-ha':>12}{'goal':>8}")
    for name, (version, sql) in SERVERS.items():
        with Canned(version=version) as server, contextlib.ExitStack() as stack:
            cursors = cursors_at(server, stack)
            over(cursors, sql, 0, WARM_UP)
            for runs, times in RUNS.items():
                theirs, ours = over(cursors, sql, runs, max(3, round(times * part)))
                bound = 3.0 if version == "4.5" else max(5.0, 0.05 * runs)
                goal = min(bound, round(theirs, 1))
                print(
                    f"{name:20}{runs:>7} ms{theirs:>10.1f}{ours:>12.1f}{goal:>8.1f}"
                    f"  {verdict(round(ours, 1) <= goal)}",
                    flush=True,
                )


def over(cursors: dict[str, Any], sql: str, runs: int, times: int) -> list[float]:
    """The mean of milliseconds over the run time, for each client."""
    found: dict[str, list[float]] = {client: [] for client in cursors}
    for number in range(times):
        wanted = round(runs * (0.9 + 0.2 * (number + 0.5) / times), 1)
        for client, cursor in cursors.items():
            text = sql.format(wanted)
            if sql.startswith("insert"):
                took = timed(lambda: cursor.execute(text))  # noqa: B023
            else:
                took = timed(lambda: statement(cursor, text))  # noqa: B023
            found[client].append(took * 1000 - wanted)
    return [mean(values) for values in found.values()]


def mean(values: list[float]) -> float:
    """Without the highest and the lowest tenth."""
    tenth = -(-len(values) // 10)
    return statistics.fmean(sorted(values)[tenth : len(values) - tenth])


if __name__ == "__main__":
    main()
