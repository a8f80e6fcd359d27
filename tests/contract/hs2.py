"""A bare HiveServer2 client: one call at a time, nothing retried, nothing hidden."""

from __future__ import annotations

import contextlib

from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Client
from impala._thrift_gen.TCLIService import ttypes as t
from impala.sasl_compat import PureSASLClient
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport
from thrift_sasl import TSaslClientTransport

WAIT_SECONDS = 10


class Socket(TSocket):
    """A socket, under TLS where there is a context; Thrift's own has its own mind about names."""

    def __init__(self, host, port, tls):
        super().__init__(host, port)
        self._tls = tls

    def open(self):
        super().open()
        if self._tls is not None:
            self.setHandle(self._tls.wrap_socket(self.handle, server_hostname=self.host))


class Hs2:
    """One connection to a coordinator, with at most one session."""

    def __init__(
        self,
        coordinator,
        *,
        user=None,
        password="",
        kerberos=None,
        tls=None,
        timeout=WAIT_SECONDS,
    ):
        socket = Socket(coordinator.host, coordinator.port, tls)
        socket.setTimeout(timeout * 1000)
        if kerberos is not None:
            self.transport = TSaslClientTransport(kerberos, "GSSAPI", socket)
        elif user is None:
            self.transport = TBufferedTransport(socket)
        else:
            self.transport = TSaslClientTransport(
                lambda: PureSASLClient(
                    coordinator.host, username=user, password=password, service="impala"
                ),
                "PLAIN",
                socket,
            )
        try:
            self.transport.open()
        except BaseException:
            self.transport.close()
            raise
        self.client = Client(
            TBinaryProtocolAccelerated(self.transport, string_length_limit=2**31 - 1)
        )
        self.session = None

    def close(self):
        self.transport.close()

    def call(self, rpc, **fields):
        module = t if hasattr(t, f"T{rpc}Req") else impala
        return getattr(self.client, rpc)(getattr(module, f"T{rpc}Req")(**fields))

    def open(self, **fields):
        answer = self.call("OpenSession", **fields)
        self.session = answer.sessionHandle
        return answer

    def execute(self, sql, **fields):
        return self.call("ExecuteStatement", sessionHandle=self.session, statement=sql, **fields)

    def run(self, sql, **fields):
        """Execute, and wait for the end; return the operation and its last status."""
        answer = self.execute(sql, **fields)
        assert not answer.status.errorMessage, answer.status.errorMessage
        return answer.operationHandle, self.finish(answer.operationHandle)

    def finish(self, operation):
        while True:
            status = self.call("GetOperationStatus", operationHandle=operation)
            if status.operationState in {
                t.TOperationState.FINISHED_STATE,
                t.TOperationState.ERROR_STATE,
                None,
            }:
                return status

    def fetch(self, operation, rows=100, orientation=t.TFetchOrientation.FETCH_NEXT):
        return self.call(
            "FetchResults", operationHandle=operation, orientation=orientation, maxRows=rows
        )


@contextlib.contextmanager
def hs2(coordinator, **options):
    """Connect, open a session, and hang up at the end."""
    client = Hs2(coordinator, **options)
    try:
        client.open(username="etl")
        yield client
    finally:
        client.close()
