"""
What Impala's functions are in DuckDB.

Three ways, tried in this order: a rule that builds the expression (`RULES`), a macro of
`macros` by the same name, a DuckDB function of the same or another name (`NATIVE`).  A function
in none of them does not exist, as far as a client can see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from impala_ha.testing._impalad.contract import ImpalaError
from impala_ha.testing._impalad.sql.macros import MACRO_NAMES

VERSION = (
    "impalad version 4.5.0-RELEASE RELEASE (build 0000000000000000000000000000000000000000)\n"
    "Built on Sat, 01 Mar 2025 00:00:00 UTC"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a function may ask about the statement it stands in."""

    user: str
    database: str
    lane: int


Rule = Callable[[list[exp.Expression], Surroundings], exp.Expression]


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """A DuckDB function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def translated(node: exp.Anonymous, around: Surroundings) -> exp.Expression:
    """The DuckDB expression for a call of an Impala function."""
    name = str(node.this).lower()
    arguments = list(node.expressions)
    if rule := RULES.get(name):
        return rule(arguments, around)
    if name in MACRO_NAMES:
        return call(f"impala_{name}", *arguments)
    if name in NATIVE:
        return call(NATIVE[name], *arguments)
    raise ImpalaError(
        f"AnalysisException: {around.database}.{name}() unknown for database {around.database}. "
        "Currently this db has 0 functions."
    )


def _text(value: str) -> exp.Expression:
    return exp.Literal.string(value)


def _sleep(arguments: list[exp.Expression], around: Surroundings) -> exp.Expression:
    return call("impala_sleep", exp.Literal.number(around.lane), *arguments)


def _group_concat(arguments: list[exp.Expression], _around: Surroundings) -> exp.Expression:
    what, separator = arguments[0], _text(", ")
    if isinstance(what, exp.Distinct) and len(what.expressions) > 1:
        separator = what.expressions.pop()
    elif len(arguments) > 1:
        separator = arguments[1]
    return call("string_agg", what, separator)


def _case(arguments: list[exp.Expression], _around: Surroundings) -> exp.Expression:
    condition, then, *other = arguments
    return exp.Case(ifs=[exp.If(this=condition, true=then)], default=other[0] if other else None)


def _decode(arguments: list[exp.Expression], _around: Surroundings) -> exp.Expression:
    what, *pairs = arguments
    default = pairs.pop() if len(pairs) % 2 else None
    ifs = [
        exp.If(this=exp.NullSafeEQ(this=what.copy(), expression=when), true=then)
        for when, then in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return exp.Case(ifs=ifs, default=default)


def _shifted(sign: int, unit: str) -> Rule:
    def rule(arguments: list[exp.Expression], _around: Surroundings) -> exp.Expression:
        when, amount = arguments
        moment = call("impala_moment", when)
        if not isinstance(amount, exp.Interval):
            amount = call(f"to_{unit}", exp.cast(amount, "INTEGER"))
        kind = exp.Add if sign > 0 else exp.Sub
        return exp.Paren(this=kind(this=moment, expression=amount))

    return rule


_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds",
          "microseconds")  # fmt: skip
RULES: dict[str, Rule] = {
    "sleep": _sleep,
    "group_concat": _group_concat,
    "if": _case,
    "decode": _decode,
    "user": lambda _arguments, around: _text(around.user),
    "effective_user": lambda _arguments, around: _text(around.user),
    "logged_in_user": lambda _arguments, around: _text(around.user),
    "current_user": lambda _arguments, around: _text(around.user),
    "session_user": lambda _arguments, around: _text(around.user),
    "current_database": lambda _arguments, around: _text(around.database),
    "current_session": lambda _arguments, _around: _text("0:0"),
    "version": lambda _arguments, _around: _text(VERSION),
    "date_add": _shifted(1, "days"),
    "date_sub": _shifted(-1, "days"),
    "adddate": _shifted(1, "days"),
    "subdate": _shifted(-1, "days"),
    "add_months": _shifted(1, "months"),
    **{f"{unit}_add": _shifted(1, unit) for unit in _UNITS},
    **{f"{unit}_sub": _shifted(-1, unit) for unit in _UNITS},
}

_SAME = """
abs acos asin atan atan2 avg bit_and bit_or bit_xor ceil ceiling coalesce concat concat_ws cos cot
count cume_dist degrees dense_rank exp first_value floor greatest lag last_value lead least left
length ln log10 log2 lower lpad ltrim max md5 median min nth_value ntile nullif percent_rank pi
pow power radians rank repeat replace reverse right round row_number rpad rtrim sign sin sqrt
stddev stddev_pop stddev_samp sum tan translate trim typeof upper uuid var_pop var_samp variance
year month day hour minute second quarter ascii chr random lcase ucase current_date
""".split()
NATIVE: dict[str, str] = {
    **{name: name for name in _SAME},
    "nvl": "coalesce",
    "ifnull": "coalesce",
    "isnull": "coalesce",
    "ndv": "approx_count_distinct",
    "appx_median": "median",
    "rand": "random",
    "char_length": "length",
    "character_length": "length",
    "lcase": "lower",
    "ucase": "upper",
    "dayofmonth": "day",
    "weekofyear": "week",
    "week": "week",
    "dayofyear": "dayofyear",
    "dpow": "pow",
    "fpow": "pow",
    "dceil": "ceil",
    "dfloor": "floor",
    "dround": "round",
    "dsqrt": "sqrt",
    "dexp": "exp",
    "dlog10": "log10",
    "split_part": "split_part",
    "starts_with": "starts_with",
    "substr": "substr",
    "substring": "substr",
}


def names() -> list[str]:
    """All functions that there are, by name."""
    return sorted({*RULES, *MACRO_NAMES, *NATIVE})
