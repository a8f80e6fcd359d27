"""Impala's functions that DuckDB lacks or does otherwise, as DuckDB macros."""

from __future__ import annotations

# Each is called by its Impala name with "impala_" before it; all but `text`, `moment` and
# `clock` are Impala functions.
MACROS: tuple[str, ...] = (
    "impala_text(t) AS replace(strftime(t, '%Y-%m-%d %H:%M:%S.%n'), '.000000000', '')",
    "impala_moment(t) AS TRY_CAST(t AS TIMESTAMP)",
    "impala_clock() AS CAST(now() AS TIMESTAMP)",
    "impala_now() AS impala_clock()",
    "impala_current_timestamp() AS impala_clock()",
    "impala_utc_timestamp() AS impala_clock()",
)
MACRO_NAMES = frozenset(macro.split("(", 1)[0].removeprefix("impala_") for macro in MACROS)
