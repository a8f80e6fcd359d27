"""
A result as Parquet (``-o x.parquet``), from Arrow's record batches.

They are collected into row groups, one of which is in memory however big the result is.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.output import Form
from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

_GROUP_BYTES = 2**26  # in memory; in a file that is a fraction of what row groups may have
_GROUP_ROWS = 2**20  # as pyarrow has it


class Parquet(Form):
    """
    Rows in a file of Parquet.

    Args:
        unit: Of timestamps: ms, us or ns.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._result: pa.RecordBatchReader | None = None
        self._writer: Any = None
        self._group: list[pa.RecordBatch] = []

    def read(self, cursor: Any) -> pa.RecordBatch | None:
        """The next rows of *cursor*."""
        if self._result is None:
            self._result = cursor.fetch_record_batch(self._unit)
        return next(self._result, None)

    def write(self, batch: pa.RecordBatch | None, out: BinaryIO) -> None:
        """Collect the rows of *batch*, and write them to *out* once they make a row group."""
        if self._writer is None:
            assert self._result is not None
            parquet = import_extra("pyarrow.parquet", "arrow")
            self._writer = parquet.ParquetWriter(out, self._result.schema)
        if batch is not None:
            self._group.append(batch)
        if (
            sum(each.nbytes for each in self._group) >= _GROUP_BYTES
            or sum(map(len, self._group)) >= _GROUP_ROWS
        ):
            self._write_group()

    def _write_group(self) -> None:
        pyarrow = import_extra("pyarrow", "arrow")
        self._writer.write_table(pyarrow.Table.from_batches(self._group, self._writer.schema))
        self._group = []

    def end(self, out: BinaryIO) -> None:  # noqa: ARG002  # the writer has it
        """Write what is left, and the foot of the file."""
        self._write_group()
        self._writer.close()

    def close(self) -> None:
        """Close the writer, which otherwise would complain when it is collected as garbage."""
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()
