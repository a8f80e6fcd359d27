"""OpenSession takes any database and any query option in silence; a wrong one is told at cursor()."""

import warnings
from collections import deque

import pytest
from test_failover import World, lost

from impala_ha import errors
from impala_ha.dbapi.connection import Connection
from impala_ha.options.options import Options

NONE = "AnalysisException: Database does not exist: typo\n"
OPTIONS = {f"OPTION_{n}": "0" for n in range(20)} | {"MEM_LIMIT": "", "MT_DOP": "", "DEBUG": ""}


@pytest.fixture
def world():
    return World().connect()


def use(world, host="a"):
    return [sql for sql in world[host].statements() if sql.startswith("USE")]


def test_a_database_that_is_none_is_reported_at_cursor_and_the_session_ended(world):
    world["a"].script["ExecuteStatement"] = deque([NONE])

    with pytest.raises(errors.Error, match="Database does not exist: typo"):
        world.cursor({"use:database": "typo"})

    assert ["USE `typo`"] == use(world)
    world.cursor()
    assert all("use:database" not in session for session in world["a"].sessions.values())


def test_one_that_is_there_is_looked_for_once_in_a_process(world):
    for _ in range(3):
        world.cursor({"use:database": "sales"}).execute("select 1")

    assert ["USE `sales`"] == use(world)


@pytest.mark.parametrize("configuration", [{}, {"use:database": "default"}, {"mem_limit": "1g"}])
def test_without_a_database_of_ones_own_nothing_is_asked(world, configuration):
    world.cursor(configuration)

    assert [] == world["a"].statements()


def test_hive_looks_for_it_itself():
    world = World()
    world["a"].impala = False
    world.connect().cursor({"use:database": "sales"})

    assert [] == world["a"].statements()


@pytest.mark.parametrize(
    "answer",
    [
        "AuthorizationException: User 'etl' does not have privileges to access: sales.*.*",
        "AnalysisException: Failed to load metadata for table: 'x'",
    ],
)
def test_whatever_else_is_wrong_with_it_is_for_the_first_statement(world, answer):
    """Who may not enter a database may read others from there."""
    world["a"].script["ExecuteStatement"] = deque([answer])

    world.cursor({"use:database": "sales"}).execute("select * from other.t")

    assert ["USE `sales`", "select * from other.t"] == world["a"].statements()


def test_a_coordinator_that_is_lost_meanwhile_is_left_for_another(world):
    world["a"].script["ExecuteStatement"] = deque([lost()])

    assert "b" == world.cursor({"use:database": "sales"}).coordinator.host
    assert ["USE `sales`"] == use(world, "b")


def test_a_database_that_was_made_a_moment_ago_elsewhere_is_waited_for(world):
    world.cursor().execute("create database typo")
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = deque([NONE])

    world.cursor({"use:database": "typo"})

    assert ["USE `typo`"] * 2 == use(world, "b") + use(world, "c")


def connection(world, told):
    made = Connection.__new__(Connection)
    made.default_db, made.options, made._user = None, Options(), "etl"
    made._failover = world.failover
    for host in "abc":
        answer = world[host]._OpenSession

        def opened(request, answer=answer):
            got = answer(request)
            got.configuration = got.configuration | told
            return got

        world[host].script["OpenSession"] = deque([opened] * 9)
    return made


def warned(world, configuration, told=OPTIONS):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        connection(world, told).cursor(configuration=configuration)
    assert {__file__} >= {warning.filename for warning in found}
    return [str(warning.message) for warning in found]


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("MEM_LIMTI", ": did you mean MEM_LIMIT?"),
        ("mem_limti", ": did you mean MEM_LIMIT?"),
        ("something", ", and has none so called"),
        ("mt_dop", " with the value '4'"),
    ],
)
def test_a_query_option_that_was_dropped_is_warned_of(world, option, hint):
    assert [f"the coordinator did not take the query option {option}{hint}"] == warned(
        world, {option: "4"}
    )


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {"option_1": "4"},
        {"DEBUG": ""},
        {"impala.doas.user": "bob"},
        {"set:hiveconf:x": "1"},
    ],
)
def test_what_was_taken_or_is_no_query_option_is_not(world, configuration):
    assert [] == warned(world, configuration)


def test_nor_is_anything_where_the_server_does_not_tell_its_options(world):
    assert [] == warned(world, {"MEM_LIMTI": "2g"}, told={})
