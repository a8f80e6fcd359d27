"""Results as Arrow: streams and tables, in whatever order they are mixed with rows."""

from collections import deque

import pytest
from test_failover import World, lost
from test_rows import not_yet, rows

from impala_ha import ProgrammingError, ResultLost

pa = pytest.importorskip("pyarrow", reason="the extra arrow is not installed")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cursor(world):
    return world.connect().cursor()


TEXTS = ["one", "two", "three"]


def answers(*, end=None):
    """Three rows in two batches, and how it ends."""
    last = [rows(3, [], more=False)] if end is None else [end]
    return deque([not_yet, rows(0, TEXTS[:2]), rows(2, TEXTS[2:]), *last])


def cut(_):
    raise lost()


WAYS = {
    "fetch_arrow_table": lambda cursor: cursor.fetch_arrow_table(),
    "fetch_record_batch": lambda cursor: cursor.fetch_record_batch().read_all(),
    "fetch_arrow": lambda cursor: pa.table(cursor.fetch_arrow()),
    "__arrow_c_stream__": pa.table,
}


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_all_rows(world, cursor, fetch):
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")

    assert {"c": TEXTS} == fetch(cursor).to_pydict()
    assert [] == cursor.fetchall()
    assert 3 == cursor.rowcount


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_a_result_without_rows_has_its_columns(world, cursor, fetch):
    world["a"].script["FetchResults"] = deque([rows(0, [], more=False)])
    cursor.execute("select 1")

    assert {"c": []} == fetch(cursor).to_pydict()


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_rows_that_were_fetched_do_not_come_again(world, cursor, fetch):
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")
    assert ("one",) == cursor.fetchone()

    assert {"c": ["two", "three"]} == fetch(cursor).to_pydict()


def test_a_stream_asks_for_a_batch_when_it_is_wanted(world, cursor):
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")
    stream = cursor.fetch_record_batch()
    before = world["a"].count("FetchResults")

    assert TEXTS[:2] == stream.read_next_batch()[0].to_pylist()
    assert (0, 2) == (before, world["a"].count("FetchResults"))


@pytest.mark.parametrize("then", ["execute", "close_operation"])
def test_a_stream_has_no_rows_of_another_statement(world, cursor, then):
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")
    stream = cursor.fetch_record_batch()
    assert TEXTS[:2] == stream.read_next_batch().to_pydict()["c"]
    getattr(cursor, then)(*["select 2"] * (then == "execute"))

    with pytest.raises(ProgrammingError, match="another statement"):
        stream.read_next_batch()
    if then == "execute":
        assert 2 == len(cursor.fetchall())


def test_rows_follow_a_stream_that_was_left(world, cursor):
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")
    cursor.fetch_record_batch().read_next_batch()

    assert [("three",)] == cursor.fetchall()


@pytest.mark.parametrize("fetch", ["fetch_arrow_table"])
def test_a_table_that_was_not_handed_out_is_read_elsewhere(world, cursor, fetch):
    world["a"].script["FetchResults"] = answers(end=cut)
    world["b"].script["FetchResults"] = answers()
    cursor.execute("select 1")

    assert {"c": TEXTS} == WAYS[fetch](cursor).to_pydict()
    assert {"a": ["select 1"], "b": ["select 1"]} == world.statements()


def test_a_stream_that_has_begun_ends_with_the_loss_of_its_coordinator(world, cursor):
    world["a"].script["FetchResults"] = answers(end=cut)
    cursor.execute("select 1")
    stream = cursor.fetch_record_batch()

    with pytest.raises(ResultLost):
        stream.read_all()
    assert {"a": ["select 1"]} == world.statements()


@pytest.mark.parametrize("fetch", WAYS.values(), ids=WAYS)
def test_without_a_result_there_is_none(cursor, fetch):
    with pytest.raises(ProgrammingError, match="nothing was executed that has a result"):
        fetch(cursor)


def test_data_frames(world, cursor):
    pandas = pytest.importorskip("pandas")
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")

    frame = cursor.fetch_df()

    assert isinstance(frame, pandas.DataFrame)
    assert TEXTS == list(frame["c"])


def test_polars_reads_it_too(world, cursor):
    polars = pytest.importorskip("polars")
    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")

    assert TEXTS == cursor.fetch_polars()["c"].to_list()

    world["a"].script["FetchResults"] = answers()
    cursor.execute("select 1")
    assert TEXTS == polars.DataFrame(cursor)["c"].to_list()


def test_how_much_is_asked_for_follows_from_what_came(world, cursor):
    """A first answer of 1,024 rows, then as many as make some 4 MiB; what was set is kept."""
    long = "x" * 2**16
    world["a"].script["FetchResults"] = deque(
        [rows(0, ["one"]), rows(1, [long]), rows(2, [], more=False)]
    )
    cursor.execute("select 1")
    asked = [cursor.buffersize]
    for _ in range(2):
        cursor.fetchone()
        asked.append(cursor.buffersize)
    cursor.arraysize = 5

    assert [1024, 102_400, 1024] == asked
    assert 5 == cursor.buffersize
