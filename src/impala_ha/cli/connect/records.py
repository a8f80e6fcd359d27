"""Two more forms of a result: JSON, an object a line, and a table of Markdown."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.output import Row, RowForm, text, visible

if TYPE_CHECKING:
    from typing import TextIO


class JsonLines(RowForm):
    """
    One JSON object a line.

    Integers, FLOAT, DOUBLE and BOOLEAN are JSON's; NULL is null; DECIMAL (which loses nothing so),
    dates, NaN and infinities are strings.  BINARY is in Base64.  What is not UTF-8 in a string
    becomes U+FFFD, for JSON has no bytes.

    Args:
        columns: Their names.  A second one of the same name is called ``name_2``.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__("")
        self._names: list[str] = []
        for name in columns:
            others = (f"{name}_{number}" for number in count(2))
            taken = {*self._names, *columns}
            self._names.append(
                name if name not in self._names else next(o for o in others if o not in taken)
            )
        self._binary: frozenset[int] = frozenset()

    def read(self, cursor: Any) -> list[Row]:
        """The next rows of *cursor*."""
        types = (column[1] for column in cursor.description)
        self._binary = frozenset(at for at, kind in enumerate(types) if kind == "BINARY")
        return super().read(cursor)

    def write(self, rows: Sequence[Row], out: TextIO) -> None:
        """Write *rows* to *out*."""
        for row in rows:
            values = [self._value(at, value) for at, value in enumerate(row)]
            line = json.dumps(dict(zip(self._names, values, strict=True)), ensure_ascii=False)
            out.write(f"{line}\n")

    def _value(self, at: int, value: object) -> object:
        if at in self._binary and value is not None:
            raw = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
            return b64encode(raw).decode()
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return str(value).encode(errors="surrogateescape").decode(errors="replace")


class Markdown(RowForm):
    """
    A table of Markdown, as GitHub has it.

    Args:
        columns: Their names.
        fp_format: Of floating point numbers, as `format` takes it; "" as they are.
    """

    def __init__(self, columns: Sequence[str], fp_format: str = "") -> None:
        super().__init__(fp_format)
        self._head = "".join([_line(columns), _line(["---"] * len(columns))])

    def write(self, rows: Sequence[Row], out: TextIO) -> None:
        """Write *rows* to *out*."""
        out.write(self._head)
        self._head = ""
        out.writelines(_line([text(value) for value in row]) for row in rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def _escaped(cell: str) -> str:
    return visible(cell).replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")
