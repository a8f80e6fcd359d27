"""What became of a write whose coordinator was lost, asked of real processes."""

import json

import pytest

import impala_ha
from impala_ha import Cluster, Coordinator, Outcome, OutcomeUnknown
from impala_ha.testing import LocalCluster


@pytest.fixture(scope="module", params=[True, False], ids=["query log", "no query log"])
def local(request):
    with LocalCluster(2, workload_management=request.param) as cluster:
        cluster.logs = request.param
        yield cluster


@pytest.fixture(scope="module")
def redacting(tmp_path_factory):
    rules = tmp_path_factory.mktemp("rules") / "rules.json"
    rule = {"search": r"\d|outcomes", "replace": "#"}
    rules.write_text(json.dumps({"version": 1, "rules": [rule]}))
    flags = {"redaction_rules_file": str(rules)}
    with LocalCluster(2, workload_management=False, flags=flags) as cluster:
        yield cluster


@pytest.fixture
def cursor(local):
    yield from opened(local)


def opened(local, **more):
    cluster = Cluster([Coordinator(one.host, one.port) for one in local], policy="ordered")
    options = {"connect_timeout": 2, "probe_after": 0.3, "hedge_after": 0, **more}
    with impala_ha.connect(cluster, **options) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS outcomes (i INT)")
        cursor.fetchall()
        yield cursor
        for one in local:
            one.heal()
            if one.pid is None:
                one.restart()


def lost(cursor, sql):
    with pytest.raises(OutcomeUnknown) as caught:
        cursor.execute(sql)
    return caught.value


def done(cursor, number):
    cursor.execute(f"SELECT count(*) FROM outcomes WHERE i = {number}")
    return cursor.fetchall() == [(1,)]


def test_a_write_whose_answer_was_lost_is_done(local, cursor, until):
    sql = "INSERT INTO outcomes VALUES (1)"
    local[0].cut("ExecuteStatement:response", 3)
    error = lost(cursor, sql)
    until(lambda: local.executions(sql, mode="finished") == 1)

    assert error.resolve() is Outcome.DONE
    assert done(cursor, 1)


def test_a_write_that_never_arrived_was_never_seen_and_will_not_be(local, cursor):
    local[0].cut("ExecuteStatement:request", 3)
    error = lost(cursor, "INSERT INTO outcomes VALUES (2)")

    assert error.resolve() is Outcome.NEVER_SEEN
    assert not done(cursor, 2)
    assert error.session_id not in local[0].sessions


def test_the_same_text_that_ran_before_is_told_apart(local, cursor, until):
    sql = "INSERT INTO outcomes VALUES (3)"
    cursor.execute(sql)
    local[0].cut("ExecuteStatement:response", 3)
    error = lost(cursor, sql)
    until(lambda: local.executions(sql, mode="finished") == 2)

    assert error.resolve() is Outcome.DONE


def test_a_write_that_runs_on_is_waited_for(local, cursor):
    sql = "INSERT INTO outcomes SELECT CASE WHEN sleep(1500) THEN 4 ELSE 5 END"
    local[0].cut("ExecuteStatement:response", 3)
    error = lost(cursor, sql)

    assert error.resolve(timeout=0.3) is Outcome.RUNNING
    assert error.resolve() is Outcome.DONE


def test_a_write_that_died_with_its_coordinator_is_nobodys_to_tell(local, cursor):
    local[0].cut("ExecuteStatement:response", 3)
    error = lost(cursor, "INSERT INTO outcomes SELECT CASE WHEN sleep(5000) THEN 8 ELSE 9 END")
    local[0].kill()

    assert error.resolve(timeout=5) is Outcome.UNKNOWN
    assert not done(cursor, 8)


def test_a_failed_write_is_told_from_one_that_was_never_seen(local, cursor):
    local[0].cut("ExecuteStatement:response", 3)
    error = lost(cursor, "INSERT INTO no_such_table VALUES (1)")

    assert error.resolve() is Outcome.FAILED


def test_the_same_text_of_somebody_else_is_told_apart(local, cursor):
    sql = "INSERT INTO outcomes VALUES (10)"
    with impala_ha.connect(local[0].address) as other, other.cursor() as theirs:
        theirs.execute(sql)
    local[0].cut("ExecuteStatement:request", 3)
    error = lost(cursor, sql)

    assert error.resolve() is Outcome.NEVER_SEEN


@pytest.mark.parametrize("kind", ["comment", "none"])
def test_a_mark_is_where_it_was_wanted(local, kind):
    sql = f"INSERT INTO marked VALUES ('{kind}')"
    with impala_ha.connect(local[0].address, statement_tag=kind) as one, one.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS marked (s STRING)")
        cursor.execute(sql)
    (text,) = {event.sql for event in local.journal() if event.sql and sql in event.sql}

    assert text.startswith("/* impala-ha-") is (kind == "comment")


@pytest.mark.parametrize("kind", ["client_identifier", "none"])
class TestRedacted:
    """The administrator's rules change all texts on the pages."""

    @pytest.fixture
    def cursor(self, redacting, kind):
        yield from opened(redacting, statement_tag=kind)

    def test_a_write_that_ran_is_not_denied(self, redacting, cursor, kind, until):
        sql = f"INSERT INTO outcomes VALUES ({len(kind)})"
        redacting[0].cut("ExecuteStatement:response", 3)
        error = lost(cursor, sql)
        until(lambda: redacting.executions(sql, mode="finished") == 1)

        wanted = Outcome.UNKNOWN if kind == "none" else Outcome.DONE
        assert error.resolve(5) is wanted
        assert done(cursor, len(kind))

    def test_a_write_that_runs_is_not_ended(self, redacting, cursor, kind, until):
        number = 100 + len(kind)
        sql = f"INSERT INTO outcomes SELECT CASE WHEN sleep(1500) THEN {number} ELSE 5 END"
        redacting[0].cut("ExecuteStatement:response", 3)
        error = lost(cursor, sql)

        wanted = Outcome.UNKNOWN if kind == "none" else Outcome.RUNNING
        assert error.resolve(timeout=0.5) is wanted
        until(lambda: redacting.executions(sql, mode="finished") == 1)
        assert done(cursor, number)

    def test_one_that_never_arrived_was_never_seen(self, redacting, cursor, kind):
        redacting[0].cut("ExecuteStatement:request", 3)
        error = lost(cursor, f"INSERT INTO outcomes VALUES ({200 + len(kind)})")

        assert error.resolve() is Outcome.NEVER_SEEN
        assert not done(cursor, 200 + len(kind))
