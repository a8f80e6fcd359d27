"""What the coordinator's web page says, field for field as Impala's ``?json`` pages do.

Only what a client can make use of: who is there, who drains, which sessions and queries there are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pocket_impala.coordinator.archive import REMEMBERED, SHOWN
from pocket_impala.coordinator.flags import Flags
from pocket_impala.coordinator.impalad import duration, krpc_address
from pocket_impala.coordinator.records import record_of
from pocket_impala.coordinator.registry import idle_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pocket_impala.coordinator.frontend import Frontend
    from pocket_impala.coordinator.impalad import Impalad
    from pocket_impala.coordinator.records import Record
    from pocket_impala.coordinator.registry import Session

_MILLISECONDS, _SECONDS = "milliseconds", "seconds"


@dataclass(frozen=True, slots=True)
class Backend:
    """A coordinator as its peers know it.

    Attributes:
        host: Its loopback address.
        web_address: ``"host:port"`` of its web page.
        draining: Whether it is being shut down.
    """

    host: str
    web_address: str
    draining: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one coordinator.

    Attributes:
        impalad: The coordinator.
        backends: Asks who is in the cluster.
        ports: Where it listens, by the flag that says so.
        frontends: What accepts connections, by the name that Impala's metrics have for it.
        began: When the coordinator started.
        redact: Makes of a text what may be shown.
    """

    impalad: Impalad
    backends: Callable[[], Sequence[Backend]]
    ports: Mapping[str, int]
    frontends: Mapping[str, Frontend]
    began: datetime = field(default_factory=datetime.now)
    redact: Callable[[str], str] = str

    def root(self) -> dict[str, Any]:
        """``/``: what this process is."""
        page: dict[str, Any] = {
            "version": self.impalad.version,
            "process_start_time": self._began(),
            "impala_server_mode": True,
            "is_coordinator": True,
            "is_executor": True,
            "use_local_catalog": False,
            "is_quiescing": self.impalad.faults.draining_since is not None,
        }
        if page["is_quiescing"]:
            page["shutdown_status"] = self.impalad.shutdown_status()
        return page

    def backends_page(self) -> dict[str, Any]:
        """``/backends``: who is in the cluster."""
        found = self.backends()
        draining = sum(backend.draining for backend in found)
        page: dict[str, Any] = {
            "backends": [self._backend(backend) for backend in found],
            "num_active_backends": len(found) - draining,
        }
        if draining:
            page["num_quiescing_backends"] = draining
        return page

    def varz(self) -> dict[str, Any]:
        """``/varz``: the start-up flags."""
        defaults = {"hs2_port": 21050} | {each.name: each.default for each in fields(Flags)}
        current = defaults | asdict(self.impalad.flags) | dict(self.ports)
        return {
            "flags": [
                {
                    "name": name,
                    "type": "int32" if isinstance(value, int) else "string",
                    "default": str(defaults[name]),
                    "current": str(value),
                    "experimental": False,
                }
                for name, value in sorted(current.items())
            ]
        }

    def metrics(self) -> dict[str, Any]:
        """``/jsonmetrics``: numbers by name."""
        page: dict[str, Any] = {
            "impala-server.ready": True,
            "impala-server.num-open-hiveserver2-sessions": len(self.impalad.registry.sessions()),
            "impala-server.num-queries-registered": len(self.impalad.registry.queries()),
        }
        for name, frontend in self.frontends.items():
            serving, waiting = frontend.counts()
            page[f"impala.thrift-server.{name}.connections-in-use"] = serving
            page[f"impala.thrift-server.{name}.connection-setup-queue-size"] = waiting
        return page

    def sessions(self) -> dict[str, Any]:
        """``/sessions``: who is connected, or was until lately."""
        sessions = self.impalad.registry.sessions()
        queries = self.impalad.registry.queries()
        inflight = [query.session for query in queries]
        return {
            "sessions": [
                _session(each, inflight.count(each), self.impalad.flags) for each in sessions
            ],
            "num_sessions": len(sessions),
            "num_active": len(sessions),
            "num_inactive": 0,
        }

    def queries(self) -> dict[str, Any]:
        """``/queries``: what runs, and what ran lately."""
        records = [record_of(query) for query in self.impalad.registry.registered()]
        records.sort(key=lambda record: record.started_at)
        # Read after the queries: what was archived meanwhile is in both, and nothing is in neither.
        completed = self.impalad.archive.completed()
        ids = {record.query_id for record in records}
        waiting = sum(record.waiting for record in records)
        location = {
            "location": krpc_address(self.impalad.host),
            "backend_id": self.impalad.web_address,
            "count": len(records),
        }
        return {
            "in_flight_queries": [_query(record, self.redact, inflight=True) for record in records],
            "num_in_flight_queries": len(records),
            "num_executing_queries": len(records) - waiting,
            "num_waiting_queries": waiting,
            "completed_queries": [
                _query(record, self.redact, inflight=False)
                for record in completed
                if record.query_id not in ids
            ],
            "completed_log_size": REMEMBERED,
            "query_locations": [location],
        }

    def query_profile_plain_text(self, query_id: str) -> str:
        """``/query_profile_plain_text``: what is known of a query, runs it or not."""
        running = [record_of(query) for query in self.impalad.registry.registered()]
        for record in [*running, *self.impalad.archive.completed()]:
            if record.query_id == query_id:
                return _profile(record, self.redact)
        return f"Could not obtain runtime profile: Query id {query_id} not found."

    def inflight_query_ids(self) -> str:
        """``/inflight_query_ids``: one id a line."""
        return "".join(f"{query.handle}\n" for query in self.impalad.registry.queries())

    def _began(self) -> str:
        return self.began.strftime("%Y-%m-%d %H:%M:%S")

    def _backend(self, backend: Backend) -> dict[str, Any]:
        address = krpc_address(backend.host)
        return {
            "address": address,
            "krpc_address": address,
            "backend_id": backend.web_address,
            "webserver_url": f"http://{backend.web_address}",
            "is_coordinator": True,
            "is_executor": True,
            "is_quiescing": backend.draining,
            "is_blacklisted": False,
            "is_active": not backend.draining,
            "executor_groups": "default",
            "process_start_time": self._began(),
            "version": self.impalad.version,
        }


def _session(session: Session, inflight: int, flags: Flags) -> dict[str, Any]:
    user = session.state.user
    return {
        "type": "HIVESERVER2",
        "inflight_queries": inflight,
        "total_queries": session.total_queries,
        "user": session.connected_user,
        "delegated_user": user if user != session.connected_user else "",
        "session_id": str(session.handle),
        "connection_ids": "\n".join(str(number) for number in sorted(session.connections)),
        "default_database": session.state.database,
        "start_time": _stamp(session.started_at, _SECONDS),
        "start_time_sort": int(session.started_at * 1000),
        "last_accessed": _stamp(session.last_accessed, _SECONDS),
        "last_accessed_sort": int(session.last_accessed * 1000),
        "session_timeout": idle_limit(session, flags),
        "expired": False,
        "closed": False,
        "ref_count": 0,
    }


def _query(record: Record, redact: Callable[[str], str], *, inflight: bool) -> dict[str, Any]:
    over = record.state in {"FINISHED", "EXCEPTION"}
    progress = "1 / 1 ( 100%)" if over else "0 / 1 (   0%)"
    stmt = redact(record.sql)
    if inflight and len(stmt) > SHOWN:
        stmt = f"{stmt[:SHOWN]}..."
    return {
        "effective_user": record.user,
        "default_db": record.database,
        "stmt": stmt,
        "stmt_type": record.kind,
        "start_time": _stamp(record.started_at, _MILLISECONDS),
        # Impala shows the epoch for what has not ended.
        "end_time": _stamp(record.ended_at or 0.0, _MILLISECONDS),
        "duration": duration(record.seconds),
        "queued_duration": "0",
        "mem_usage": "0",
        "mem_est": "0",
        "progress": progress,
        "query_progress": progress,
        "bytes_read": "0",
        "bytes_sent": "0",
        "state": record.state,
        "rows_fetched": record.rows_fetched,
        "query_id": record.query_id,
        "last_event": "Rows available" if record.state == "FINISHED" else "Planning finished",
        "waiting": inflight and record.waiting,
        "executing": inflight and not record.waiting,
        "resource_pool": "default-pool",
    }


def _profile(record: Record, redact: Callable[[str], str]) -> str:
    options = ",".join(f"{name}={value}" for name, value in sorted(record.options.items()))
    lines = {
        "Session ID": record.session_id,
        "Session Type": "HIVESERVER2",
        "Start Time": _stamp(record.started_at, _MILLISECONDS),
        "Query Type": record.kind,
        "Query State": record.state,
        "Query Status": redact(record.error or "OK"),
        "User": record.user,
        "Connected User": record.connected_user,
        "Default Db": record.database,
        "Sql Statement": redact(record.sql),
    }
    if record.kind != "UNKNOWN":  # Impala adds them once the statement was planned
        lines["Query Options (set by configuration)"] = options
    text = "".join(f"    {name}: {value}\n" for name, value in lines.items())
    return f"Query (id={record.query_id}):\n  Summary:\n{text}"


def _stamp(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", precision)  # noqa: DTZ006  # Impala writes local time
