"""How deep a statement is in our house: what a debugger shows, and what a traceback."""

import runpy
from pathlib import Path

import pytest
from loopback import Answers, Peer, hiveserver2

import impala_ha

FRAMES = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "frames.py"))


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def cursor(answers):
    with Peer(hiveserver2(answers)) as peer:
        connection = impala_ha.connect(peer.coordinator.host, peer.coordinator.port)
        yield connection.cursor()
        connection.close()


def test_from_execute_to_the_socket_are_at_most_fourteen_frames(cursor):
    path = [code.co_name for code in FRAMES["to_socket"](cursor.execute)]

    assert "execute" == path[0]
    assert len(path) <= FRAMES["TO_SOCKET"], path


def test_an_error_of_sql_shows_at_most_three_frames_of_ours(cursor, answers):
    answers.server.script["ExecuteStatement"].append("AnalysisException: no")

    assert len(FRAMES["of_error"](cursor.execute)) <= FRAMES["OF_ERROR"]
