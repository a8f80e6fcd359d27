"""What a signal handler raises reaches the caller, wherever it strikes and whatever it looks like."""

import functools
import signal
import threading

import pytest
from loopback import Answers, Peer, hiveserver2, hiveserver2_over_http

import impala_ha
from impala_ha import errors

pytestmark = pytest.mark.timeout(30)


class Enough(KeyboardInterrupt):
    """A time limit that no `except Exception` is to stop."""


class Handler:
    """An object that can be called, and is no handler any more when it raises."""

    def __init__(self, error):
        self.error = error

    def __call__(self, number, frame):
        del frame
        signal.signal(number, signal.SIG_DFL)
        raise self.error

    def method(self, *_):
        raise self.error

    def handed_on(self, *given):
        return self.method(*given)


def had_enough(error, *_):
    raise error


HANDLERS = {
    "an object": Handler,
    "a method": lambda error: Handler(error).method,
    "a method that calls another": lambda error: Handler(error).handed_on,
    "a partial": lambda error: functools.partial(had_enough, error),
    "a partial of a partial": lambda error: functools.partial(functools.partial(had_enough), error),
    "a partial of an object": lambda error: functools.partial(Handler(error)),
    "a lambda": lambda error: lambda *_: had_enough(error),
}

ERRORS = [
    TimeoutError("enough"),
    TimeoutError("timed out"),
    OSError("enough"),
    ConnectionResetError(104, "Connection reset by peer"),
    EOFError("enough"),
    ValueError("enough"),
    AttributeError("enough"),
    Enough("enough"),
    errors.OperationalError("enough"),
]

PHASES = ["connect", "execute", "poll", "fetch", "end", "next", "close", "leave", "probe"]
RPCS = {
    "connect": "OpenSession",
    "execute": "ExecuteStatement",
    "poll": "GetOperationStatus",
    "fetch": "FetchResults",
    "end": "CloseOperation",
    "next": "CloseOperation",
    "close": "CloseSession",
    "leave": "CloseSession",
    "probe": "GetInfo",
}
WAYS = {
    "binary": {},
    "tls": {"use_ssl": True},
    "sasl": {"auth_mechanism": "PLAIN", "user": "u", "password": "p"},
    "http": {"use_http_transport": True},
}


@pytest.fixture
def strike(monkeypatch):
    """Install a handler; the signal is sent with the result."""
    before = signal.getsignal(signal.SIGUSR1)
    me = threading.get_ident()

    def install(handler):
        signal.signal(signal.SIGUSR1, handler)
        return lambda: signal.pthread_kill(me, signal.SIGUSR1)

    yield install
    signal.signal(signal.SIGUSR1, before)


def walk(phase, arm, options):
    """Open, run, read and close; the handler strikes in *phase*."""

    def at(*phases):
        if phase in phases:
            arm()

    at("connect", "probe")
    connection = impala_ha.connect(**options)
    cursor = connection.cursor()
    at("execute", "poll")
    cursor.execute("select 1")
    at("fetch", "end", "next", "close", "leave")
    if phase == "fetch":
        cursor.fetchall()
    if phase == "next":
        cursor.execute("select 2")
    if phase != "leave":
        cursor.close()
    connection.close()


def told(phase, handler, strike, way="binary", tls=None):
    """What comes out where *handler* is called in the middle of *phase*."""
    answers = Answers()
    options = {"probe_after": 20.0, "hedge_after": 0, "deadline": 5, **WAYS[way]}
    talk = hiveserver2(answers, users={"u": "p"} if way == "sasl" else None)
    if way == "http":
        talk = hiveserver2_over_http(answers)
    if way == "tls":
        options["ca_cert"] = tls.ca
    if phase == "probe":
        options["probe_after"] = 0.05
    send = strike(handler)
    with Peer(talk, tls.here if way == "tls" else None) as peer:
        options |= {"host": peer.coordinator.host, "port": peer.coordinator.port}

        def struck(_):
            send()
            peer.hush(_)

        if phase == "probe":
            answers.server.script["ExecuteStatement"].append(peer.hush)
        with pytest.raises(BaseException) as caught:
            walk(phase, lambda: answers.server.script[RPCS[phase]].append(struck), options)
        runs = answers.server.count("ExecuteStatement")
    assert runs <= 1, "what the caller ended is not run again"
    return caught.value


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", WAYS)
def test_it_reaches_the_caller_from_everywhere(phase, way, strike, tls, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    error = TimeoutError("enough")

    assert error is told(phase, Handler(error), strike, way, tls)


@pytest.mark.parametrize("phase", ["connect", "execute", "close"])
@pytest.mark.parametrize("kind", HANDLERS)
def test_it_reaches_the_caller_from_every_kind_of_handler(phase, kind, strike):
    error = TimeoutError("enough")

    assert error is told(phase, HANDLERS[kind](error), strike)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_it_reaches_the_caller_whatever_it_looks_like(phase, error, strike):
    assert error is told(phase, Handler(error), strike)


def test_a_time_out_of_the_socket_is_none_of_the_handlers(strike):
    """A handler that is there, and was called for nothing, has nothing to do with it."""
    called = []
    send = strike(lambda *_: called.append(1))
    answers = Answers()
    with Peer(hiveserver2(answers)) as peer:
        where = peer.coordinator.host, peer.coordinator.port
        cursor = impala_ha.connect(*where, timeout=0.2, hedge_after=0).cursor()

        def late(_):
            send()
            peer.hush(_)

        answers.server.script["ExecuteStatement"].append(late)
        cursor.execute("select 1")

        assert "read timeout" in cursor.attempts[0].text
        assert [1] == called
        cursor._failover.links.close()
