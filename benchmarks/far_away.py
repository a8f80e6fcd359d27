"""How long a job takes where each round trip takes 100 ms, and how many round trips it has.

    python benchmarks/far_away.py [--jobs 4] [--milliseconds 100]

Between client and server (`_canned.py`: Impala 4.5 or later, which answers at once) stands a relay
(`_relay.py`) that holds what is sent for half a round trip, in each direction, and counts: a
connection is one round trip, and so is each time that the client sends something after an answer.
A cold job is connect, cursor, select 1, fetchall, close; a warm one select 1 and fetchall on an
open cursor.  Medians; both clients take turns.  A job can be shorter than what is counted where an
answer, such as that to a close, is read only with the next call.

Goals: a cold job in 5 round trips (impyla: 10), a warm one in 3 (impyla: 7).
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable

from _canned import Canned
from _relay import Relay
from _shared import CLIENTS, connected, cursors_at, job, parser, statement, timed, verdict

COLD_GOAL, WARM_GOAL = 5, 3


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--jobs", type=int, default=4)
    arguments.add_argument("--milliseconds", type=float, default=100)
    given = arguments.parse_args()
    print(f"{given.jobs} jobs each, {given.milliseconds:g} ms a round trip")
    print(f"{'':16}{'seconds':>10}{'in round trips':>16}{'counted':>10}{'goal':>6}")
    with (
        Canned() as server,
        Relay(server.port, given.milliseconds / 1000) as relay,
        contextlib.ExitStack() as stack,
    ):
        for client in CLIENTS:
            job(connected(client, server.host, server.port))  # what is imported and read once
        cold = {c: lambda c=c: job(connected(c, relay.host, relay.port)) for c in CLIENTS}
        show("cold", cold, relay, given, COLD_GOAL)
        cursors = cursors_at(relay, stack)
        warm = {client: lambda client=client: statement(cursors[client]) for client in CLIENTS}
        show("warm", warm, relay, given, WARM_GOAL)


def show(name: str, work: dict[str, Callable[[], object]], relay, given, goal: int) -> None:
    took: dict[str, list[float]] = {client: [] for client in CLIENTS}
    trips: dict[str, int] = dict.fromkeys(CLIENTS, 0)
    for call in work.values():
        call()
    relay.round_trips()
    for _ in range(given.jobs):
        for client in CLIENTS:
            took[client].append(timed(work[client]))
            trips[client] += relay.round_trips()
    for client in CLIENTS:
        seconds = statistics.median(took[client])
        waited = round(seconds * 1000 / given.milliseconds, 1)
        counted = trips[client] / given.jobs
        said = f"{goal:>6}  {verdict(waited < goal + 0.5)}" if client == CLIENTS[1] else ""
        label = f"{name}, {client}"
        print(f"{label:16}{seconds:>10.3f}{waited:>16.1f}{counted:>10.1f}{said}", flush=True)


if __name__ == "__main__":
    main()
