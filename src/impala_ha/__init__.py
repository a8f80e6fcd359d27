"""
Connect to several Apache Impala coordinators: balanced, with failover, without a proxy.

>>> import impala_ha
>>> connection = impala_ha.connect("coord1,coord2,coord3")  # doctest: +SKIP
"""

from . import errors
from . import events as events
from . import policies as policies
from .balancing.circuit_breaker import CircuitBreaker, State
from .balancing.cluster import Cluster
from .core.faults import Fault, Phase
from .core.model import Attempt, Coordinator
from .dbapi import (
    BINARY,
    DATE,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Connection,
    Cursor,
    Date,
    DateFromTicks,
    DictCursor,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    apilevel,
    connect,
    paramstyle,
    threadsafety,
)
from .dbapi.patching import patch, unpatch
from .errors import (
    AuthenticationFailed,
    ConfigurationError,
    CoordinatorLost,
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NoCoordinatorLeft,
    NotSupportedError,
    OperationalError,
    Outcome,
    OutcomeUnknown,
    ProgrammingError,
    ResultLost,
    Warning,  # noqa: A004 - PEP 249 calls it so
)
from .failover.retry import Retry

__version__ = "0.1.0"

__all__ = [
    "BINARY",
    "DATE",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Attempt",
    "AuthenticationFailed",
    "Binary",
    "CircuitBreaker",
    "Cluster",
    "ConfigurationError",
    "Connection",
    "Coordinator",
    "CoordinatorLost",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "DictCursor",
    "Error",
    "Fault",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NoCoordinatorLeft",
    "NotSupportedError",
    "OperationalError",
    "Outcome",
    "OutcomeUnknown",
    "Phase",
    "ProgrammingError",
    "ResultLost",
    "Retry",
    "State",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "__version__",
    "apilevel",
    "connect",
    "errors",
    "paramstyle",
    "patch",
    "threadsafety",
    "unpatch",
]


def __dir__() -> list[str]:
    return [*__all__, "dbapi", "events", "policies"]


for _public in (Attempt, CircuitBreaker, Coordinator, Fault, Phase, Retry, State):
    _public.__module__ = __name__  # where to import them from, as messages show it
