"""How much longer a statement takes than it runs on the server, with impyla and with ours.

    python benchmarks/statement_time.py [--part 1.0]

A client must ask, again and again, whether a statement has ended; what it sleeps in between is
time lost.  Since Impala 4.5 the question can wait for the answer (LONG_POLLING_TIME_MS), where the
client wants that.  The server (`_canned.py`) runs a statement for as long as its text says, in two
versions: one that knows the option and one that does not.  Each run time is drawn from within 5 %
of what the table says, the same for both clients, so that no poll falls on the end by chance.
Means, without the highest and the lowest tenth, of execute + fetchall on an open cursor, less the
run time; both take turns.

Goals: never above impyla; at most 5 % of the run time or 5 ms, whichever is more, up to Impala
4.4, and 3 ms since 4.5.
"""

from __future__ import annotations

import contextlib
import random
import statistics

from _canned import Canned
from _shared import cursors_at, parser, statement, timed, verdict

#: Run time in milliseconds, and how many statements of it.
RUNS = {0: 200, 2: 200, 10: 100, 60: 40, 500: 10, 1200: 10}
WARM_UP = 10


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--part", type=float, default=1.0, help="of the statements")
    part = arguments.parse_args().part
    print("milliseconds over the statement's own run time")
    print(f"{'server':12}{'it runs':>10}{'impyla':>10}{'impala-ha':>12}{'goal':>8}")
    for version, long_polling in (("up to 4.4", False), ("since 4.5", True)):
        with Canned(long_polling=long_polling) as server, contextlib.ExitStack() as stack:
            cursors = cursors_at(server, stack)
            over(cursors, 0, WARM_UP)
            for runs, times in RUNS.items():
                theirs, ours = over(cursors, runs, max(3, round(times * part)))
                bound = 3.0 if long_polling else max(5.0, 0.05 * runs)
                goal = min(bound, round(theirs, 1))
                print(
                    f"{version:12}{runs:>7} ms{theirs:>10.1f}{ours:>12.1f}{goal:>8.1f}"
                    f"  {verdict(round(ours, 1) <= goal)}",
                    flush=True,
                )


def over(cursors: dict, runs: int, times: int) -> list[float]:
    """The mean of milliseconds over the run time, for each client."""
    dice = random.Random(runs)
    found: dict[str, list[float]] = {client: [] for client in cursors}
    for _ in range(times):
        wanted = round(runs * dice.uniform(0.95, 1.05), 1)
        for client, cursor in cursors.items():
            took = timed(lambda: statement(cursor, f"select sleep({wanted})"))  # noqa: B023
            found[client].append(took * 1000 - wanted)
    return [mean(values) for values in found.values()]


def mean(values: list[float]) -> float:
    """Without the highest and the lowest tenth."""
    tenth = len(values) // 10
    return statistics.fmean(sorted(values)[tenth : len(values) - tenth])


if __name__ == "__main__":
    main()
