"""What a row costs that is in the cursor's buffer, with impyla and with ours.

    python benchmarks/fetch_rows.py [--rounds 9] [--rows 40000]

The rows come from a coordinator in memory, in one batch that is there before the clock starts, so
that nothing but the cursor is measured.  Both read in turns, within one run, so that what else the
machine does hits both; the fastest round of each counts.  SQLAlchemy iterates with fetchone.

Goal: ours takes at most 1.2 of impyla's time, one row at a time or a few.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from impala._thrift_gen.TCLIService import ttypes as hs2
from impala.hiveserver2 import HiveServer2Connection, HS2Service

from impala_ha import Cluster, Coordinator
from impala_ha.dbapi.cursor import Cursor
from impala_ha.dbapi.dict_cursor import DictCursor
from impala_ha.failover.attempts import Call
from impala_ha.sql.session_state import Session
from impala_ha.testing.fakes import FakeClient, FakeCoordinator, FakeDriver, FakeTransport, failover

GOAL = 1.2


def by_one(cursor: Any) -> None:
    while cursor.fetchone() is not None:
        pass


def by_iteration(cursor: Any) -> None:
    deque(cursor, maxlen=0)


def by(size: int) -> Callable[[Any], None]:
    def read(cursor: Any) -> None:
        while cursor.fetchmany(size):
            pass

    return read


WAYS: dict[str, tuple[Callable[[Any], None], bool]] = {
    "fetchone": (by_one, False),
    "iteration": (by_iteration, False),
    "fetchmany(1)": (by(1), False),
    "fetchmany(10)": (by(10), False),
    "fetchmany(100)": (by(100), False),
    "fetchone, dicts": (by_one, True),
    "fetchmany(10), dicts": (by(10), True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=40_000)
    arguments = parser.parse_args()
    print(f"{arguments.rows} rows of one column; us a row")
    for name, (read, dicts) in WAYS.items():
        took = {"impyla": float("inf"), "impala-ha": float("inf")}
        for _ in range(arguments.rounds):
            for who, make in (("impyla", theirs), ("impala-ha", ours)):
                took[who] = min(took[who], timed(make, read, arguments.rows, dicts))
        ratio = took["impala-ha"] / took["impyla"]
        columns = "".join(f"{who:>12} {s * 1e6 / arguments.rows:6.2f}" for who, s in took.items())
        verdict = "met" if ratio <= GOAL else "missed"
        print(f"{name:22}{columns}   ours / impyla's {ratio:.2f} (goal {GOAL}: {verdict})")


def timed(
    make: Callable[[FakeCoordinator, bool], Any],
    read: Callable[[Any], None],
    rows: int,
    dicts: bool,
) -> float:
    """Seconds for reading all rows but the first."""
    server = FakeCoordinator("a")
    server.script["FetchResults"] = deque([answer(rows)])
    cursor = make(server, dicts)
    cursor.execute("SELECT a FROM t")
    cursor.fetchone()
    began = time.perf_counter()
    read(cursor)
    return time.perf_counter() - began


def answer(rows: int) -> Callable[[Any], Any]:
    values = [b"value"] * rows
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=values, nulls=b"\0" * (rows // 8 + 1)))
    batch = hs2.TRowSet(startRowOffset=0, rows=[], columns=[column])
    status = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
    return lambda _: hs2.TFetchResultsResp(status=status, hasMoreRows=False, results=batch)


def theirs(server: FakeCoordinator, dicts: bool) -> Any:
    service = HS2Service(FakeClient(server, FakeTransport(server)), retries=1)
    return HiveServer2Connection(service).cursor(user="etl", dictify=dicts)


def ours(server: FakeCoordinator, dicts: bool) -> Any:
    driver = FakeDriver()
    driver.hosts["a"] = server
    loop = failover(Cluster([Coordinator("a")]), driver)
    loop.run(Call("connect", proof=True), lambda _: None)
    return (DictCursor if dicts else Cursor)(loop, Session("etl"))


if __name__ == "__main__":
    sys.exit(main())
