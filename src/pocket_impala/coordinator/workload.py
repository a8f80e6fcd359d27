"""Impala's workload management (since 4.4): the columns of its two tables, and what is in them.

``sys.impala_query_live`` holds what runs on any coordinator, ``sys.impala_query_log`` what is
over.  Names, order and types of the columns are Impala's; those that a pocket Impala knows nothing
of (memory, scans, timelines) are 0 or empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pocket_impala.coordinator.contract import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pocket_impala.coordinator.contract import Cells
    from pocket_impala.coordinator.records import Record

# The first version that has it.
SINCE = (4, 4)
_NUMBERS = "decimal(18,3)"
# Impala keeps 16 MB of a statement; one line of ours must fit into what DuckDB reads as one.
_LONGEST = 1_000_000


def _columns() -> tuple[Column, ...]:
    text = """
    cluster_id query_id session_id session_type hiveserver2_protocol_version db_user
    db_user_connection db_name impala_coordinator query_status query_state impala_query_end_state
    query_type network_address start_time_utc:timestamp total_time_ms:decimal query_opts_config
    resource_pool per_host_mem_estimate:bigint dedicated_coord_mem_estimate:bigint
    per_host_fragment_instances backends_count:int admission_result cluster_memory_admitted:bigint
    executor_group executor_groups exec_summary num_rows_fetched:bigint
    row_materialization_rows_per_sec:bigint row_materialization_time_ms:decimal
    compressed_bytes_spilled:bigint event_planning_finished:decimal
    event_submit_for_admission:decimal event_completed_admission:decimal
    event_all_backends_started:decimal event_rows_available:decimal
    event_first_row_fetched:decimal event_last_row_fetched:decimal event_unregister_query:decimal
    read_io_wait_total_ms:decimal read_io_wait_mean_ms:decimal bytes_read_cache_total:bigint
    bytes_read_total:bigint pernode_peak_mem_min:bigint pernode_peak_mem_max:bigint
    pernode_peak_mem_mean:bigint sql plan tables_queried select_columns where_columns join_columns
    aggregate_columns orderby_columns coordinator_slots:bigint executor_slots:bigint
    """
    pairs = (item.partition(":") for item in text.split())
    kinds = {"": "string", "decimal": _NUMBERS}
    return tuple(Column(name, kinds.get(kind, kind)) for name, _, kind in pairs)


COLUMNS = _columns()
_END_STATES = {"EXCEPTION": "ERROR", "CREATED": "INITIALIZED"}


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of both tables, as one coordinator finds them.

    Attributes:
        logs: The files of the log: one JSON object of texts a line.
        ask_live: Asks all coordinators for what runs on them.
        columns: Of either table.
    """

    logs: Sequence[Path]
    ask_live: Callable[[], Sequence[Cells]]
    columns: Sequence[Column] = COLUMNS


def row_of(record: Record, coordinator: str) -> Cells:
    """Return the texts of one row, by column."""
    started = datetime.fromtimestamp(record.started_at, timezone.utc)
    known = {
        "query_id": record.query_id,
        "session_id": record.session_id,
        "session_type": "HIVESERVER2",
        "hiveserver2_protocol_version": "HIVE_CLI_SERVICE_PROTOCOL_V6",
        "db_user": record.user,
        "db_user_connection": record.connected_user,
        "db_name": record.database,
        "impala_coordinator": coordinator,
        "query_status": record.error or "OK",
        "query_state": record.state,
        "impala_query_end_state": _END_STATES.get(record.state, record.state),
        "query_type": record.kind,
        "start_time_utc": started.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "total_time_ms": f"{record.seconds * 1000:.3f}",
        "query_opts_config": ",".join(f"{k}={v}" for k, v in sorted(record.options.items())),
        "resource_pool": "default-pool",
        "backends_count": "1",
        "admission_result": "Admitted immediately",
        "executor_group": "default",
        "num_rows_fetched": str(record.rows_fetched),
        "sql": record.sql[:_LONGEST],
    }
    return {
        column.name: known.get(column.name, "" if column.type == "string" else "0")
        for column in COLUMNS
    }
