"""A client in a process of its own, which a test tells what to do: a line of Python in, a line of JSON out."""

import json
import sys

import impala_ha

OPEN = []


def connect(host, **options):
    """Where a new connection leads."""
    OPEN.append(impala_ha.connect(host=host, **options))
    return str(OPEN[-1].coordinator)


def run(number=0):
    """Where a connection leads, after a statement."""
    cursor = OPEN[number].cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]
    cursor.close()
    return str(OPEN[number].coordinator)


def members(number=0):
    """The coordinators that a connection knows."""
    return [str(each) for each in OPEN[number].cluster.coordinators]


for line in sys.stdin:
    try:
        answer = eval(line)
    except Exception as error:  # noqa: BLE001 - the test judges it
        answer = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()
