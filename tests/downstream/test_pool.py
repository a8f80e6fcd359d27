"""SQLAlchemy's pool with pre_ping: a thousand checkouts, while coordinators die and hang."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import sqlalchemy as sa

import impala_ha

CHECKOUTS, THREADS = 1_000, 8


@contextmanager
def faults(cluster):
    """If there are to be any: one is dead and another one hangs at any time, in turn."""
    over = threading.Event()

    def hurt():
        turn = 0
        while not over.is_set():
            cluster.heal()
            cluster[turn % 3].kill()
            cluster[(turn + 1) % 3].hang()
            turn += 1
            over.wait(3)
        cluster.heal()

    thread = threading.Thread(target=hurt)
    if os.environ.get("TOOLS_FAULTS") == "1":
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()


def test_each_of_a_thousand_checkouts_is_answered(cluster):
    engine = sa.create_engine(
        f"impala_ha:///default?host={cluster.hosts}&timeout=2",
        pool_pre_ping=True,
        pool_size=THREADS,
    )

    def checkout(number):
        with engine.connect() as connection:
            return connection.scalar(sa.text(f"SELECT {number} + count(*) FROM airlines"))

    with faults(cluster), ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(checkout, range(CHECKOUTS)))
    engine.dispose()

    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM airlines")
        (airlines,) = cursor.fetchone()
    assert [number + airlines for number in range(CHECKOUTS)] == answers
