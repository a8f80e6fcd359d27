"""A bare client of HiveServer2 over HTTP: one call at a time on one connection, nothing retried."""

from __future__ import annotations

import base64
import http.client

import pytest
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client
from impala._thrift_gen.TCLIService import ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

WAIT_SECONDS = 10


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, answer, body):
        super().__init__(f"{answer.status} {answer.reason}")
        self.answer = answer
        self.status = answer.status
        self.body = body


class Http:
    """One kept connection to a coordinator's HTTP port, with at most one session."""

    def __init__(
        self, coordinator, path="/cliservice", *, user=None, password="", headers=None, context=None
    ):
        address = (coordinator.host, coordinator.http_port)
        if context is None:
            self.connection = http.client.HTTPConnection(*address, timeout=WAIT_SECONDS)
        else:
            self.connection = http.client.HTTPSConnection(
                *address, timeout=WAIT_SECONDS, context=context
            )
        self.path = path
        self.headers = dict(headers or {})
        if user is not None:
            self.headers |= basic(user, password)
        self.session = None
        self.answer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def call(self, rpc, **fields):
        module = t if hasattr(t, f"T{rpc}Req") else impala
        request = getattr(module, f"T{rpc}Req")(**fields)
        self.connection.request("POST", self.path, message(rpc, request), self.headers)
        self.answer = self.connection.getresponse()
        body = self.answer.read()
        if self.answer.status != 200:
            raise Refused(self.answer, body)
        return decoded(rpc, body)

    def open(self, **fields):
        answer = self.call("OpenSession", **fields)
        assert not answer.status.errorMessage, answer.status.errorMessage
        self.session = answer.sessionHandle
        return answer

    def execute(self, sql):
        return self.call("ExecuteStatement", sessionHandle=self.session, statement=sql)

    def run(self, sql):
        """Execute, wait for the end, and return the operation."""
        answer = self.execute(sql)
        assert not answer.status.errorMessage, answer.status.errorMessage
        while True:
            status = self.call("GetOperationStatus", operationHandle=answer.operationHandle)
            if status.operationState == t.TOperationState.FINISHED_STATE:
                return answer.operationHandle
            assert status.operationState != t.TOperationState.ERROR_STATE, status.errorMessage

    def fetch(self, operation, rows=100):
        orientation = t.TFetchOrientation.FETCH_NEXT
        return self.call(
            "FetchResults", operationHandle=operation, orientation=orientation, maxRows=rows
        )


def message(rpc, request):
    """One call, as bytes."""
    buffer = TMemoryBuffer()
    getattr(Client(TBinaryProtocol(buffer)), f"send_{rpc}")(request)
    return buffer.getvalue()


def decoded(rpc, body):
    """The answer to a call."""
    return getattr(Client(TBinaryProtocol(TMemoryBuffer(body))), f"recv_{rpc}")()


def read_answer(sock, rpc):
    """Read one answer from a socket."""
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    assert answer.status == 200
    return decoded(rpc, answer.read())


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def refusal(coordinator, headers):
    """What a request with *headers* is refused with: the answer's own headers."""
    with Http(coordinator, headers=headers) as client, pytest.raises(Refused) as caught:
        client.open()
    assert caught.value.status == 401
    assert caught.value.body == b""
    told = list(caught.value.answer.headers.items())
    assert ("Connection", "close") in told
    return [(name, value) for name, value in told if name not in {"Date", "Connection"}]


def cookie_of(answer):
    """The cookie that an answer gives."""
    return answer.headers["Set-Cookie"].partition(";")[0]


def user_of(client):
    operation = client.run("SELECT effective_user()")
    return client.fetch(operation).results.columns[0].stringVal.values[0].decode()
