"""Waiting in time for what knows no limit."""

import threading

import pytest

from impala_ha.core.timeouts import is_waiting_for_kdc, run_with_timeout, waiting_for_kdc


@pytest.mark.parametrize("limit", [None, 30.0])
def test_what_ends_in_time_is_returned(limit):
    assert 7 == run_with_timeout(lambda: 7, limit, "work", "late")


def test_what_fails_fails():
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(lambda: 1 / 0, 30, "work", "late")


def test_where_no_thread_can_be_started_it_is_done_all_the_same(monkeypatch):
    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    assert 7 == run_with_timeout(lambda: 7, 30.0, "work", "late")
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(lambda: 1 / 0, 30, "work", "late")


def test_what_takes_longer_is_left_behind(until):
    gate = threading.Event()
    with pytest.raises(TimeoutError, match="late"):
        run_with_timeout(gate.wait, 0.01, "a work of its own", "late")
    (left,) = [thread for thread in threading.enumerate() if thread.name == "a work of its own"]

    assert left.daemon, "no process waits for it"
    gate.set()
    until(lambda: not left.is_alive())


def test_a_thread_is_at_home_until_it_has_what_it_waits_for():
    me = threading.current_thread()
    with waiting_for_kdc():
        assert is_waiting_for_kdc(me)
        assert not is_waiting_for_kdc(threading.Thread())
    assert not is_waiting_for_kdc(me)
