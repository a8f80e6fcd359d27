"""
How a result looks.

Three forms, each as impala-shell has it: a table of ``+---+`` for people, delimited lines for
programs (``-B``), one value a line for wide rows (``-E``).  (The fourth is in `parquet`.)  All of
them write a result batch by batch and keep nothing, so a result may be larger than the memory.  The
price is paid by the table: its columns are as wide as the first batch needs, and a longer value
further down pushes its own line out of the grid.

What people read is made safe for the terminal: a control character in the data shows as an
escape.  What programs read is left as it is, byte for byte: a string that is not UTF-8 comes out
as it lies in the table (``surrogateescape``).
"""

from __future__ import annotations

import csv
import io
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

from bitarray import bitarray
from rich.cells import cell_len

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.hs2.batch import ColumnBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from impala.hiveserver2 import Column

Row = tuple[object, ...]

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
_RULED = "*" * 38
_TEXT = frozenset({str})
_NULL = bitarray("1")
_BOOLEANS = {True: b"true", False: b"false"}


class Form:
    """One way to write a result.  A form is made for one result and thrown away."""

    def read(self, cursor: Any) -> Any:
        """The next batch of rows; at the end one that is false."""
        raise NotImplementedError

    def write(self, batch: Any, out: Any) -> None:
        """Write one batch.  A first one without rows shows what a result of no rows looks like."""
        raise NotImplementedError

    def end(self, out: Any) -> None:
        """Write what comes after the last row."""

    def close(self) -> None:
        """Give up what it holds, also after an error."""


class RowForm(Form):
    """
    A form that takes a result by the row.

    Args:
        fp_format: Of floating point numbers, as `format` takes it; "" as they are.
    """

    def __init__(self, fp_format: str) -> None:
        self._fp_format = fp_format

    def read(self, cursor: Any) -> list[Row]:
        """The next `arraysize` rows of *cursor*."""
        rows: list[Row] = cursor.fetchmany(cursor.arraysize)
        form = self._fp_format
        if not form:
            return rows
        return [
            tuple(format(value, form) if type(value) is float else value for value in row)
            for row in rows
        ]


class Table(RowForm):
    """
    Rows in a grid, all cells to the left, as impala-shell draws it.

    Args:
        columns: Their names.
        fp_format: As of `RowForm`.
    """

    def __init__(self, columns: Sequence[str], fp_format: str = "") -> None:
        super().__init__(fp_format)
        self._columns = [visible(name) for name in columns]
        self._widths: list[int] = []

    def write(self, rows: Sequence[Row], out: TextIO) -> None:
        """Write *rows* to *out*."""
        columns = [_readable(column) for column in _texts(rows)]
        if not self._widths:
            cells = columns or [[] for _ in self._columns]
            self._widths = [
                max(map(_width, [name, *column]))
                for name, column in zip(self._columns, cells, strict=True)
            ]
            out.write(self._rule())
            out.writelines(self._lines(self._columns))
            out.write(self._rule())
        if all(_is_simple(column) for column in columns):
            line = "| " + " | ".join(f"%-{width}s" for width in self._widths) + " |\n"
            out.writelines(line % row for row in zip(*columns, strict=True))
            return
        for row in zip(*columns, strict=True):
            out.writelines(self._lines(row))

    def end(self, out: TextIO) -> None:
        """Write what comes after the last row."""
        out.write(self._rule())

    def _rule(self) -> str:
        return "+" + "+".join("-" * (width + 2) for width in self._widths) + "+\n"

    def _lines(self, row: Sequence[str]) -> Iterator[str]:
        """The row as lines of the grid: one, or as many as its tallest cell has."""
        cells = [cell.split("\n") for cell in row]
        for line in range(max(len(cell) for cell in cells)):
            padded = (
                _padded(cell[line] if line < len(cell) else "", width)
                for cell, width in zip(cells, self._widths, strict=True)
            )
            yield "| " + " | ".join(padded) + " |\n"


class Delimited(Form):
    """
    Lines of delimited values, quoted where a value needs it: what `csv` writes, made by the column.

    Args:
        columns: Their names.
        delimiter: One character.
        header: Write the names as the first line?
        fp_format: Of floating point numbers, as `format` takes it; "" as they are.
    """

    def __init__(
        self, columns: Sequence[str], delimiter: str, *, header: bool, fp_format: str = ""
    ) -> None:
        self._delimiter = delimiter.encode()
        self._header: Sequence[str] | None = columns if header else None
        special = (char for char in f'{delimiter}"\r\n' if _is_quoted(char, delimiter))
        self._special = [char.encode() for char in special]
        self._fp_format = fp_format

    def read(self, cursor: Any) -> ColumnBatch | None:
        """The next rows of *cursor*, as columns."""
        batch: ColumnBatch | None = cursor.fetchcbatch()
        return batch

    def write(self, batch: ColumnBatch | None, out: TextIO) -> None:
        """Write the rows of *batch* to *out*."""
        if self._header is not None:
            self._write([[name.encode()] for name in self._header], out)
            self._header = None
        if batch:
            # Texts are written as they came, so nobody needs to decode each of them.
            raw = ColumnBatch(batch.row_set, False, batch.schema, False, False)
            self._write([self._cells(column) for column in raw.columns], out)

    def _cells(self, column: Column) -> list[bytes]:
        """The values of *column* as `text` writes them."""
        cells: list[Any] = column.values
        if isinstance(cells[0], float) and self._fp_format:
            cells = [format(value, self._fp_format).encode() for value in cells]
        elif isinstance(cells[0], bool):
            cells = [*map(_BOOLEANS.__getitem__, cells)]
        elif isinstance(cells[0], (int, float)):
            cells = repr(cells)[1:-1].encode().split(b", ")
        for place in column.nulls.search(_NULL):
            cells[place] = b"NULL"
        return cells

    def _write(self, columns: list[list[bytes]], out: TextIO) -> None:
        quoted = [self._quoted(column) for column in columns]
        if len(quoted) == 1:  # an empty line would be no row
            quoted = [[cell or b'""' for cell in quoted[0]]]
        lines = b"\n".join([*map(self._delimiter.join, zip(*quoted, strict=True)), b""])
        out.write(lines.decode(errors="surrogateescape"))

    def _quoted(self, column: list[bytes]) -> list[bytes]:
        # One look at all cells: most columns have nothing to be quoted.
        joined = b"".join(column)
        special = [char for char in self._special if char in joined]
        if not special:
            return column
        return [
            b'"%b"' % cell.replace(b'"', b'""') if any(char in cell for char in special) else cell
            for cell in column
        ]


def _is_quoted(char: str, delimiter: str) -> bool:
    r"""Does `csv` quote it?  Whether it does ``\r`` depends on Python's version."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow([char, "x"])
    return out.getvalue().startswith('"')


class Vertical(RowForm):
    """
    One line a value, one paragraph a row.

    Args:
        columns: Their names.
        fp_format: As of `RowForm`.
    """

    def __init__(self, columns: Sequence[str], fp_format: str = "") -> None:
        super().__init__(fp_format)
        names = [visible(name) for name in columns]
        widest = max(_width(name) for name in names)
        self._names = [" " * (widest - _width(name)) + name for name in names]
        self._count = 0

    def write(self, rows: Sequence[Row], out: TextIO) -> None:
        """Write *rows* to *out*."""
        for row in rows:
            self._count += 1
            out.write(f"{_RULED} {self._count}.row {_RULED}\n")
            out.writelines(
                f"{name}: {visible(text(value))}\n"
                for name, value in zip(self._names, row, strict=True)
            )


def text(value: object) -> str:
    """A value as impala-shell writes it; NULL is ``NULL``."""
    if type(value) is str:
        return value
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return str(value)


def _texts(rows: Sequence[Row]) -> list[Sequence[str]]:
    """The columns of a batch as texts."""
    columns = zip(*rows, strict=True)
    return [
        column if _TEXT.issuperset(map(type, column)) else [*map(text, column)]
        for column in columns
    ]


def delimiter(given: str) -> str:
    r"""
    The delimiter that was meant: one character, or an escape such as ``\t`` or ``\001``.

    Raises:
        BadInput: When it is none or more than one, or one that csv takes for a line end.
    """
    try:
        meant = given if len(given) == 1 else _unescaped(given)
        csv.writer(io.StringIO(), delimiter=meant)
    except (ValueError, TypeError, DeprecationWarning):
        meant = ""
    if not meant or meant in '"\r\n':
        problem = f"Illegal delimiter {given!r}: it must be one character, and none that lines need"
        raise BadInput(f"--output_delimiter: {problem}")
    return meant


def _unescaped(given: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # an escape that there is not
        return given.encode("ascii", "backslashreplace").decode("unicode_escape")


def prepare_stdout() -> None:
    """
    Make standard output take any text.

    A terminal keeps its encoding and shows what it cannot show as ``?``; everything else gets
    UTF-8, whatever the locale of a cron job may be, and strings that are not UTF-8 as they are.
    """
    if sys.stdout is None:  # closed; nobody is going to write there
        return
    if sys.stdout.isatty():
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper
    else:
        sys.stdout.reconfigure(  # type: ignore[union-attr]  # a TextIOWrapper
            encoding="utf-8", errors="surrogateescape"
        )


def _readable(column: Sequence[str]) -> Sequence[str]:
    # One look at all cells: most columns have nothing to be escaped.
    return column if "".join(column).isprintable() else [*map(visible, column)]


def _is_simple(column: Sequence[str]) -> bool:
    """Is every cell one line, with one character a column?"""
    joined = "".join(column)
    return joined.isascii() and "\n" not in joined


def visible(cell: str) -> str:
    """*cell* with control characters as escapes, U+FFFD for no UTF-8; line breaks are left."""
    if cell.isprintable():
        return cell
    text = _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", cell)
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)


def _width(cell: str) -> int:
    """Columns on a terminal; of a cell of several lines, the widest."""
    if cell.isascii() and "\n" not in cell:
        return len(cell)
    return max(cell_len(line) for line in cell.split("\n"))


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))
