"""What a session needs to be had elsewhere."""

from types import MappingProxyType

import pytest

from impala_ha.sql.session_state import Session
from impala_ha.sql.statement import Statement


def session(configuration=(), *statements):
    found = Session("etl", MappingProxyType(dict(configuration)))
    for sql in statements:
        found = found.after(Statement.parse(sql))
    return found


def test_a_new_session_is_what_the_caller_asked_for():
    found = session({"use:database": "d", "mem_limit": "1g"})

    assert {"use:database": "d", "mem_limit": "1g"} == found.open_configuration()
    assert [] == list(found.replay())


def test_on_impala_one_call_rebuilds_it():
    found = session({"use:database": "d", "x": "1"}, "use sales", "set MEM_LIMIT=2g")

    assert {"x": "1", "use:database": "sales", "MEM_LIMIT": "2g"} == found.open_configuration()


def test_elsewhere_statements_bring_it_up_to_date():
    found = session({"use:database": "d"}, "use sales", "set hive.x=a b")

    assert ["USE `sales`", "SET hive.x=a b"] == list(found.replay())


def test_only_the_last_value_of_an_option_counts_whatever_its_case():
    found = session({"Mem_Limit": "1g"}, "set mem_limit=2g", "set MEM_LIMIT=3g")

    assert {"MEM_LIMIT": "3g"} == found.open_configuration()
    assert ["SET MEM_LIMIT=3g"] == list(found.replay())


@pytest.mark.parametrize("sql", ["select 1", "insert into t values (1)", "set all"])
def test_other_statements_leave_it_as_it_is(sql):
    before = session({"x": "1"})

    assert before is before.after(Statement.parse(sql))


def test_what_was_is_not_changed():
    """A cursor may still need the session as it was before a statement that failed."""
    before = session({}, "set x=1")

    before.after(Statement.parse("set x=2"))

    assert {"x": "1"} == before.open_configuration()


def test_unset_all_takes_back_every_query_option_and_nothing_else():
    given = {"use:database": "d", "mem_limit": "1g", "impala.doas.user": "other"}

    found = session(given, "use sales", "set x=1", "unset all", "set y=2")

    assert {
        "use:database": "sales",
        "impala.doas.user": "other",
        "y": "2",
    } == found.open_configuration()
