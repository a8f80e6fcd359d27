"""What a caller's own code raises (handlers, policies, functions) does not hide what happened."""

import logging
import os
import signal
import sys
from collections import deque
from contextlib import suppress

import pytest
from test_failover import World, lost

import impala_ha.core.logs
from impala_ha import Cluster, Coordinator, errors
from impala_ha.testing.fakes import FakeClock, FakeDriver, failover

WRITE = "insert into t values (1)"


class Broken(logging.Handler):
    """Raises where `logging` expects it to catch."""

    def emit(self, record):
        raise RuntimeError("the disk is full")


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setattr(impala_ha.core.logs, "_shown", False)
    handler, logger = Broken(), logging.getLogger("impala_ha")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def world():
    return World()


@pytest.mark.usefixtures("broken")
def test_a_handler_that_raises_does_not_hide_that_a_write_was_lost(world, capfd):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute(WRITE)

    assert 1 == capfd.readouterr().err.count("RuntimeError: the disk is full")


@pytest.mark.usefixtures("broken")
def test_nor_does_it_make_an_error_of_what_went_well(world):
    cursor = world.connect().cursor()

    cursor.execute(WRITE)

    assert [WRITE] == world["a"].statements()


@pytest.mark.usefixtures("broken")
def test_no_standard_error_is_no_error(world, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    world.connect().cursor().execute("select 1")


@pytest.mark.usefixtures("broken")
def test_nor_is_one_that_nobody_reads(world, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with suppress(BrokenPipeError), os.fdopen(write, "w", buffering=1) as unread:
        monkeypatch.setattr(sys, "stderr", unread)

        world.connect().cursor().execute("select 1")

    assert ["select 1"] == world["a"].statements()


def test_a_signal_that_comes_while_a_record_is_written_ends_the_call(world, monkeypatch):
    def alarm(*_):
        raise TimeoutError("enough")

    class Slow(logging.Handler):
        def emit(self, _):
            os.kill(os.getpid(), signal.SIGUSR1)

    logger, before = logging.getLogger("impala_ha"), signal.signal(signal.SIGUSR1, alarm)
    monkeypatch.setattr(logger, "handlers", [Slow()])
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()
    try:
        with pytest.raises(TimeoutError, match="enough"):
            world.connect()
    finally:
        signal.signal(signal.SIGUSR1, before)
        monkeypatch.undo()
        logger.manager._clear_cache()


class Policy:
    """Raises, or returns something wrong, from its second pick on."""

    def __init__(self, then):
        self.then = then
        self.picks = 0

    def choose(self, candidates):
        self.picks += 1
        if self.picks == 1:
            return candidates[0]
        return self.then(candidates)


def chosen_by(policy):
    world = World()
    world.clock, world.driver = FakeClock(), FakeDriver()
    world.cluster = Cluster([Coordinator(h) for h in "abc"], policy=policy, clock=world.clock)
    world.failover = failover(world.cluster, world.driver)
    return world


def boom(_):
    raise RuntimeError("my policy is wrong")


def test_what_a_policy_raises_is_raised_as_it_is_and_at_once():
    policy = Policy(boom)
    world = chosen_by(policy)
    world["a"].down = True

    with pytest.raises(RuntimeError, match="my policy is wrong"):
        world.connect()

    assert 2 == policy.picks


def test_at_the_first_pick_too():
    policy = Policy(boom)
    policy.picks = 1

    with pytest.raises(RuntimeError, match="my policy is wrong"):
        chosen_by(policy).connect()

    assert 2 == policy.picks


def test_it_does_not_hide_that_a_write_may_have_run():
    world = chosen_by(Policy(boom))
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])

    with pytest.raises(errors.OutcomeUnknown, match="RuntimeError: my policy is wrong") as caught:
        cursor.execute("drop table if exists t")

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.session_id


@pytest.mark.parametrize("wrong", [None, "a", 7, Coordinator("a")])
def test_a_policy_must_choose_one_of_those_it_is_given(wrong):
    policy = Policy(lambda _: wrong)
    policy.picks = 1

    with pytest.raises(errors.ProgrammingError, match="must choose one of the candidates"):
        chosen_by(policy).connect()


@pytest.mark.timeout(10)
def test_a_policy_may_ask_how_everyone_is():
    def choose(candidates):
        assert 3 == len(world.cluster.snapshot())
        return candidates[-1]

    policy = Policy(choose)
    policy.picks = 1
    world = chosen_by(policy)

    world.connect()

    assert ["c"] == world.driver.opened


def test_an_error_before_the_first_attempt_is_raised_as_it_is(world, monkeypatch):
    """No file can be opened any more, or the package's files were replaced under the program."""

    def no_file(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(world.failover.opener, "open", no_file)

    with pytest.raises(OSError, match="Too many open files"):
        world.connect()


def test_a_late_import_that_fails_hides_nothing(monkeypatch):
    """What is imported when something failed may be gone by then."""
    world = World()
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])
    for name in ("hs2.hints", "failover.outcome", "failover.outcome_sources"):
        monkeypatch.setitem(sys.modules, f"impala_ha.{name}", None)

    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(WRITE)

    assert errors.Outcome.UNKNOWN is caught.value.resolve(1.0)


def test_a_callers_function_that_fails_in_the_fence_hides_nothing(world, monkeypatch):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])

    def no_password(*_):
        raise RuntimeError("the vault is sealed")

    monkeypatch.setattr(world.driver, "end_session", no_password)

    with pytest.raises(errors.OutcomeUnknown):
        cursor.execute("drop table if exists t")
