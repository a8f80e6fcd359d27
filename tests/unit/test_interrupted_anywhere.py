"""Ctrl-C before any line of ours: nothing runs twice, nothing is left, and the cursor goes on."""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from test_failover import World
from test_flights import WAITS, offer

import impala_ha
from impala_ha import errors

OURS = str(Path(impala_ha.__file__).parent)
PACKAGES = ("dbapi", "hs2")  # where a call has something to lose
READ, WRITE, LATER = "select 1", "insert into t values (1)", "insert into t values (2)"
ROWS = [("one",), ("two",)]


class Interruption:
    """
    Raises KeyboardInterrupt before a line of ours, the *number*-th that is run.

    Not before a `try`, nor where a `with` is met once more as its block is left: these raise outside
    of their own block, and no signal handler can run there.

    Attributes:
        where: That line; None before.
    """

    def __init__(self, number):
        self._left = number
        self._lines = {}
        self.where = None

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._call)

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _call(self, frame, event, _):
        place = frame.f_code.co_filename
        self._lines.pop(id(frame), None)  # of one that is gone
        ours = place.startswith(tuple(f"{OURS}/{name}/" for name in PACKAGES))
        return self._line if event == "call" and ours else None

    def _line(self, frame, event, _):
        if event != "line" or self.where is not None:
            return self._line
        code, line = frame.f_code, frame.f_lineno
        before, self._lines[id(frame)] = self._lines.get(id(frame), 0), line
        text = linecache.getline(code.co_filename, line).strip()
        if text == "try:" or (text.startswith("with ") and before >= line):
            return self._line
        self._left -= 1
        if not self._left:
            self.where = f"{Path(code.co_filename).name}:{line} in {code.co_name}"
            raise KeyboardInterrupt
        return self._line


def read(_, cursor):
    cursor.execute(READ)
    cursor.fetchall()


def read_some(_, cursor):
    cursor.execute(READ)
    cursor.fetchone()
    cursor.execute("select 2")


def write(_, cursor):
    cursor.execute(WRITE)


def write_in_two_calls(_, cursor):
    cursor.execute_async(WRITE)
    cursor.finish()


def describe(_, cursor):
    cursor.get_tables()
    cursor.fetchall()


def close(_, cursor):
    cursor.execute(READ)
    cursor.close()


def interrupted(work, number):
    """What is wrong after an interruption of *work*; None: it ended before."""
    world = World()
    world.driver.revives = True
    offer(world["a"], WAITS)
    cursor = world.connect().cursor()
    interruption = Interruption(number)
    with suppress(KeyboardInterrupt), interruption:
        work(world, cursor)
    if interruption.where is None:
        return None
    wrong = [] if work is close else list(_later(world, cursor))
    cursor.close()
    world.failover.links.close()
    del cursor
    wrong += [
        f"{text} ran {times} times"
        for text, times in Counter(world["a"].statements()).items()
        if times > 1 and text.startswith("insert")
    ]
    if world["a"].sessions:
        wrong.append("a session is left")
    return [f"{interruption.where}: {each}" for each in wrong]


def _later(world, cursor):
    """What is wrong with the same cursor later."""
    sent = len(world["a"].statements())
    try:
        cursor.fetchall()
    except errors.Error:
        pass
    except Exception as error:  # noqa: BLE001 - it is told where that came from
        yield f"fetchall raised {error!r}"
    yield from (
        f"a fetch sent {text}"
        for text in world["a"].statements()[sent:]
        if text.startswith("insert")
    )
    try:
        cursor.execute(LATER)
        cursor.execute("select 3")
        if cursor.fetchall() != ROWS:
            yield "wrong rows"
    except Exception as error:  # noqa: BLE001 - it is told where that came from
        yield repr(error)


@pytest.mark.slow(14)
@pytest.mark.parametrize("work", [read, read_some, write, write_in_two_calls, describe, close])
def test_the_cursor_goes_on_and_nothing_is_left(work):
    wrong, number = [], 1
    while (found := interrupted(work, number)) is not None:
        wrong += found
        number += 1

    assert [] == wrong
    assert number > 100, "lines were found"


def test_the_garbage_collector_is_left_alone(monkeypatch):
    """It is the whole program's: of two threads, one would switch it on and one off again."""
    touched = []
    for name in ("disable", "enable"):
        monkeypatch.setattr(f"gc.{name}", lambda name=name: touched.append(name))
    cursor = World().connect().cursor()
    cursor.execute(READ)

    assert ROWS == cursor.fetchall()
    assert [] == touched
