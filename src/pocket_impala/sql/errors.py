"""
What DuckDB says, told as Impala tells it.

Binding errors become `AnalysisException`s with Impala's own sentences; errors of execution keep
DuckDB's words behind Impala's opening.
"""

from __future__ import annotations

import re

from pocket_impala.coordinator.contract import ImpalaError

_RULES: tuple[tuple[str, str], ...] = (
    (
        r'Referenced column "(?P<x>[^"]+)" not found|does not have a column named "(?P<y>[^"]+)"',
        "AnalysisException: Could not resolve column/field reference: '{0}'",
    ),
    (
        r'Referenced table "(?P<x>[^"]+)" not found',
        "AnalysisException: Could not resolve column/field reference: '{0}'",
    ),
    (
        r'Ambiguous reference to column name "(?P<x>[^"]+)"',
        "AnalysisException: Column/field reference is ambiguous: '{0}'",
    ),
    (
        r"Function with name (?P<x>\S+) does not exist",
        (
            "AnalysisException: default.{0}() unknown for database default. "
            "Currently this db has 0 functions."
        ),
    ),
    (r"Could not convert string .* to DECIMAL", "UDF ERROR: String to Decimal parse failed"),
    (
        r"invalid date|date field|Could not convert string .* to DATE",
        "UDF ERROR: String to Date parse failed. Invalid string val.",
    ),
    (
        r"Could not cast value .* to DECIMAL|Out of Range Error.*DECIMAL",
        "UDF ERROR: Decimal expression overflowed",
    ),
)
_ANALYSIS = {"BinderException", "CatalogException", "ParserException", "SyntaxException"}


def told(error: Exception) -> ImpalaError:
    """The `ImpalaError` for an error that DuckDB raised."""
    text = str(error)
    kind = type(error).__name__
    if kind == "InterruptException":
        return ImpalaError("Cancelled")
    if kind == "OutOfMemoryException":
        return ImpalaError(f"Memory limit exceeded: {_first_line(text)}")
    for pattern, sentence in _RULES:
        if match := re.search(pattern, text):
            name = next((group for group in match.groups() if group), "")
            return ImpalaError(sentence.format(name.lower()))
    opening = "AnalysisException" if kind in _ANALYSIS else "UDF ERROR"
    return ImpalaError(f"{opening}: {_first_line(text)}")


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].split(": ", 1)[-1]
