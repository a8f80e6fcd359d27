"""What a type checker sees of the public names: checked by mypy --strict, and never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import assert_type

import impala_ha
from impala_ha import (
    Attempt,
    CircuitBreaker,
    Cluster,
    Connection,
    Coordinator,
    Fault,
    Phase,
    Retry,
    State,
    events,
)
from impala_ha.balancing.policies import POLICIES, Candidate, Policy
from impala_ha.errors import ConfigurationError, NoCoordinatorLeft, OutcomeUnknown, ResultLost


def connecting(mapping: Mapping[str, str]) -> None:
    """Every form of host, positional and by name."""
    assert_type(impala_ha.connect(), Connection)
    assert_type(impala_ha.connect("a,b:21051", 21050, "sales"), Connection)
    impala_ha.connect(["a", Coordinator("b", weight=2)])
    impala_ha.connect(Coordinator("a"))
    impala_ha.connect(
        Cluster([Coordinator("a")]),
        user="etl",
        password=mapping["password"],
        connect_timeout=3,
        deadline=60.0,
    )
    impala_ha.connect("a", policy="ordered", eject_for=1, eject_most=2.5, zone="east")
    impala_ha.connect("a", policy=Alphabetical())
    impala_ha.connect("a", policy="sticky", sticky_key="tenant", balance="cursor")
    impala_ha.connect("a", on_event=hear)
    impala_ha.connect("a", on_event=1)  # type: ignore[arg-type]  # a number is no function
    impala_ha.connect(1)  # type: ignore[arg-type]  # a host is no number
    impala_ha.connect("a", policy=1)  # type: ignore[arg-type]  # nor has a number choose()
    impala_ha.connect("a", deadline="1")  # type: ignore[arg-type]  # only URLs have texts


def hear(event: events.Event) -> None:
    """What a program is told."""
    assert_type(event.coordinator, Coordinator)
    assert_type(event.seconds, float)
    assert_type(event.tag, str | None)
    if isinstance(event, events.FailedOver):
        assert_type(event.lost, Coordinator)
    elif isinstance(event, events.Hedged):
        assert_type(event.answered, Coordinator | None)
    elif isinstance(event, events.OutcomeLost):
        assert_type(event.query_id, str | None)
    elif isinstance(event, events.Ejected):
        assert_type((event.reason, event.draining, event.options), tuple[str, bool, str])


class Alphabetical:
    """A policy of a user is any class with choose(); it need not know ours."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick the first by name."""
        return min(candidates, key=lambda candidate: candidate.coordinator.host)


class Wrong:
    """No policy: it gives no candidate."""

    def choose(self, candidates: Sequence[Candidate]) -> str:
        """Pick a name."""
        return candidates[0].coordinator.host


def policies() -> Policy:
    """A policy is known by its shape."""
    wrong: Policy = Wrong()  # type: ignore[assignment]
    Cluster([Coordinator("a")], policy=wrong, breaker=CircuitBreaker(threshold=2))
    assert_type(list(POLICIES), list[str])
    return Alphabetical()


def a_connection(connection: Connection) -> None:
    """What a connection tells."""
    assert_type(connection.coordinator, Coordinator | None)
    assert_type(connection.cluster, Cluster)
    assert_type(connection.closed, bool)
    assert_type(connection.default_db, str | None)
    assert_type(connection.cursor(), impala_ha.Cursor)
    connection.cursor(user="etl", configuration={"mem_limit": "1g"}, dictify=True)
    connection.close()
    connection.commit()
    connection.rollback()


def a_cursor(cursor: impala_ha.Cursor) -> None:
    """What a cursor takes and tells; rows are Any, for a statement has no type."""
    cursor.execute("select 1")
    cursor.execute("select %s", [1], {"mem_limit": "1g"}, idempotent=True)
    cursor.execute("select 1", None, None, True)  # type: ignore[call-arg]  # by name only
    cursor.execute(b"select 1")  # type: ignore[arg-type]
    cursor.execute_async("select 1", idempotent=None)
    cursor.executemany("insert into t values (%s)", ([i] for i in range(3)))
    assert_type(cursor.coordinator, Coordinator | None)
    assert_type(cursor.attempts, tuple[Attempt, ...])
    assert_type(cursor.ping(), bool)
    assert_type(cursor.table_exists("t", "d"), bool)


def a_cluster(cluster: Cluster) -> None:
    """What a cluster tells."""
    assert_type(cluster.coordinators, tuple[Coordinator, ...])
    assert_type(cluster.pick(), Coordinator)
    for candidate in cluster.snapshot():
        assert_type(candidate.coordinator, Coordinator)
        assert_type(candidate.state, State)
        assert_type(candidate.connections, int)
        assert_type(candidate.ejected_for, float)


def failures() -> None:
    """What is known of a failure, at four in the morning."""
    try:
        impala_ha.connect()
    except ConfigurationError as error:
        assert_type(error.problems, tuple[str, ...])
    except OutcomeUnknown as error:
        assert_type(error.coordinator, Coordinator | None)
        assert_type(error.attempts, tuple[Attempt, ...])
    except (NoCoordinatorLeft, ResultLost) as error:
        for attempt in error.attempts:
            assert_type(attempt.coordinator, Coordinator)
            assert_type(attempt.fault, Fault | None)
            assert_type(attempt.phase, Phase | None)
            assert_type(attempt.error, BaseException | None)
            assert_type(attempt.elapsed, float)
            assert_type(attempt.may_have_run, bool)


def values_are_frozen(coordinator: Coordinator, retry: Retry, breaker: CircuitBreaker) -> None:
    """Change makes a new one."""
    coordinator.port = 1  # type: ignore[misc]
    retry.deadline = 1  # type: ignore[misc]
    breaker.threshold = 1  # type: ignore[misc]
