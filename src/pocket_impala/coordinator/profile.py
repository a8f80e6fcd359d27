"""What a coordinator writes about a query: its runtime profile in four formats, and its summary.

A pocket Impala has one node and no plan worth drawing, so the profile is the summary part of
Impala's: the lines that tools look for, with Impala's names.
"""

from __future__ import annotations

import base64
import json
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.ExecStats import ttypes as stats
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.RuntimeProfile import ttypes as profile
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.transport.TTransport import TMemoryBuffer

from pocket_impala.coordinator.impalad import krpc_address
from pocket_impala.coordinator.progress import QueryState
from pocket_impala.coordinator.replies import done

if TYPE_CHECKING:
    from pocket_impala.coordinator.impalad import Impalad
    from pocket_impala.coordinator.queries import Query

_STATES = {
    QueryState.INITIALIZED: "INITIALIZED",
    QueryState.RUNNING: "RUNNING",
    QueryState.FINISHED: "FINISHED",
    QueryState.ERROR: "ERROR",
}


def describe(query: Query, impalad: Impalad) -> dict[str, str]:
    """Return the lines of the profile, by name."""
    session = query.session
    failed = query.progress.state is QueryState.ERROR
    lines = {
        "Session ID": str(session.handle),
        "Session Type": "HIVESERVER2",
        "HiveServer2 Protocol Version": "V6",
        "Start Time": _stamp(query.started_at),
        "End Time": _stamp(query.ended_at) if query.ended_at is not None else "",
        "Query Type": query.job.kind,
        "Query State": "EXCEPTION" if failed else _STATES[query.progress.state],
        "Impala Query State": _STATES[query.progress.state],
        "Query Status": query.progress.error or "OK",
        "Impala Version": impalad.version,
        "User": session.state.user,
        "Connected User": session.connected_user,
        "Delegated User": session.state.user
        if session.state.user != session.connected_user
        else "",
        "Default Db": query.database,
        "Sql Statement": query.sql,
        "Coordinator": krpc_address(impalad.host),
        "Admission result": "Admitted immediately" if query.admitted else "Rejected",
        "Query Options (set by configuration)": ",".join(
            f"{name}={value}" for name, value in sorted(query.options.items())
        ),
        "Rows Fetched": str(query.rows_fetched),
    }
    for partition, rows in (query.job.modified_rows or {}).items():
        prefix = f"Partition {partition}: " if partition else ""
        lines[f"{prefix}NumModifiedRows"] = str(rows)
        lines[f"{prefix}NumRowErrors"] = "0"
    return lines


def profile_answer(query: Query, impalad: Impalad, req: Any) -> Any:
    """Make the answer of GetRuntimeProfile.

    Args:
        query: The query.
        impalad: Its coordinator.
        req: The TGetRuntimeProfileReq.
    """
    answer = impala.TGetRuntimeProfileResp(status=done())
    written = [_written(each, impalad, req.format) for each in _attempts(query, req)]
    if req.format == profile.TRuntimeProfileFormat.THRIFT:
        answer.thrift_profile, *answer.failed_thrift_profiles = written
    else:
        answer.profile, *answer.failed_profiles = written
    return answer


def _attempts(query: Query, req: Any) -> list[Query]:
    """The attempts that are asked for; the last one comes first."""
    failed = query.failed_attempt if req.include_query_attempts else None
    return [query] if failed is None else [query, failed]


def _written(query: Query, impalad: Impalad, wanted: int | None) -> Any:
    """One profile, as a TRuntimeProfileFormat; None for text."""
    lines = describe(query, impalad)
    title = f"Query (id={query.handle})"
    formats = profile.TRuntimeProfileFormat
    if wanted == formats.THRIFT:
        return _tree(title, lines)
    if wanted == formats.BASE64:
        buffer = TMemoryBuffer()
        _tree(title, lines).write(TCompactProtocol(buffer))
        return base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    if wanted == formats.JSON:
        strings = [{"key": key, "value": value} for key, value in lines.items()]
        summary = {"profile_name": "Summary", "info_strings": strings}
        contents = {"profile_name": title, "child_profiles": [summary]}
        return json.dumps({"contents": contents})
    text = "".join(f"    {key}: {value}\n" for key, value in lines.items())
    return f"{title}:\n  Summary:\n{text}"


def summary_answer(query: Query, req: Any) -> Any:
    """Make the answer of GetExecSummary."""
    latest, *failed = [_summary(each) for each in _attempts(query, req)]
    return impala.TGetExecSummaryResp(status=done(), summary=latest, failed_summaries=failed)


def _summary(query: Query) -> Any:
    """One node, which did it all."""
    ended = query.ended_at if query.ended_at is not None else query.started_at
    spent = stats.TExecStats(
        latency_ns=int((ended - query.started_at) * 1e9),
        cpu_time_ns=0,
        cardinality=query.rows_fetched,
        memory_used=0,
    )
    node = stats.TPlanNodeExecSummary(
        node_id=0,
        fragment_idx=0,
        label=f"00:{query.job.kind}",
        label_detail="",
        num_children=0,
        estimated_stats=stats.TExecStats(cardinality=-1, memory_used=0),
        exec_stats=[spent],
        is_broadcast=False,
        num_hosts=1,
    )
    done_parts = int(query.progress.state is QueryState.FINISHED)
    return stats.TExecSummary(
        state=stats.TExecState.REGISTERED,
        nodes=[node],
        exch_to_sender_map={},
        error_logs=[],
        progress=stats.TExecProgress(
            total_scan_ranges=1,
            num_completed_scan_ranges=done_parts,
            total_fragment_instances=1,
            num_completed_fragment_instances=done_parts,
        ),
        is_queued=False,
    )


def _tree(title: str, lines: dict[str, str]) -> Any:
    return profile.TRuntimeProfileTree(
        nodes=[_node(title, 1, {}), _node("Summary", 0, lines)],
        profile_version=1,
    )


def _node(name: str, children: int, lines: dict[str, str]) -> Any:
    return profile.TRuntimeProfileNode(
        name=name,
        num_children=children,
        counters=[],
        metadata=-1,
        indent=True,
        info_strings=lines,
        info_strings_display_order=list(lines),
        child_counters_map={},
    )


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S.%f000")  # noqa: DTZ006  # Impala writes local time
