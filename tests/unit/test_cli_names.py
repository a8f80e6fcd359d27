"""Names for completion are read when they are asked for, and what is typed does not wait."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("prompt_toolkit")

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from impala_ha.cli.connect import completion
from impala_ha.cli.connect.completion import SqlCompleter
from impala_ha.cli.connect.credentials import Printed
from impala_ha.cli.connect.names import Names

TABLES = {
    "SHOW DATABASES": ["default", "sales"],
    "SHOW TABLES IN `default`": ["flights", "airports"],
    "SHOW TABLES IN `sales`": ["orders"],
    "DESCRIBE `default`.`flights`": ["origin", "fare"],
    "DESCRIBE `default`.`airports`": ["code"],
    "DESCRIBE `sales`.`orders`": ["amount", "order_id"],
}


@pytest.fixture
def server():
    """What completion connects to."""
    server = SimpleNamespace(asked=[], given={}, going=threading.Event())
    server.going.set()

    def connect(**given):
        server.given = given

        def execute(sql):
            server.going.wait(10)
            server.asked.append(sql)
            server.rows = [(name, "x") for name in TABLES[sql]]

        cursor = SimpleNamespace(execute=execute, fetchmany=lambda most: server.rows[:most])
        return SimpleNamespace(cursor=lambda: cursor, close=lambda: None)

    server.connect = connect
    yield server
    server.going.set()


def names(server, **arguments):
    talk = SimpleNamespace(arguments=arguments, database="default", variables={})
    return Names(talk, server.connect)


def completed(known, text):
    """What follows *text*, whose cursor is at its end or at the bar."""
    before, _, after = text.partition("|")
    document = Document(before + after, len(before))

    async def collect():
        completer = SqlCompleter(known)
        found = completer.get_completions_async(document, CompleteEvent())
        return [each.text async for each in found]

    return asyncio.run(collect())


CASES = [
    ("select * from fl", ["flights"]),
    ("select * from d", ["default"]),
    ("select * from sales.", ["orders"]),
    ("select fa| from flights", ["fare"]),
    ("select f.or| from flights f", ["origin"]),
    ("select o.| from sales.orders o", ["amount", "order_id"]),
    ("select am| from sales.orders", ["amount"]),
    ("use s", ["sales"]),
    ("describe air", ["airports"]),
    ("sel", ["select"]),
    ("SEL", ["SELECT"]),
    ("summ", ["summary"]),
    ("set live_p", ["live_progress"]),
    ("\\d", ["\\d", "\\d+", "\\dt", "\\dv", "\\df", "\\dp", "\\ds"]),
    ("select 1 li", ["like", "limit"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_what_fits_is_what_the_place_wants(text, expected, server):
    assert [each for each in completed(names(server), text) if each in expected] == expected


def test_a_list_is_read_once_until_something_was_changed(server):
    known = names(server)
    completed(known, "select * from f")
    completed(known, "select * from a")
    assert server.asked.count("SHOW TABLES IN `default`") == 1

    known.forget()
    completed(known, "select * from f")
    assert server.asked.count("SHOW TABLES IN `default`") == 2


def test_who_does_not_answer_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(completion, "_PATIENCE", 0.05)
    server.going.clear()

    known = names(server)
    found = completed(known, "select * from fl")

    assert "flights" not in found
    server.going.set()
    assert known.tables().result(10) == ["flights", "airports"]
    assert "flights" in completed(known, "select * from fl")


def test_what_cannot_be_read_is_nothing_and_is_tried_again(server):
    known = names(server)

    assert known.columns("nowhere").result(10) == ()
    assert known.columns("flights").result(10) == ["origin", "fare"]


def test_a_command_for_the_password_is_not_run_for_names(server, tmp_path):
    count = tmp_path / "count"
    password = Printed(f"sh -c 'echo x >> {count}; echo geheim'", "--ldap_password_cmd")

    names(server, password=password).databases().result(10)

    assert server.given["password"] == "geheim"
    assert count.read_text() == "x\n"
