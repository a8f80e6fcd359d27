"""Telling the caller's own time limit from a connection that failed."""

import functools
import signal
import socket
from collections import deque

import pytest
from test_failover import World
from thrift.transport.TTransport import TTransportException

from impala_ha.core.interruption import is_interrupt
from impala_ha.testing.fakes import state


class TimeLimit(Exception):
    """Not one of ours, nor of the system's."""


def raised(function):
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


def signalled(handler):
    """What comes out of a call in which *handler* is called for a signal."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        return raised(lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        # The handler is looked up where the error is caught, so it stays for the test's sake.
        signalled.undo = lambda: signal.signal(signal.SIGUSR1, before)


@pytest.fixture(autouse=True)
def _undo():
    signalled.undo = lambda: None
    yield
    signalled.undo()


def had_enough(*_):
    raise TimeoutError("the caller's limit")


class Watch:
    def had_enough(self, *_):
        raise TimeoutError("the caller's limit")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), TimeLimit()])
def test_what_no_connection_raises_is_the_callers(error):
    assert is_interrupt(error)


@pytest.mark.parametrize(
    "error",
    [TTransportException(), ConnectionResetError(), EOFError(), OverflowError(), KeyError("x")],
)
def test_what_a_connection_raises_is_its_own(error):
    assert not is_interrupt(error)


@pytest.mark.parametrize(
    "handler", [had_enough, Watch().had_enough, functools.partial(had_enough, 1)]
)
def test_a_time_out_out_of_a_signal_handler_is_the_callers(handler):
    assert is_interrupt(signalled(handler))


def test_so_it_is_when_thrift_has_taken_it_for_its_own():
    inner = signalled(had_enough)

    assert is_interrupt(TTransportException(TTransportException.TIMED_OUT, "read timeout", inner))


def test_a_sockets_time_out_is_its_own_though_a_handler_is_there():
    signalled(had_enough)
    one, two = socket.socketpair()
    with one, two:
        one.settimeout(0.001)

        assert not is_interrupt(raised(lambda: one.recv(1)))


@pytest.mark.parametrize("limit", [TimeLimit("enough"), KeyboardInterrupt()])
def test_a_time_limit_ends_the_call_and_its_statement(limit):
    world = World()
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([limit])

    assert raised(lambda: cursor.execute("select 1")) is limit

    assert world.statements() == {"a": ["select 1"]}
    assert world.driver.ended == ["a"]


def test_a_time_limit_that_thrift_has_wrapped_comes_out_as_it_was():
    world = World()
    cursor = world.connect().cursor()
    inner = signalled(had_enough)
    wrapped = TTransportException(TTransportException.TIMED_OUT, "read timeout", inner)
    world["a"].script["ExecuteStatement"] = deque([wrapped])

    assert raised(lambda: cursor.execute("select 1")) is inner

    assert world.statements() == {"a": ["select 1"]}


def test_so_does_one_that_raises_what_thrift_raises_of_garbage():
    def odd(*_):
        raise ValueError("odd")

    world = World()
    cursor = world.connect().cursor()
    limit = signalled(odd)
    world["a"].script["ExecuteStatement"] = deque([limit])

    assert raised(lambda: cursor.execute("select 1")) is limit


def test_a_time_limit_between_two_polls_cancels_on_the_same_connection():
    world = World()
    cursor = world.connect().cursor()

    def enough(_):
        raise TimeLimit

    world.clock.sleep = enough
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")])

    with pytest.raises(TimeLimit):
        cursor.execute("select 1")

    assert world["a"].count("CancelOperation") == 1
