"""A coordinator that begins to answer and stops, while probes find it alive: through connect()."""

from contextlib import closing

import pytest
from loopback import Answers, Peer, hiveserver2, hiveserver2_over_http

import impala_ha
from impala_ha import OutcomeUnknown
from impala_ha.testing.fakes import state

pytestmark = pytest.mark.timeout(30)


class Faltering:
    """A connection that sends half of the reply to *rpc* once, and nothing after it."""

    def __init__(self, connection, peer, rpc, left):
        self._connection, self._peer = connection, peer
        self._rpc, self._left = rpc.encode(), left

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, data):
        return self._falter(self._connection.send, data)

    def sendall(self, data):
        return self._falter(self._connection.sendall, data)

    def _falter(self, send, data):
        if not self._left or self._rpc not in bytes(data):
            return send(data)
        self._left.pop()
        self._connection.sendall(data[: len(data) * 3 // 4])
        self._peer.gone.wait(20)
        raise EOFError


@pytest.fixture(params=[False, True], ids=["binary", "http"])
def http(request):
    return request.param


@pytest.fixture
def faltering(http):
    """A coordinator that falters once in its reply to an RPC, and a connection to it."""
    opened = []
    answers = Answers()
    answers.server.script["GetOperationStatus"].append(lambda r: state(r, "RUNNING_STATE"))
    speak = (hiveserver2_over_http if http else hiveserver2)(answers)
    left = []

    def talk(connection):
        speak(Faltering(connection, peer, rpc[0], left))

    rpc = [""]
    with Peer(talk) as peer:

        def connect(name):
            rpc[0] = name
            opened.append(
                impala_ha.connect(
                    peer.coordinator.host,
                    peer.coordinator.port,
                    probe_after=0.1,
                    hedge_after=0,
                    use_http_transport=http,
                )
            )
            cursor = opened[-1].cursor()
            left.append(name)
            return cursor

        connect.server = answers.server
        yield connect
        for one in opened:
            one.close()


@pytest.mark.parametrize("rpc", ["GetOperationStatus", "GetResultSetMetadata"])
def test_a_question_is_asked_again_on_a_new_connection(faltering, rpc):
    with closing(faltering(rpc)) as cursor:
        cursor.execute("select 1")

        assert [("one",), ("two",)] == cursor.fetchall()
        assert 1 == faltering.server.count("ExecuteStatement")


def test_a_write_whose_first_answer_stops_is_of_unknown_outcome(faltering):
    cursor = faltering("ExecuteStatement")

    with pytest.raises(OutcomeUnknown, match="broke off"):
        cursor.execute("insert into t values (1)")
    assert 1 == faltering.server.count("ExecuteStatement")
