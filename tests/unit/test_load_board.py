"""Who reads the load of a coordinator, when, and what the others know of it."""

import os
import sys

import pytest

from impala_ha.balancing.load_board import (
    EXPIRES,
    INTERVAL,
    REFUSED_FOR,
    UNREADABLE_FOR,
    Due,
    LoadBoard,
)
from impala_ha.balancing.policies import LoadReport
from impala_ha.balancing.readings import Load
from impala_ha.balancing.shared_file import SharedFile
from impala_ha.core.model import Coordinator

A, B = BOTH = [Coordinator(host) for host in "ab"]
NOW = 1000.0


def known(place=None):
    made = LoadBoard(place)
    for coordinator in BOTH:
        made.note_port(coordinator, 25000, NOW)
    return made


def test_nobody_is_read_whose_port_is_not_known():
    made = LoadBoard()
    made.note_port(A, 25001, NOW)

    assert Due(A, 25001) == made.lease(BOTH, NOW)
    assert made.lease(BOTH, NOW) is None


def test_one_reads_and_the_others_go_on():
    made = known()

    assert {A, B} == {made.lease(BOTH, NOW)[0], made.lease(BOTH, NOW)[0]}
    assert made.lease(BOTH, NOW) is None


def test_a_reader_that_never_came_back_is_followed_by_another():
    made = known()
    made.lease([A], NOW)

    assert made.lease([A], NOW + 0.9) is None
    assert Due(A, 25000) == made.lease([A], NOW + 1.1)


def test_what_was_read_is_told_with_its_age():
    made = known()
    made.note(A, Load(16), NOW)

    assert {A: LoadReport(0.25, 2.0, 64)} == made.reports(BOTH, NOW + 2)


def test_it_is_read_again_after_an_interval():
    made = known()
    made.note(A, Load(16), NOW)

    assert made.lease([A], NOW + 0.99 * INTERVAL) is None
    assert made.lease([A], NOW + 1.01 * INTERVAL) is not None


def test_the_threads_of_a_coordinator_are_known_as_long_as_its_load_is():
    made = known()
    made.note(A, Load(16, threads=32), NOW)

    assert Due(A, 25000, 32) == made.lease([A], NOW + 2 * INTERVAL)
    assert Due(A, 25000) == made.lease([A], NOW + EXPIRES + 1)


def test_what_was_read_long_ago_is_not_known():
    made = known()
    made.note(A, Load(16), NOW)

    assert {} == made.reports(BOTH, NOW + EXPIRES + 0.1)


def test_what_cannot_be_read_is_tried_seldom_and_the_last_reading_stays():
    made = known()
    made.note(A, Load(16), NOW)
    made.note(A, None, NOW + 1)

    assert made.lease([A], NOW + 0.99 * UNREADABLE_FOR) is None
    assert made.lease([A], NOW + 1 + 1.01 * UNREADABLE_FOR) is not None
    assert 0.25 == made.reports(BOTH, NOW + 2)[A].load


def test_after_a_refused_login_nobody_is_asked():
    made = known()
    made.refused(BOTH, NOW)

    assert made.lease(BOTH, NOW + REFUSED_FOR - 1) is None
    assert made.lease(BOTH, NOW + REFUSED_FOR + 1) is not None


def test_nor_is_one_that_is_met_later():
    made = LoadBoard()
    made.refused(BOTH, NOW)
    made.note_port(A, 25000, NOW + 1)

    assert made.lease(BOTH, NOW + 2) is None


def test_another_port_is_tried_at_once():
    made = known()
    made.note(A, None, NOW)
    made.note_port(A, 25001, NOW + 1)

    assert Due(A, 25001) == made.lease([A], NOW + 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "impala-ha"


linux = pytest.mark.skipif(sys.platform != "linux", reason="it is for Linux")


@linux
def test_processes_share_readings_and_leases(folder):
    one, other = known(SharedFile()), LoadBoard(SharedFile())
    where, *_ = one.lease(BOTH, NOW)
    (left,) = {A, B} - {where}

    assert Due(left, 25000) == other.lease(BOTH, 7.0), "the clock of the process does not matter"
    one.note(where, Load(16), NOW)
    assert {where: 0.25} == {each: report.load for each, report in other.reports(BOTH, 7.0).items()}
    assert 0 <= other.reports(BOTH, 7.0)[where].age < 60


@linux
def test_health_and_readings_are_in_the_file_side_by_side(folder):
    from impala_ha import CircuitBreaker, Cluster  # noqa: PLC0415
    from impala_ha.core.faults import Fault, Phase  # noqa: PLC0415
    from impala_ha.core.model import Attempt  # noqa: PLC0415

    known(SharedFile()).note(A, Load(16), NOW)
    breaker = CircuitBreaker(ejection=300)
    cluster = Cluster(BOTH, policy="least_loaded", breaker=breaker, share_state=True)
    cluster.report(Attempt("connect", 1, A, 0.1, Fault.UNREACHABLE, Phase.CONNECT))
    other = Cluster(BOTH, policy="least_loaded", breaker=breaker, share_state=True)

    assert {B} == {other.pick() for _ in range(20)}
    assert 0.25 == other.board.reports(BOTH, NOW)[A].load


@linux
@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_nobody_may_write_is_no_reason_not_to_read(folder):
    folder.parent.chmod(0o500)
    try:
        assert known(SharedFile()).lease(BOTH, NOW) is not None
    finally:
        folder.parent.chmod(0o700)
