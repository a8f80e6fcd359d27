"""
A connection is cut in every phase of a statement: nothing runs twice, and nobody is told wrong.

Each case cuts one message once, before its first byte, in its middle or after its last, by an end
of file or by a reset.  The servers count; the caller's news is compared with their count at once,
and again when all cases are through.
"""

from __future__ import annotations

import itertools

import pytest
from promises import (
    DONE,
    UNKNOWN,
    Ledger,
    at_peace,
    connect,
    create,
    create_as,
    give,
    healed,
    insert,
    select,
    set_option,
    use,
)

from impala_ha import ResultLost
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

WHOLE = 10**8  # bytes: after the last one

BEGIN = ("ExecuteStatement", "GetOperationStatus", "GetLog")
WRITE = (*BEGIN, "CloseImpalaOperation")
QUIET = (*BEGIN, "CloseOperation")
FULL = (*QUIET, "GetResultSetMetadata", "FetchResults")
SPEAKS = {insert: WRITE, create: FULL, create_as: FULL, select: FULL, use: QUIET, set_option: QUIET}
CASES = [
    pytest.param(statement, f"{rpc}:{direction}", id=f"{statement.__name__}-{rpc}-{direction}")
    for statement, rpcs in SPEAKS.items()
    for rpc in rpcs
    for direction in ("request", "response")
]
ENDS = list(itertools.product((0, 20, WHOLE), ("fin", "rst")))
FEW_ENDS = [(0, "rst"), (20, "fin"), (WHOLE, "fin")]


@pytest.fixture(scope="module")
def pair():
    with LocalCluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def ledger(pair):
    ledger = Ledger(pair)
    yield ledger
    ledger.check_again()


@pytest.mark.parametrize(("statement", "phase"), CASES)
def test_a_cut_changes_no_answer_and_runs_nothing_twice(pair, ledger, until, statement, phase):
    for byte, how in ENDS if statement in (insert, select) else FEW_ENDS:
        with healed(pair):
            before = pair[0].cut_count
            connection = connect(pair)
            cursor = connection.cursor()
            pair[0].cut(phase, byte, how)
            sql, write = statement()
            told = give(cursor, sql, write=write)

            until(lambda: 1 == pair[0].cut_count - before)  # noqa: B023 - this round's
            ledger.note(told)
            _check_words(told, phase, byte)
            _check_rows(told, statement, phase)
            _check_session(cursor, statement)
            cursor.close()
            connection.close()
            if told.how == UNKNOWN:
                pair[0].lose_sessions()  # left alone on purpose: closing it would stop the write
            until(lambda: at_peace(pair), 3)


def _check_words(told, phase, byte):
    """Only the cut of a write that was being handed over leaves its outcome open."""
    handing_over = phase.startswith("ExecuteStatement")
    if told.write and handing_over and (byte, phase) != (WHOLE, "ExecuteStatement:response"):
        assert UNKNOWN == told.how, told
        assert "It may have run" in str(told.error)
    else:
        assert DONE == told.how, told


def _check_rows(told, statement, phase):
    if told.how == UNKNOWN:
        return
    if statement in (create, create_as) and phase == "FetchResults:response" and not told.rows:
        # The server has moved on, and a write is not repeated to have its one line again.
        assert isinstance(told.error, ResultLost)
    elif statement in (create, create_as):
        assert 1 == len(told.rows)
    elif statement is select:
        assert [1, 2, 3] == [row[0] for row in told.rows]


def _check_session(cursor, statement):
    """The setting holds, wherever the session is now."""
    if statement is use:
        cursor.execute("SELECT current_database()")

        assert [("elsewhere",)] == cursor.fetchall()
    if statement is set_option:
        cursor.execute("SET ALL")

        assert "1g" == {row[0]: row[1] for row in cursor.fetchall()}["MEM_LIMIT"]


@pytest.mark.parametrize(("byte", "how"), ENDS)
@pytest.mark.parametrize("phase", ["connect", "OpenSession:request", "OpenSession:response"])
def test_a_cut_in_opening_leads_elsewhere(pair, phase, byte, how):
    with healed(pair):
        pair[0].cut(phase, byte, how)
        with connect(pair) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 'here'")

            assert [("here",)] == cursor.fetchall()
            assert pair[0].cut_count > 0


@pytest.mark.parametrize(("byte", "how"), ENDS)
@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_cut_in_closing_is_no_error_and_leaves_no_session(pair, until, direction, byte, how):
    with healed(pair):
        connection = connect(pair)
        cursor = connection.cursor()
        pair[0].cut(f"CloseSession:{direction}", byte, how)
        cursor.close()
        connection.close()

        until(lambda: at_peace(pair), 3)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_begun_result_is_never_wrong(pair, how):
    """Rows were handed out; the rest comes, or ResultLost does, but no row twice or left out."""
    numbers = ", ".join(f"({number})" for number in range(2500))
    for byte in (0, 20, 3000, WHOLE):
        with healed(pair), connect(pair) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM (VALUES {numbers}) AS v ORDER BY 1")
            rows = cursor.fetchmany(1024)
            pair[0].cut("FetchResults:response", byte, how)
            try:
                rows += cursor.fetchall()
            except ResultLost:
                assert list(range(1024)) == [row[0] for row in rows[:1024]]
            else:
                assert list(range(2500)) == [row[0] for row in rows]
