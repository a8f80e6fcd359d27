"""One connection whose cursors are balanced, and what a program is told, on coordinators that are killed."""

from __future__ import annotations

from collections import Counter

import pytest

import impala_ha
from impala_ha.events import Back, Ejected, FailedOver, OutcomeLost, Reattached
from impala_ha.testing import FaultProxy

pytestmark = pytest.mark.servers


def test_a_script_with_one_connection_spreads_its_statements(cluster):
    with impala_ha.connect(cluster.hosts, balance="cursor", hedge_after=0) as connection:
        used = Counter()
        for _ in range(3 * len(cluster)):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchall() == [(1,)]
                used[cursor.coordinator.host] += 1
        open_now = sum(each.connections for each in connection.cluster.snapshot())

    assert used == {each.host: 3 for each in cluster}
    assert open_now == 1


def test_what_a_cursor_creates_the_next_one_finds_elsewhere(cluster):
    with impala_ha.connect(cluster.hosts, balance="cursor", hedge_after=0) as connection:
        one, other = connection.cursor(), connection.cursor()
        assert one.coordinator != other.coordinator
        one.execute("CREATE TABLE spread (x INT)")
        one.execute("INSERT INTO spread VALUES (1), (2)")
        other.execute("SELECT count(*) FROM spread")

        assert other.fetchall() == [(2,)]
        one.execute("DROP TABLE spread")


def test_events_tell_the_story_of_a_coordinator_that_dies_and_comes_back(cluster, until):
    told = []
    with impala_ha.connect(
        cluster.hosts, policy="ordered", eject_for=0.2, hedge_after=0, on_event=told.append
    ) as connection:
        cursor = connection.cursor()
        first, second = (impala_ha.Coordinator(cluster[n].host, cluster[n].port) for n in (0, 1))
        assert cursor.coordinator == first
        cluster[0].kill()
        cursor.execute("SELECT 1")
        assert cursor.coordinator == second
        cluster[0].restart()

        def is_back():
            impala_ha.connect(connection.cluster).close()
            return any(isinstance(event, Back) for event in told)

        until(is_back)
        cursor.execute("CREATE TABLE slowly (x BOOLEAN)")
        cursor.execute_async("INSERT INTO slowly SELECT sleep(20000)")
        cluster[1].kill()
        with pytest.raises(impala_ha.OutcomeUnknown) as caught:
            cursor.fetchall()

    seen = [event for event in told if event.coordinator == first]
    assert [type(event) for event in seen] == [Ejected, Back]
    assert seen[1].seconds > 0
    moved = [event for event in told if isinstance(event, FailedOver)]
    assert [(event.coordinator, event.lost, event.operation) for event in moved] == [
        (second, first, "execute")
    ]
    (lost,) = [event for event in told if isinstance(event, OutcomeLost)]
    assert lost.coordinator == second
    assert lost.tag == caught.value.statement_tag
    assert lost.query_id == caught.value.query_id


def test_a_connection_that_breaks_under_a_statement_is_told_as_made_anew(cluster):
    told = []
    with (
        FaultProxy(cluster[0].address) as proxy,
        impala_ha.connect(proxy.address, on_event=told.append, hedge_after=0) as connection,
    ):
        cursor = connection.cursor()
        cursor.execute_async("SELECT sleep(300)")
        proxy.disconnect()
        assert cursor.fetchall() == [(True,)]
        assert [str(event.coordinator) for event in told] == [proxy.address]

    assert [type(event) for event in told] == [Reattached]
