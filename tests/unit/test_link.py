"""One open connection and its sessions: shared, swept, and closed within a limit."""

import gc
import subprocess
import sys
import time
import weakref

import pytest
from impala._thrift_gen.TCLIService import TCLIService
from loopback import Answers, Peer, hiveserver2
from thrift.transport.TTransport import TTransportException

import impala_ha
from impala_ha import errors
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.hs2.client import ConnectionClosed, _Calling
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def peer(answers):
    with Peer(hiveserver2(answers)) as found:
        yield found


@pytest.fixture
def link(peer):
    found = ImpylaDriver(Options(), SystemClock()).open(peer.coordinator, "etl", {"x": "1"}, 5.0)
    yield found
    found.close()


def test_the_session_that_opening_made_is_for_the_first_who_asks_for_one_like_it(link, answers):
    one = link.session("etl", {"x": "1"})
    two = link.session("etl", {"x": "1"})

    assert one is not two
    assert 2 == answers.server.count("OpenSession")


@pytest.mark.parametrize(("user", "configuration"), [("etl", {"x": "2"}), ("web", {"x": "1"})])
def test_who_asks_for_another_session_leaves_it_for_the_next(link, answers, user, configuration):
    link.session(user, configuration)
    assert 2 == answers.server.count("OpenSession")

    link.session("etl", {"x": "1"})

    assert 2 == answers.server.count("OpenSession")


def test_opening_one_more_session_has_the_limit_of_opening_though_the_server_is_alive(
    peer, answers
):
    options = Options(connect_timeout=0.2, probe_after=0.05)
    link = ImpylaDriver(options, SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
    link.client.transport.probe = str
    answers.server.script["OpenSession"].append(peer.hush)

    with pytest.raises(CallFailed) as caught:
        link.session("web", {})

    assert Phase.OPEN is caught.value.phase
    link.close()


def test_a_session_that_was_ended_is_closed_on_the_server_once(link, answers):
    session = link.session("etl", {"x": "1"})
    link.close_session(session)
    link.close_session(session)

    assert 1 == answers.server.count("CloseSession")
    assert {} == answers.server.sessions


def test_a_session_that_was_dropped_is_closed_at_the_next_opportunity(link, answers):
    """Dropping does no I/O: garbage collection may do it, in any thread, in mid-call."""
    link.close_later(link.session("etl", {"x": "1"}))
    assert 0 == answers.server.count("CloseSession")

    link.check()

    assert 1 == answers.server.count("CloseSession")


def test_a_session_that_cannot_be_ended_is_ended_with_the_link(link, answers):
    session = link.session("etl", {"x": "1"})
    answers.server.script["CloseSession"].append("not now")
    with pytest.raises(errors.Error):
        link.close_session(session)

    link.close()

    assert {} == answers.server.sessions


def test_a_session_that_was_forgotten_is_left_alone(link, answers):
    """Ending it would end the statement that runs in it."""
    link.release(link.session("etl", {"x": "1"}))

    link.close()

    assert 0 == answers.server.count("CloseSession")


def test_closing_ends_all_sessions_and_the_socket(link, answers):
    link.session("etl", {"x": "2"})

    link.close()
    link.close()

    assert {} == answers.server.sessions
    assert isinstance(link.client.broken, ConnectionClosed)
    assert None is link.client.transport.handle


def test_a_link_that_nobody_holds_closes_its_sessions(peer, answers):
    found = ImpylaDriver(Options(), SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
    gone = weakref.ref(found)
    del found
    gc.collect()

    assert None is gone()
    assert {} == answers.server.sessions


def test_closing_the_sessions_of_a_silent_server_ends(link, peer, answers):
    answers.server.script["CloseSession"].append(peer.hush)

    link.close()

    assert None is link.client.transport.handle


def test_links_share_the_time_for_closing_at_the_end_of_the_program(peer, answers):
    """A coordinator that hangs must not cost each of its links that time, nor others their word."""
    program = """
import sys
from impala_ha.core.clock import SystemClock
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.core.model import Coordinator
from impala_ha.options.options import Options

ports = [*sys.argv[2:], *[sys.argv[1]] * 20, *sys.argv[2:]]
driver = ImpylaDriver(Options(), SystemClock())
links = [driver.open(Coordinator("127.0.0.1", int(port)), "etl", {}, 5.0) for port in ports]
"""
    well = Answers()
    answers.server.script["CloseSession"].extend([peer.hush] * 20)
    with Peer(hiveserver2(well)) as other:
        ports = [str(peer.coordinator.port), str(other.coordinator.port)]
        subprocess.run([sys.executable, "-c", program, *ports], check=True, timeout=20)

    assert (20, 2) == (answers.server.count("OpenSession"), well.server.count("OpenSession"))
    assert {} == well.server.sessions


def test_closing_a_connection_has_one_limit_for_all_of_its_links(peer, answers):
    connection = impala_ha.connect(peer.coordinator.host, peer.coordinator.port, hedge_after=0)
    place = connection._failover.links
    links = [place.current]
    for _ in range(9):
        place.detach(place.current)
        connection.cursor()
        links.append(place.current)
    answers.server.script["CloseSession"].extend([peer.hush] * 10)

    start = time.monotonic()
    connection.close()

    assert time.monotonic() - start < 10, "ten times two seconds are a hang"
    assert all(link.broken for link in links)


def test_a_link_in_mid_call_is_cut_without_a_word(link, answers):
    """CloseSession in the middle of a request would be nonsense to the server."""
    with link.client._alone("GetInfo"), _Calling(link.client, "GetInfo"):
        link.close()

    assert 0 == answers.server.count("CloseSession")
    assert link.broken
    assert link.client.transport.handle is None


def test_a_connection_that_is_in_order_passes_the_check(link):
    link.check()

    assert not link.broken


def test_a_server_that_went_is_found_out_before_anything_is_sent(answers, until):
    with Peer(hiveserver2(answers)) as peer:
        link = ImpylaDriver(Options(), SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
    until(link.client.transport.dropped)

    with pytest.raises(CallFailed, match="read 0 bytes|reset") as caught:
        link.check()

    assert Phase.UNSENT is caught.value.phase
    assert link.broken
    link.close()


def test_hives_sessions_end_with_their_connection_and_are_not_looked_for_again():
    answers = Answers()
    answers.server.impala = False
    with Peer(hiveserver2(answers, processor=TCLIService.Processor)) as peer:
        link = ImpylaDriver(Options(), SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
        link.client.invalidate(ConnectionResetError("gone"))

        assert not link.usable()
        assert 1 == peer.accepted
        link.close()


def test_what_is_done_within_a_limit_ends_by_it(link, peer, answers):
    answers.server.script["GetInfo"].append(peer.hush)
    session = link.session("etl", {"x": "1"})

    with pytest.raises(CallFailed, match="timeout") as caught, link.deadline(0.1):
        session.ping()

    assert TTransportException.TIMED_OUT == caught.value.__cause__.type
    assert None is link.client.transport.deadline


def test_a_sweep_that_meets_a_broken_connection_leaves_it_to_the_next_call(link, answers):
    one, two = link.session("etl", {"x": "1"}), link.session("etl", {"x": "2"})
    answers.server.script["CloseSession"].append(TTransportException(4, "cut"))
    link.close_later(one)
    link.close_later(two)

    link.check()

    assert not link.broken, "it was made anew"
    assert link.phase is not None
