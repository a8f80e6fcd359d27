"""Several coordinators behind one address: one that does not know a session shows nothing of it."""

import select
import socket
from contextlib import suppress

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from loopback import Answers, Peer, hiveserver2

import impala_ha
from impala_ha import errors
from impala_ha.testing.fakes import FakeCoordinator

pytestmark = pytest.mark.timeout(30)

WRITE = "insert overwrite t values (1)"


class Coordinator(FakeCoordinator):
    """One that says of a session or statement of another one that there is none."""

    def _CloseSession(self, request):  # noqa: N802 - HiveServer2 names it so
        if request.sessionHandle.sessionId.guid not in self.sessions:
            return hs2.TCloseSessionResp(status=refusal("Invalid session id: 1:2\n"))
        return super()._CloseSession(request)

    def _GetOperationStatus(self, request):  # noqa: N802 - HiveServer2 names it so
        if request.operationHandle.operationId.guid not in self.results:
            text = "Invalid or unknown query handle: 1:2.\n"
            return hs2.TGetOperationStatusResp(status=refusal(text))
        return super()._GetOperationStatus(request)


def refusal(text):
    return hs2.TStatus(statusCode=hs2.TStatusCode.ERROR_STATUS, errorMessage=text)


class Balancer:
    """The `talk` of a proxy, which leads the first client to the first peer, all to the last."""

    def __init__(self, *peers):
        self._peers = list(peers)
        self.first = None

    def __call__(self, client):
        peer = self._peers.pop(0) if len(self._peers) > 1 else self._peers[0]
        where = peer.coordinator.host, peer.coordinator.port
        self.first = self.first or client
        with socket.create_connection(where) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    if not (data := ready.recv(65536)):
                        return
                    (server if ready is client else client).sendall(data)

    def cut(self, _):
        """Break the first client's connection."""
        with suppress(OSError):
            self.first.shutdown(socket.SHUT_RDWR)


def answers(name):
    found = Answers()
    found.server = Coordinator(name)
    return found


@pytest.mark.parametrize("others", [["a", "b"], ["a"]], ids=["another one", "the same"])
def test_a_write_is_repeated_only_where_its_own_coordinator_has_forgotten_it(others):
    known = {name: answers(name) for name in others}
    elsewhere = answers("c")
    with (
        Peer(hiveserver2(known["a"])) as a,
        Peer(hiveserver2(known[others[-1]])) as last,
        Peer(hiveserver2(elsewhere)) as c,
        Peer(balancer := Balancer(a, last)) as proxy,
    ):
        hosts = f"{proxy.coordinator},{c.coordinator}"
        cursor = impala_ha.connect(hosts, policy="ordered", hedge_after=0, timeout=5).cursor()
        server = known["a"].server

        def forget(_):
            if len(others) == 1:  # it was started anew, perhaps
                server.sessions.clear()
                server.results.clear()
            balancer.cut(_)

        server.script["GetOperationStatus"].append(forget)
        try:
            cursor.execute(WRITE)
        except errors.OutcomeUnknown:
            done = False
        else:
            done = True

    ran = [each.server.statements() for each in (*known.values(), elsewhere)]
    assert (len(others) == 1) is done
    assert (2 if done else 1) == sum(map(len, ran)), ran
