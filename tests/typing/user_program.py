"""
A small program of a user, checked by mypy and pyright in their strict modes and never run.

What he writes without an annotation must have a type, and it must be the right one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pandas as pd
import sqlalchemy
from typing_extensions import assert_type

import impala_ha
import impala_ha.opentelemetry
import impala_ha.prometheus
from impala_ha.policies import Candidate
from impala_ha.testing import LocalCluster
from impala_ha.testing.simulation import (
    PEERS,
    Change,
    Condition,
    FailedTry,
    Fleet,
    Result,
    compare,
    plot,
    simulate,
)

SALES = "select id, amount from sales where day = %(day)s"


def rows(day: str) -> Iterator[tuple[int, float]]:
    """What is sold on a day, whoever of the coordinators answers."""
    with closing(impala_ha.connect("a,b,c", database="shop", deadline=30)) as connection:
        cursor = connection.cursor()
        assert_type(cursor, impala_ha.Cursor)
        cursor.execute(SALES, {"day": day}, idempotent=True)
        assert_type(cursor.fetchone(), tuple[Any, ...] | None)
        assert_type(cursor.fetchmany(10), list[tuple[Any, ...]])
        assert_type(cursor.rowcount, int)
        names = [column[0] for column in cursor.description or ()]
        assert_type(names, list[str])
        yield from cursor


def named(connection: impala_ha.Connection) -> list[dict[str, Any]]:
    """Rows as dicts."""
    cursor = connection.cursor(dictify=True)
    assert_type(cursor, impala_ha.DictCursor)
    cursor.execute("select 1 as one")
    return cursor.fetchall()


def frame() -> pd.DataFrame:
    """A result in pandas, on a connection of SQLAlchemy's pool."""
    engine = sqlalchemy.create_engine("impala://", creator=lambda: impala_ha.connect("a,b,c"))
    return pd.read_sql(SALES, engine, params={"day": "2024-01-02"})


def hosts() -> list[str]:
    """Whom to connect to, from wherever that is known."""
    return ["a", "b:21051"]


def elsewhere() -> impala_ha.Connection:
    """A connection to one of them."""
    return impala_ha.connect(hosts)


def load(connection: impala_ha.Connection) -> str:
    """A write, and what can be known where its coordinator is lost."""
    try:
        connection.cursor().execute("insert into sales select * from staging")
    except impala_ha.OutcomeUnknown as error:
        assert_type(error.coordinator, impala_ha.Coordinator | None)
        for attempt in error.attempts:
            assert_type(attempt.elapsed, float)
        outcome = error.resolve(timeout=5)
        assert_type(outcome, impala_ha.Outcome)
        return outcome.value
    except impala_ha.NoCoordinatorLeft as error:
        return str(error.attempts[-1].coordinator)
    except impala_ha.ConfigurationError as error:
        return ", ".join(error.problems)
    except impala_ha.Error as error:
        return str(error)
    return "done"


def local() -> str:
    """A cluster for the user's own tests."""
    with LocalCluster(2) as cluster:
        return cluster.hosts


def watched() -> str:
    """What became of the calls of a connection, for those who look after it."""
    impala_ha.opentelemetry.instrument()
    impala_ha.prometheus.instrument()
    with impala_ha.connect("a", report="/tmp/report", client_identifier="nightly") as connection:
        cursor = connection.cursor()
        assert_type(cursor.query_id, str | None)
        assert_type(connection.report(), dict[str, object])
        return str(cursor.query_url)


class Mine:
    """A policy of the user's own."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """The last one."""
        return candidates[-1]


def fleet() -> float:
    """What it makes of a fleet of which one dies."""
    made = Fleet(clients=200, policy=lambda rng: Mine(), process="client", page_age=5)
    result = simulate(made, [Change(100, 0, Condition.DEAD), Change(200, 0, speed=0.5)], seed=1)
    assert_type(result, Result)
    assert_type(result.coordinators, tuple[impala_ha.Coordinator, ...])
    assert_type(result.arrivals[result.coordinators[0]][7], int)
    for failed in result.failed_tries:
        assert_type(failed, FailedTry)
        assert_type(failed.machine, int)
    assert_type(compare({"mine": result, **dict.fromkeys(PEERS, result)}), str)
    plot({"mine": result}, "load.svg", begin=80)
    result.plot("load.png")
    return result.wait(99) + result.imbalance(60, 90)
