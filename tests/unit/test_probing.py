"""A probe of a silent coordinator has a thread of its own, so that another one can end the wait."""

import threading

import pytest

from impala_ha.hs2.connector import _Probe


@pytest.fixture
def gate():
    """Closed until it is set, and open once the test is over."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_what_it_says_is_told():
    assert "refused" == _Probe(lambda: "refused")()


def test_what_it_raises_is_raised():
    def broken():
        raise LookupError("no password")

    with pytest.raises(LookupError, match="no password"):
        _Probe(broken)()


def test_one_that_is_cut_short_says_nothing(gate):
    begun = threading.Event()

    def silent():
        begun.set()
        gate.wait(30)
        return "too late"

    probe, said = _Probe(silent), []
    thread = threading.Thread(target=lambda: said.append(probe()))
    thread.start()
    assert begun.wait(30)

    probe.cancel()
    thread.join(30)

    assert [""] == said


def test_nor_does_one_that_was_cut_short_before():
    probe = _Probe(lambda: "refused")

    probe.cancel()

    assert "" == probe()


def test_where_no_thread_can_be_started_the_caller_probes(monkeypatch):
    def full(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)

    assert "refused" == _Probe(lambda: "refused")()
