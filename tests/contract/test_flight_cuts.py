"""Flights that are cut while the server still works on them, on a coordinator that counts."""

from __future__ import annotations

import threading
import time

import pytest

import impala_ha
from impala_ha.testing import FaultProxy, LocalCluster

pytestmark = pytest.mark.servers

WORKS = 0.3  # seconds that the statement takes: a fetch waits for it
ROWS = [(1, True), (2, True), (3, True)]


@pytest.fixture(scope="module")
def coordinator():
    with LocalCluster(1) as cluster:
        yield cluster[0]


@pytest.fixture
def proxy(coordinator):
    with FaultProxy(coordinator.address) as found:
        yield found


def slow(number):
    """Three rows that take `WORKS` seconds, by a text of its own."""
    first = f"SELECT 1, sleep({WORKS * 1000:.0f}) -- {number}\n"
    return first + "UNION ALL SELECT 2, sleep(1) UNION ALL SELECT 3, sleep(1)"


@pytest.mark.parametrize("size", [1, 2, None], ids="rows of {}".format)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 1.05])
def test_a_fetch_that_waits_on_the_server_may_win_against_the_one_that_follows(
    coordinator, proxy, until, part, size
):
    """
    Its connection is cut, but the server does not know, and gives it the rows.

    Our next fetch waits beside it: either of them may be the first, and either the second.
    """
    sql = slow(f"{part} {size}")
    with impala_ha.connect(proxy.address, connect_timeout=5) as connection:
        cursor = connection.cursor()
        cursor.arraysize = size
        cut = threading.Timer(WORKS * part, proxy.disconnect, ("rst",))
        cut.start()
        cursor.execute(sql)
        rows = cursor.fetchall()
        cut.join()

    assert ROWS == sorted(rows)
    until(lambda: not coordinator.queries)  # those whose rows were lost are closed as well


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_write_in_the_same_place_goes_on(coordinator, proxy, part):
    with impala_ha.connect(proxy.address, connect_timeout=5) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS written (i INT, slept BOOLEAN)")
        cut = threading.Timer(WORKS * part, proxy.disconnect, ("rst",))
        cut.start()
        cursor.execute(f"INSERT INTO written SELECT {part * 10:.0f}, sleep({WORKS * 1000:.0f})")
        cut.join()
        cursor.execute(f"SELECT count(*) FROM written WHERE i = {part * 10:.0f}")

        assert [(1,)] == cursor.fetchall()


def test_answers_that_were_read_with_others_hide_no_end_of_the_connection(proxy):
    """That to the close came with that to GetLog, and waits in the buffer."""
    with impala_ha.connect(proxy.address, connect_timeout=5) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS idle (i INT)")
        for number in range(5):
            cursor.execute("SELECT 1")
            cursor.get_log()
            proxy.disconnect("fin")
            time.sleep(0.1)  # an idle connection, which had its end before
            cursor.execute(f"INSERT INTO idle VALUES ({number})")
        cursor.execute("SELECT count(*), count(DISTINCT i) FROM idle")

        assert [(5, 5)] == cursor.fetchall()


def test_cancelling_ends_a_wait_for_rows_at_once(proxy):
    """The server holds the answer back, for a second each time."""
    with impala_ha.connect(proxy.address) as connection:
        cursor = connection.cursor()
        told = []

        def execute():
            try:
                cursor.execute("SELECT sleep(20000)")
            except impala_ha.Error as error:
                told.append((error, time.monotonic()))

        waiting = threading.Thread(target=execute)
        waiting.start()
        time.sleep(0.5)
        start = time.monotonic()
        cursor.cancel()
        waiting.join(10)

    ((error, ended),) = told
    assert "Cancelled" in str(error)
    assert ended - start < 5
