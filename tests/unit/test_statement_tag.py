"""What a write is marked with: one of a kind, and never in the place of a name of the caller's."""

import pytest

from impala_ha.sql.session_state import Session
from impala_ha.sql.statement import Statement
from impala_ha.sql.tag import StatementTag

OFFERED = {"CLIENT_IDENTIFIER": "", "MEM_LIMIT": "0"}
SESSION = Session("etl")


def test_no_two_marks_are_alike():
    assert len({StatementTag(comment=False).tag for _ in range(100)}) == 100


def test_the_mark_is_a_query_option_of_the_statement_alone():
    tag = StatementTag(comment=False)
    overlay = {"MEM_LIMIT": "1g"}

    assert tag.add_to("x", overlay, SESSION, OFFERED) == (
        "x",
        {"MEM_LIMIT": "1g", "CLIENT_IDENTIFIER": tag.tag},
        tag.tag,
    )
    assert overlay == {"MEM_LIMIT": "1g"}


@pytest.mark.parametrize(
    ("overlay", "session", "offered"),
    [
        ({"client_identifier": "mine"}, SESSION, OFFERED),
        (None, SESSION.after(Statement.parse("set client_identifier=mine")), OFFERED),
        (None, SESSION, {"CLIENT_IDENTIFIER": "mine"}),
        (None, SESSION, {}),
    ],
    ids=["statement", "SET", "session", "a server that does not know it"],
)
def test_a_name_of_the_callers_stays(overlay, session, offered):
    assert StatementTag(comment=False).add_to("x", overlay, session, offered) == (
        "x",
        overlay,
        None,
    )


def test_a_comment_is_put_before_the_text_wherever_it_is_wanted():
    tag = StatementTag(comment=True)

    assert tag.add_to("x", None, SESSION, {}) == (f"/* {tag.tag} */ x", None, tag.tag)
