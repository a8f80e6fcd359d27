"""What a forked process inherits, what a pool makes of it, and what is not carried elsewhere."""

import copy
import gc
import multiprocessing
import os
import pickle
import threading
from contextlib import suppress

import pytest

import impala_ha

pytestmark = pytest.mark.slow(40)

sa = pytest.importorskip("sqlalchemy")


def in_child(work):
    """What *work* returns in a forked process, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            told = str(work())
        except BaseException as error:  # noqa: BLE001 - it is told to the parent
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()


@pytest.fixture
def engine(cluster):
    made = []

    def create(**options):
        made.append(
            sa.create_engine(
                "impala://",
                creator=lambda: impala_ha.connect(cluster.hosts, hedge_after=None),
                **options,
            )
        )
        with made[-1].connect() as connection:
            assert 1 == connection.scalar(sa.text("SELECT 1"))
        return made[-1]

    yield create
    for one in made:
        one.dispose()


def use(engine):
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.text("SELECT 7"))
    except sa.exc.DBAPIError as error:
        return f"invalidated {error.connection_invalidated}"


def test_with_pre_ping_each_checkout_of_an_inherited_engine_works(engine):
    inherited = engine(pool_pre_ping=True)

    assert "[7, 7, 7]" == in_child(lambda: [use(inherited) for _ in range(3)])
    assert 7 == use(inherited), "and the parent has not noticed"


def test_without_it_the_first_use_fails_and_the_pool_opens_anew(engine):
    inherited = engine()

    assert "['invalidated True', 7, 7]" == in_child(lambda: [use(inherited) for _ in range(3)])
    assert 7 == use(inherited)


def test_a_connection_that_was_closed_is_opened_anew(engine):
    pool = engine()
    with pool.connect() as connection:
        connection.connection.dbapi_connection.close()

    assert ["invalidated True", 7] == [use(pool) for _ in range(2)]


def test_an_error_of_a_statement_costs_no_connection(engine):
    pool = engine()
    with pytest.raises(sa.exc.DBAPIError) as caught, pool.connect() as connection:
        connection.execute(sa.text("SELECT nobody FROM nowhere"))

    assert not caught.value.connection_invalidated


def test_an_inherited_connection_says_that_it_is_closed(cluster):
    with impala_ha.connect(cluster.hosts) as connection:
        assert "True" == in_child(lambda: connection.closed)
        assert not connection.closed


def test_the_rows_of_an_inherited_cursor_are_its_parents(cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")

        assert in_child(cursor.fetchall).startswith("InterfaceError: this connection belongs to")
        assert [(1,)] == cursor.fetchall()


CARRIED = {"pickle": pickle.dumps, "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("carry", CARRIED.values(), ids=CARRIED)
@pytest.mark.parametrize("dictify", [False, True])
def test_neither_connection_nor_cursor_is_carried_elsewhere(cluster, carry, dictify):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor(dictify=dictify)
        with pytest.raises(TypeError, match="connections cannot be pickled: connect in each worke"):
            carry(connection)
        with pytest.raises(TypeError, match="cursors cannot be pickled: connect in each worker"):
            carry(cursor)


def test_a_worker_of_multiprocessing_is_told_so(cluster):
    with (
        impala_ha.connect(cluster.hosts) as connection,
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(TypeError, match="connect in each worker"),
    ):
        pool.map(type, [connection])


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    "act",
    [
        lambda connection, cursor: connection.close(),
        lambda connection, cursor: cursor.close(),
        lambda connection, cursor: (cursor.close(), connection.close(), gc.collect()),
    ],
)
def test_a_child_that_was_forked_in_the_middle_of_a_call_ends_nothing_of_it(cluster, until, act):
    connection = impala_ha.connect(cluster.hosts, hedge_after=None)
    cursor = connection.cursor()
    told = []
    waiting = threading.Thread(target=lambda: told.append(cursor.execute("SELECT sleep(1500)")))
    waiting.start()
    until(lambda: any(one.queries for one in cluster))

    assert "Error" not in in_child(lambda: act(connection, cursor))

    waiting.join(10)
    assert [None] == told
    assert [(True,)] == cursor.fetchall()
    connection.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_it_is_told_whose_connection_it_is(cluster, until):
    """And not that another thread uses it, which is not there any more."""
    connection = impala_ha.connect(cluster.hosts, hedge_after=None)
    cursor = connection.cursor()

    def wait():
        with suppress(impala_ha.Error):  # the connection is closed at the end
            cursor.execute("SELECT sleep(60000)")

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: any(one.queries for one in cluster))
    calls = [
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("SELECT %s", [(1,)]),
        cursor.fetchall,
        cursor.cancel,
        cursor.close_operation,
        connection.cursor,
        connection.reconnect,
    ]
    told = {in_child(call)[:42] for call in calls}
    connection.close()
    waiting.join(10)

    assert {"InterfaceError: this connection belongs to"} == told
