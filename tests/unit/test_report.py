"""What the calls of a connection have cost: what is kept of it, and the file that it goes to."""

import json
import stat

import pytest

from impala_ha import Attempt, Coordinator, Fault, Phase
from impala_ha.failover.attempts import Call, History
from impala_ha.failover.report import Report
from impala_ha.testing.fakes import FakeClock

A, B = Coordinator("a"), Coordinator("b")


@pytest.fixture
def report():
    return Report(FakeClock())


def add(report, times=1):
    """Note calls that failed at A and went on at B."""
    lost = Attempt("fetchall", 1, A, 0.5, Fault.LOST, Phase.FETCH)
    for _ in range(times):
        report.add(Call("fetchall"), History([lost, Attempt("fetchall", 2, B, 0.1)]), None)


def test_entries_are_kept_up_to_a_thousand_and_counted_beyond(report):
    add(report, 1001)

    shown = report.shown()
    assert 1000 == len(shown["failures"])
    assert 1 == shown["left_out"]
    assert {"attempts": 1001, "failed": 1001} == shown["coordinators"]["a:21050"]
    assert {"attempts": 1001, "failed": 0} == shown["coordinators"]["b:21050"]


def test_each_connection_adds_a_line_to_a_file_that_is_its_owners_alone(report, tmp_path):
    path = tmp_path / "report.jsonl"
    add(report)

    report.write(str(path))
    report.write(str(path))

    assert [1, 1] == [json.loads(line)["calls"] for line in path.read_text().splitlines()]
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_cannot_be_written_is_told_and_disturbs_nothing(report, tmp_path, caplog):
    report.write(str(tmp_path / "missing" / "report.jsonl"))

    (record,) = caplog.records
    assert "the report cannot be written to" in record.getMessage()


def test_a_child_process_leaves_the_report_to_its_parent(report, tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: -1)

    report.write(str(tmp_path / "report.jsonl"))

    assert not list(tmp_path.iterdir())
