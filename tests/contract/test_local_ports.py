"""One port on many loopback addresses, or many ports on one."""

from __future__ import annotations

import contextlib
import socket

import pytest

from pocket_impala.coordinator import ports


@pytest.fixture
def reserve():
    """Reserve addresses; give them back at the end."""
    with contextlib.ExitStack() as stack:

        def reserve(size, port):
            taken = [stack.enter_context(sock) for sock in ports.reserve(size, port)]
            return [sock.getsockname() for sock in taken]

        yield reserve


@pytest.fixture
def only_one_address(monkeypatch):
    monkeypatch.setattr(ports, "_has_many_addresses", lambda: False)


def test_each_coordinator_has_an_address_and_all_have_one_port(reserve):
    addresses = reserve(3, None)

    assert [host for host, _ in addresses] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert len({port for _, port in addresses}) == 1


@pytest.mark.usefixtures("only_one_address")
def test_where_there_is_one_address_each_has_a_port(reserve):
    addresses = reserve(3, None)

    assert {host for host, _ in addresses} == {"127.0.0.1"}
    assert len({port for _, port in addresses}) == 3


@pytest.mark.usefixtures("only_one_address")
def test_ports_on_one_address_follow_each_other(reserve):
    with thief_above_a_free_port() as thief:
        taken = thief.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot use 127\.0\.0\.1:{taken}"):
            reserve(2, taken - 1)


def thief_above_a_free_port():
    """A socket that listens; other programs of the machine may have the port below."""
    for _ in range(50):
        thief = socket.socket()
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        with socket.socket() as below, contextlib.suppress(OSError):
            below.bind(("127.0.0.1", thief.getsockname()[1] - 1))
            return thief
        thief.close()
    raise AssertionError("no port has a free one below")


@pytest.mark.usefixtures("only_one_address")
def test_ports_end_at_65535(reserve):
    with pytest.raises(OSError, match="there is no port 65536"):
        reserve(2, 65535)


def test_a_reserved_address_refuses_connections_and_can_be_bound_by_its_coordinator(reserve):
    address = reserve(1, None)[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    with ports.bind(*address) as listener:
        listener.listen()
        with socket.create_connection(address, timeout=5) as client:
            assert client.getpeername() == address


def test_what_was_reserved_is_given_back_when_a_later_address_is_taken(reserve):
    with socket.socket() as thief:
        thief.bind(("127.0.0.3", 0))
        port = thief.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot use 127\.0\.0\.3:{port}"):
            reserve(3, port)

    assert reserve(3, port) == [(f"127.0.0.{n}", port) for n in (1, 2, 3)]
