"""
What Impala's functions are in DuckDB.

Three ways, tried in this order: a rule of `rules` that builds the expression, a macro of `macros`
by the same name, a DuckDB function (`NATIVE`).  A function in none of them does not exist, as far
as a client can see.
"""

from __future__ import annotations

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql.macros import MACRO_NAMES
from pocket_impala.sql.rules import RULES, Call, call

_SAME = [
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "avg",
    "ceil",
    "ceiling",
    "coalesce",
    "concat_ws",
    "cos",
    "cot",
    "count",
    "cume_dist",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "lag",
    "last_value",
    "lead",
    "left",
    "ln",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "md5",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "radians",
    "rank",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sign",
    "sin",
    "sqrt",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "tan",
    "translate",
    "trim",
    "upper",
    "var_pop",
    "var_samp",
    "variance",
    "ascii",
    "chr",
]
NATIVE: dict[str, str] = {
    **{name: name for name in _SAME},
    "nvl": "coalesce",
    "ifnull": "coalesce",
    "isnull": "coalesce",
    "variance_pop": "var_pop",
    "variance_samp": "var_samp",
    "ndv": "approx_count_distinct",
    "lcase": "lower",
    "ucase": "upper",
    "dpow": "pow",
    "fpow": "pow",
    "dceil": "ceil",
    "dfloor": "floor",
    "dround": "round",
    "dsqrt": "sqrt",
    "dexp": "exp",
    "dlog10": "log10",
}


def translated(asked: Call) -> exp.Expr:
    """The DuckDB expression for a call of an Impala function."""
    if rule := RULES.get(asked.name):
        return rule(asked)
    if asked.name in MACRO_NAMES:
        return call(f"impala_{asked.name}", *asked.arguments)
    if asked.name in NATIVE:
        return call(NATIVE[asked.name], *asked.arguments)
    database = asked.around.database
    raise ImpalaError(
        f"AnalysisException: {database}.{asked.name}() unknown for database {database}. "
        "Currently this db has 0 functions."
    )


def names() -> list[str]:
    """All functions that there are, by name."""
    return sorted({*RULES, *MACRO_NAMES, *NATIVE})
