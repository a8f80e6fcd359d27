"""What a row costs that is in the cursor's buffer, with impyla and with ours.

    python benchmarks/fetch_rows.py [--rounds 9] [--rows 40000]

The rows come in one batch (`_canned.py`), which is there before the clock starts, so that nothing
but the cursor is measured.  Both read in turns, within one run, so that what else the machine does
hits both; the fastest round of each counts.  SQLAlchemy, which has work of its own for each row,
iterates with fetchone.

Goals: fetchone, iteration and SQLAlchemy take half of impyla's time, the others no more than it.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import sqlalchemy
from _canned import Canned
from _shared import CLIENTS, HEAD, MODULES, connected, line, parser

SQL = "select * from canned"
Read = Callable[[Any], object]
Opened = Callable[[str, Canned], contextlib.AbstractContextManager[Any]]


def by_one(cursor: Any) -> None:
    while cursor.fetchone() is not None:
        pass


def by_iteration(cursor: Any) -> None:
    deque(cursor, maxlen=0)


def by(size: int) -> Read:
    def read(cursor: Any) -> None:
        while cursor.fetchmany(size):
            pass

    return read


@contextlib.contextmanager
def tuples(client: str, server: Canned, **options: Any) -> Iterator[Any]:
    """A cursor with all rows before it."""
    connection = connected(client, server.host, server.port)
    with contextlib.closing(connection), contextlib.closing(connection.cursor(**options)) as cursor:
        cursor.execute(SQL)
        yield cursor


def dicts(client: str, server: Canned) -> contextlib.AbstractContextManager[Any]:
    return tuples(client, server, dictify=True)


@contextlib.contextmanager
def by_sqlalchemy(client: str, server: Canned) -> Iterator[Any]:
    """A result of SQLAlchemy."""
    url = f"impala://{server.host}:{server.port}/?auth_mechanism=NOSASL"
    engine = sqlalchemy.create_engine(url, module=import_module(MODULES[client]))
    with engine.connect() as connection, connection.exec_driver_sql(SQL) as result:
        yield result
    engine.dispose()


WAYS: dict[str, tuple[Read, Opened, float]] = {
    "fetchone": (by_one, tuples, 0.5),
    "iteration": (by_iteration, tuples, 0.5),
    "SQLAlchemy": (by_iteration, by_sqlalchemy, 0.5),
    "fetchmany(1)": (by(1), tuples, 1.0),
    "fetchmany(10)": (by(10), tuples, 1.0),
    "fetchmany(100)": (by(100), tuples, 1.0),
    "fetchone, dicts": (by_one, dicts, 1.0),
    "fetchmany(10), dicts": (by(10), dicts, 1.0),
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--rows", type=int, default=40_000)
    given = arguments.parse_args()
    print(f"{given.rows} rows of one column; us a row")
    print(HEAD)
    with Canned(given.rows, given.rows, "name") as server:
        for name, (read, opened, goal) in WAYS.items():
            took = dict.fromkeys(CLIENTS, float("inf"))
            for _ in range(given.rounds):
                for client in CLIENTS:
                    with opened(client, server) as cursor:
                        took[client] = min(took[client], rest(cursor, read))
            microseconds = {client: took[client] * 1e6 / given.rows for client in CLIENTS}
            line(name, microseconds, goal, "{:.2f}")


def rest(cursor: Any, read: Read) -> float:
    """Seconds for reading all rows but the first."""
    cursor.fetchone()
    began = time.perf_counter()
    read(cursor)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
