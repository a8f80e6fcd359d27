"""A result as a stream of record batches, or as a table: what `fetch_arrow` and so on return."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from impala_ha.core.remote import Schema
from impala_ha.hs2.batch import ColumnBatch

from .record_batch import TimestampUnit, arrow_schema, pyarrow, record_batch

if TYPE_CHECKING:
    import pyarrow as pa

#: The next columns of a result; None at its end.
NextBatch = Callable[[], ColumnBatch | None]


def reader(description: Schema, unit: TimestampUnit, next_batch: NextBatch) -> pa.RecordBatchReader:
    """The batches that are left, each asked for when it is wanted."""
    schema = arrow_schema(description, unit)
    batches = (_rows(batch, schema) for batch in iter(next_batch, None))
    return pyarrow().RecordBatchReader.from_batches(schema, batches)


def table(description: Schema, unit: TimestampUnit, next_batch: NextBatch) -> pa.Table:
    """All that is left."""
    schema = arrow_schema(description, unit)
    batches = [_rows(batch, schema) for batch in iter(next_batch, None)]
    return pyarrow().Table.from_batches(batches, schema)


def _rows(batch: ColumnBatch | None, schema: pa.Schema) -> pa.RecordBatch:
    """The rows of *batch* that were not handed out yet."""
    assert batch is not None
    assert batch.row_set is not None
    rows = record_batch(batch.row_set, schema)
    return rows.slice(rows.num_rows - len(batch))
