"""
A nightly load that may be started again at any time.

    impala-ha local -n 3 --data examples/data        # in another terminal
    IMPALA_HA_HOSTS=127.0.0.1,127.0.0.2,127.0.0.3 python examples/etl.py 2024-01-02

Two steps: the table of the day, which is overwritten and may therefore run twice, and a line in
the journal of loads, which must not.
"""

import logging
import sys

from impala_ha import Cursor, OutcomeUnknown, connect

log = logging.getLogger("etl")

TABLES = (
    "CREATE TABLE IF NOT EXISTS delays (origin STRING, flights BIGINT, delay_min DOUBLE)",
    "CREATE TABLE IF NOT EXISTS load_journal (day STRING, origins BIGINT)",
)
DELAYS = """
INSERT OVERWRITE delays
SELECT origin, count(*), avg(delay_min) FROM flights
WHERE flight_date = CAST(%(day)s AS DATE) GROUP BY origin
"""
LOAD = "INSERT INTO load_journal SELECT %(day)s, count(*) FROM delays"


def load(cursor: Cursor, day: str) -> None:
    """Load *day*."""
    for table in TABLES:
        cursor.execute(table)
    cursor.execute(DELAYS, {"day": day}, idempotent=True)
    if loaded(cursor, day):
        log.info("%s was loaded before", day)
        return
    try:
        cursor.execute(LOAD, {"day": day})
    except OutcomeUnknown as error:
        if not loaded(cursor, day):
            # It may still run where it was sent: to send it again could make it two.
            log.exception("%s is not there (yet); look at %s", day, error.coordinator)
            raise
    log.info("%s is loaded", day)


def loaded(cursor: Cursor, day: str) -> bool:
    """Is the line of *day* in the journal?"""
    cursor.execute("SELECT count(*) FROM load_journal WHERE day = %(day)s", {"day": day})
    return cursor.fetchone() != (0,)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    with connect(deadline=300) as connection, connection.cursor() as cursor:
        load(cursor, sys.argv[1])
