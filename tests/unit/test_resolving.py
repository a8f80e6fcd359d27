"""Looking up a name has the same limit as connecting, though the system's resolver has none."""

import socket
import threading

import pytest
from thrift.transport.TTransport import TTransportException

from impala_ha.core.clock import SystemClock
from impala_ha.net.sockets import Socket


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def resolver(monkeypatch):
    """The system's resolver, in the hands of the test: the C library has no other way in."""
    answers = {}

    def look_up(host, port, *_):
        answer = answers[host]
        if isinstance(answer, threading.Event):
            answer.wait(30)
            raise socket.gaierror(socket.EAI_NONAME, "too late")
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answer]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


def opened(host, port, limit=30.0):
    wire = Socket(host, port, SystemClock())
    if limit is not None:
        wire.set_deadline(limit)
    try:
        wire.open()
        return wire.handle.getpeername()
    finally:
        wire.close()


def test_a_name_leads_to_its_address(resolver, listener):
    resolver["coord"] = ["127.0.0.1"]

    assert opened("coord", listener) == ("127.0.0.1", listener)


def test_all_addresses_of_a_name_are_tried(resolver, listener):
    resolver["coord"] = ["127.0.0.3", "127.0.0.1"]

    assert opened("coord", listener) == ("127.0.0.1", listener)


def test_a_name_nobody_knows_is_reported(resolver):
    resolver["nobody"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(TTransportException, match="failed to resolve sockaddr for nobody:21050"):
        opened("nobody", 21050)


def test_a_resolver_that_does_not_answer_is_not_waited_for(resolver):
    silent = resolver["silent"] = threading.Event()

    with pytest.raises(TTransportException, match="the name service did not answer in time"):
        opened("silent", 21050, limit=0.05)

    silent.set()


@pytest.mark.parametrize("limit", [None, 30.0])
def test_an_address_needs_no_thread(resolver, listener, limit):
    resolver["127.0.0.1"] = ["127.0.0.1"]
    before = set(threading.enumerate())

    opened("127.0.0.1", listener, limit)

    assert set(threading.enumerate()) <= before


def test_an_address_of_the_sixth_version_is_one(resolver):
    resolver["::1"] = ["127.0.0.1"]

    with pytest.raises(TTransportException, match="Could not connect to any of"):
        opened("::1", 1)
