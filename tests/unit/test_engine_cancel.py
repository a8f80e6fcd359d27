"""A job of the pocket Impala can be stopped from another thread, and sleeps can be too."""

from __future__ import annotations

import threading

import pytest
from engine_lab import Lab, rows_of

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql.duck import Lane

NUMBERS = "(VALUES (0 AS n), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
LONG = " CROSS JOIN ".join(f"{NUMBERS} n{i}" for i in range(12))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("warehouse"))


def cancelled(job, until_running):
    """Run a job in a thread, cancel it when *until_running* says so, and tell how it ended."""
    ended = []

    def work():
        try:
            job.run()
            rows_of(job)
        except ImpalaError as error:
            ended.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    until_running()
    job.cancel()
    thread.join(20)

    assert not thread.is_alive()
    job.close()
    return ended


def a_moment():
    """Long enough for DuckDB to be at work; a cancel before that must do as well."""
    threading.Event().wait(0.2)


@pytest.mark.parametrize("until_running", [a_moment, lambda: None], ids=["late", "early"])
@pytest.mark.parametrize(
    "query",
    [
        f"SELECT count(*) FROM {LONG} WHERE n0.n + n11.n > 17",
        f"SELECT n0.n FROM {LONG}",
        "SELECT sleep(60000)",
        f"SELECT sleep(60000) FROM {NUMBERS} v",
        f"CREATE TABLE c AS SELECT sum(n0.n) s FROM {LONG}",
    ],
)
def test_a_cancelled_job_ends_soon(lab, query, until_running):
    assert ["Cancelled"] == cancelled(lab.job(query), until_running)


def test_a_cancelled_insert_leaves_nothing(lab):
    lab.run("CREATE TABLE IF NOT EXISTS t (b BOOLEAN)")
    job = lab.job(f"INSERT INTO t SELECT sleep(1000) FROM {NUMBERS} v")

    assert ["Cancelled"] == cancelled(job, a_moment)
    assert 0 == lab.value("SELECT count(*) FROM t")


def test_a_job_that_was_cancelled_before_it_ran_does_nothing(lab):
    job = lab.job("CREATE TABLE never (a INT)")
    job.cancel()

    with pytest.raises(ImpalaError, match="^Cancelled$"):
        job.run()
    assert [] == lab.rows("SHOW TABLES LIKE 'never'")


def test_sleep_is_evaluated_for_each_row(lab, monkeypatch):
    slept = []
    monkeypatch.setattr(Lane, "wait", lambda _lane, seconds: slept.append(seconds))

    assert 10 == len(lab.rows(f"SELECT n FROM {NUMBERS} v WHERE sleep(20)"))
    assert [0.02] * 10 == slept


def test_sleeping_queries_do_not_hold_up_others(lab, monkeypatch):
    asleep, wait = threading.Semaphore(0), Lane.wait
    monkeypatch.setattr(Lane, "wait", lambda *args: asleep.release() or wait(*args))
    jobs = [lab.job("SELECT sleep(60000)") for _ in range(8)]
    threads = [threading.Thread(target=_run_quietly, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert asleep.acquire(timeout=20)
    found = lab.value("SELECT 1")
    sleeping = [thread.is_alive() for thread in threads]
    for job in jobs:
        job.cancel()
    for thread in threads:
        thread.join(20)

    assert (1, [True] * 8) == (found, sleeping)
    assert not any(thread.is_alive() for thread in threads)


def _run_quietly(job):
    try:
        job.run()
        job.fetch(1)
    except ImpalaError:
        pass
    finally:
        job.close()


def test_many_threads_query_at_once(lab):
    found = []

    def work(number):
        found.append(lab.value(f"SELECT sum(n) + {number} FROM {NUMBERS} v") - number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [45] * 32 == found


def test_a_query_that_needs_more_than_its_mem_limit_fails(lab):
    query = (
        f"SELECT count(distinct concat({', '.join(f'cast(n{i}.n as string)' for i in range(6))}))"
    )
    query += " FROM " + " CROSS JOIN ".join(f"{NUMBERS} n{i}" for i in range(6))

    assert lab.error(query, MEM_LIMIT="20m").startswith("Memory limit exceeded: ")
    assert 1_000_000 == lab.value(query)
