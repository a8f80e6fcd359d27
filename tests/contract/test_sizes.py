"""Results of every size, with and without SASL: they come whole, and cost no more than they must."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import impala_ha
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

LOGIN = {"auth_mechanism": "PLAIN", "user": "etl", "password": "etl"}

# A process of its own: memory that was used once stays with a process.
PROGRAM = """
import json, sys
import impala_ha

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

options, mebibytes = json.loads(sys.argv[1])
with impala_ha.connect(**options) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    cursor.fetchall()
    before = peak()
    cursor.execute(f"SELECT repeat('x', {mebibytes * 2**20})")
    ((cell,),) = cursor.fetchall()
    print(json.dumps([cell == "x" * (mebibytes * 2**20), peak() - before]))
"""


@pytest.fixture(scope="module", params=["NOSASL", "PLAIN"])
def options(request):
    with LocalCluster(1, auth=request.param) as cluster:
        yield {"host": cluster.hosts, **(LOGIN if request.param == "PLAIN" else {})}


@pytest.fixture
def cursor(options):
    with impala_ha.connect(**options) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("mebibytes", [16, 64])
def test_a_large_cell_needs_four_times_its_size_at_most(options, mebibytes):
    """What came, what is decoded, and a copy of each."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([options, mebibytes])],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    whole, needed = json.loads(done.stdout)

    assert whole
    assert needed < 4 * mebibytes + 16


def test_a_result_of_10_000_columns_comes_whole(cursor):
    cursor.execute("SELECT " + ", ".join(f"{number} AS c{number}" for number in range(10_000)))

    assert [tuple(range(10_000))] == cursor.fetchall()
    assert [f"c{number}" for number in range(10_000)] == [
        column[0] for column in cursor.description
    ]


def test_a_result_without_rows_has_its_columns(cursor):
    cursor.execute("SELECT 1 AS one, 'two' AS two WHERE FALSE")

    assert ["one", "two"] == [column[0] for column in cursor.description]
    assert None is cursor.fetchone()
    assert [] == cursor.fetchall() == cursor.fetchmany(3) == list(cursor)


def test_rows_that_take_their_time_are_waited_for(cursor):
    """The server says meanwhile that it is still executing, without rows."""
    cursor.execute_async(
        "SELECT i, sleep(100) FROM (VALUES (1 AS i), (2), (3)) AS v ORDER BY i",
        configuration={"fetch_rows_timeout_ms": "1"},
    )

    assert [1, 2, 3] == [row[0] for row in cursor.fetchall()]


def test_a_result_of_many_batches_is_whole_and_in_order(cursor):
    numbers = ", ".join(f"({number})" for number in range(5000))
    cursor.execute(f"SELECT * FROM (VALUES {numbers}) AS v ORDER BY 1")

    assert list(range(5000)) == [row[0] for row in cursor]
