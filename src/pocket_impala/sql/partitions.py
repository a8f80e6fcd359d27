"""ALTER TABLE ADD and DROP PARTITION."""

from __future__ import annotations

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql.alteration import alteration
from pocket_impala.sql.catalog import Writing
from pocket_impala.sql.clauses import if_not_exists, read_partition
from pocket_impala.sql.context import Context
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table
from pocket_impala.sql.warehouse import partition_spec


def plan_add(reader: Reader, context: Context, table: Table) -> Job:
    """Plan ADD PARTITION; ADD has been read."""
    quiet = if_not_exists(reader)
    specs = []
    while reader.take("PARTITION"):
        specs.append(_spec(reader, table))
        if reader.take("LOCATION"):
            reader.string()
    reader.end()
    there = context.catalog.partitions(table)
    for spec in specs:
        if spec in there and not quiet:
            raise ImpalaError(f"AnalysisException: Partition spec already exists: ({spec}).")

    def add(now: Table, catalog: Writing) -> Table:
        for spec in specs:
            catalog.add_partition(now, spec)
        return now

    return alteration(context, table, "New partition has been added to the table.", add)


def plan_drop(reader: Reader, context: Context, table: Table, *, quiet: bool) -> Job:
    """Plan DROP PARTITION; that much has been read."""
    spec = _spec(reader, table)
    there = spec in context.catalog.partitions(table)
    if not there and not quiet:
        raise ImpalaError("AnalysisException: No matching partition(s) found.")

    def drop(now: Table, catalog: Writing) -> Table:
        catalog.drop_partition(now, spec)
        return now

    return alteration(context, table, f"Dropped {int(there)} partition(s).", drop)


def _spec(reader: Reader, table: Table) -> str:
    values = dict(read_partition(reader))
    missing = [c.name for c in table.partition_columns if values.get(c.name) is None]
    if missing or len(values) != table.partitioned_by:
        raise ImpalaError(
            "AnalysisException: Partition spec does not match the partition columns of "
            f"{table.full_name}."
        )
    keys = {name: str(value).strip("'\"") for name, value in values.items()}
    return partition_spec(table, {**keys})
