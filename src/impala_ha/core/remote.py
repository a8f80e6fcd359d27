"""
What is on the other end, as the types that impyla does not have: service, session, operation, rows.

Each protocol has what this library uses of impyla's object, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

#: One row; what its cells are, the statement says.
Row: TypeAlias = tuple[Any, ...]
#: PEP 249: name, type, display size, internal size, precision, scale, null_ok.
ColumnDescription: TypeAlias = tuple[str, str, None, None, int | None, int | None, bool | None]
Schema: TypeAlias = list[ColumnDescription]


class Identifier(Protocol):
    """HiveServer2's THandleIdentifier."""

    guid: bytes
    secret: bytes


class SessionHandle(Protocol):
    """HiveServer2's TSessionHandle."""

    sessionId: Identifier


class OperationHandle(Protocol):
    """HiveServer2's TOperationHandle."""

    operationId: Identifier


class RemoteStatus(Protocol):
    """An answer to GetOperationStatus."""

    operationState: int
    errorMessage: str | None
    hasResultSet: bool | None


class Rows(Protocol):
    """impyla's Batch: rows that came with one answer to FetchResults."""

    expect_more_rows: bool

    def __len__(self) -> int: ...
    def pop(self) -> Row: ...
    def pop_many(self, n: int) -> list[Row]: ...


class RemoteOperation(Protocol):
    """impyla's Operation: a statement on its coordinator."""

    @property
    def handle(self) -> OperationHandle: ...
    @property
    def has_result_set(self) -> bool: ...
    @property
    def complete(self) -> bool: ...
    @property
    def batch_rows(self) -> int: ...

    writes: bool

    @property
    def is_columnar(self) -> bool: ...
    @property
    def closing(self) -> bool: ...
    def close_ahead(self) -> bool: ...
    def get_log(self) -> str: ...
    def ask_ahead(self, *names: str, max_rows: int = 0) -> None: ...
    def settle(self) -> None: ...
    def status_by_rows(self) -> RemoteStatus | None: ...
    @property
    def all_ahead(self) -> bool: ...
    def get_state(self) -> RemoteStatus: ...
    def fetch(self, schema: Schema | None = None, max_rows: int = 1024, **how: bool) -> Rows: ...
    def get_profile(self, profile_format: int = 0, *, failed: bool = False) -> object: ...
    def get_summary(self, *, failed: bool = False) -> object: ...
    def cancel(self) -> object: ...
    def close(self) -> object: ...


class RemoteSession(Protocol):
    """impyla's HS2Session: what a cursor's statements run in."""

    @property
    def handle(self) -> SessionHandle: ...
    @property
    def config(self) -> Mapping[str, str] | None: ...
    def execute(
        self,
        statement: str,
        configuration: Mapping[str, object] | None = None,
        run_async: bool = False,
    ) -> RemoteOperation: ...
    def get_info(self) -> None: ...
    def ping(self) -> bool: ...
    def close(self) -> None: ...


class RemoteService(Protocol):
    """impyla's HS2Service: HiveServer2's calls on one connection."""

    def open_session(
        self, user: str, configuration: Mapping[str, str] | None = None
    ) -> RemoteSession: ...
    def close(self) -> None: ...
