"""How far a statement is, by the method of HiveServer2 that is called."""

from __future__ import annotations

from impala_ha.core.faults import Phase

_STATEMENTS = (
    "ExecuteStatement GetTypeInfo GetCatalogs GetTableTypes GetPrimaryKeys GetCrossReference "
    "GetSchemas GetTables GetColumns GetFunctions"
)
_PHASES = {
    "OpenSession": Phase.OPEN,
    "GetInfo": Phase.PING,
    **dict.fromkeys(_STATEMENTS.split(), Phase.SENT),
    "GetOperationStatus": Phase.RUNNING,
    "GetResultSetMetadata": Phase.FETCH,
    "FetchResults": Phase.FETCH,
}

BEGINNING = frozenset({Phase.OPEN, Phase.SENT})  # what is refused then has left nothing behind


def during(name: str) -> Phase:
    """Once the request of the method *name* has left."""
    return _PHASES.get(name, Phase.CLOSE)


def before(name: str) -> Phase:
    """Before that: only a statement has certainly not run."""
    phase = during(name)
    return Phase.UNSENT if phase is Phase.SENT else phase
