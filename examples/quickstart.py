"""
Ask several coordinators one question, and kill one between two questions.

    python examples/quickstart.py

It needs no Impala: it starts a local cluster with the data beside it.
"""

from pathlib import Path

import impala_ha
from impala_ha.testing import LocalCluster

QUESTION = "SELECT city, count(*) FROM flights JOIN airports ON origin = code GROUP BY city"

with (
    LocalCluster(3, data=Path(__file__).parent / "data") as cluster,
    impala_ha.connect(cluster.hosts) as connection,
    connection.cursor() as cursor,
):
    cursor.execute(QUESTION)
    print(f"{len(cursor.fetchall())} cities, says {cursor.coordinator}")

    here = str(cursor.coordinator)
    next(coordinator for coordinator in cluster if coordinator.address == here).kill()
    print(f"killed {here}")

    cursor.execute(QUESTION)
    for attempt in cursor.attempts:
        print(f"  {attempt}")
    print(f"{len(cursor.fetchall())} cities, says {cursor.coordinator}")
