"""Impala's functions of dates and times that depend on the types of their arguments."""

from __future__ import annotations

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql.arithmetic import is_number
from pocket_impala.sql.rules import RULES, Call, Rule, as_type, call, text

# Java's pattern letters, longest first, and DuckDB's.
_PATTERN = (("yyyy", "%Y"), ("yy", "%y"), ("MMM", "%b"), ("MM", "%m"), ("M", "%-m"), ("dd", "%d"),
            ("d", "%-d"), ("HH", "%H"), ("hh", "%I"), ("mm", "%M"), ("ss", "%S"),
            ("SSSSSSSSS", "%n"), ("SSSSSS", "%f"), ("SSS", "%g"))  # fmt: skip
# What TRUNC calls the units, and what DuckDB calls them.
_TRUNC = {
    **dict.fromkeys(("SYYYY", "YYYY", "YEAR", "SYEAR", "YYY", "YY", "Y"), "year"),
    "Q": "quarter",
    **dict.fromkeys(("MONTH", "MON", "MM", "RM"), "month"),
    **dict.fromkeys(("WW", "W", "DAY", "DY", "D"), "week"),
    **dict.fromkeys(("DDD", "DD", "J"), "day"),
    **dict.fromkeys(("HH", "HH12", "HH24"), "hour"),
    "MI": "minute",
}
_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds",
          "microseconds")  # fmt: skip


def pattern(node: exp.Expr) -> exp.Expr:
    """A Java date pattern as DuckDB's; it must be a literal."""
    if not node.is_string:
        raise ImpalaError("AnalysisException: Date format pattern must be a string literal.")
    java, made = node.name, ""
    while java:
        for letters, percent in _PATTERN:
            if java.startswith(letters):
                made, java = made + percent, java[len(letters) :]
                break
        else:
            made, java = made + java[0], java[1:]
    return text(made)


def moment(node: exp.Expr) -> exp.Expr:
    """*node* as a timestamp; NULL when it is none."""
    return call("impala_moment", node)


def _dated(asked: Call, found: exp.Expr) -> exp.Expr:
    return as_type(found, "DATE") if asked.kinds[0] == "date" else as_type(found, "TIMESTAMP")


def _shifted(sign: int, unit: str) -> Rule:
    def rule(asked: Call) -> exp.Expr:
        asked.need(2, 3)
        when, amount = asked.arguments[:2]
        if not isinstance(amount, exp.Interval):
            amount = call(f"to_{unit}", as_type(amount, "INTEGER"))
        kind = exp.Add if sign > 0 else exp.Sub
        return _dated(asked, exp.Paren(this=kind(this=moment(when), expression=amount)))

    return rule


def _months(asked: Call) -> exp.Expr:
    # The last day of a month stays a last day.
    asked.need(2, 3)
    when, months = asked.arguments[:2]
    moved = exp.Add(
        this=moment(when.copy()), expression=call("to_months", as_type(months, "INTEGER"))
    )
    return _dated(asked, exp.Paren(this=moved))


def _last_day(asked: Call) -> exp.Expr:
    asked.need(1)
    return _dated(asked, call("last_day", moment(asked.arguments[0])))


def _trunc(asked: Call) -> exp.Expr:
    asked.need(1, 2)
    if is_number(asked.kinds[0]):
        return RULES["truncate"](asked)
    unit = _TRUNC.get(asked.arguments[1].name.upper()) if len(asked.arguments) > 1 else None
    if unit is None:
        raise ImpalaError("AnalysisException: Invalid Truncate Unit: trunc")
    return _dated(asked, call("date_trunc", text(unit), moment(asked.arguments[0])))


def _date_trunc(asked: Call) -> exp.Expr:
    asked.need(2)
    unit, when = asked.arguments
    found = call("date_trunc", call("lower", unit), moment(when))
    return as_type(found, "DATE" if asked.kinds[1] == "date" else "TIMESTAMP")


def _extract(asked: Call) -> exp.Expr:
    asked.need(2)
    when, unit = asked.arguments
    return call("impala_part", unit, when)


def _unix_timestamp(asked: Call) -> exp.Expr:
    asked.need(0, 2)
    if len(asked.arguments) <= 1:
        return call("impala_unix_timestamp", *asked.arguments)
    when = call("try_strptime", asked.arguments[0], pattern(asked.arguments[1]))
    return call("impala_unix_timestamp", when)


def _from_unixtime(asked: Call) -> exp.Expr:
    asked.need(1, 2)
    if len(asked.arguments) == 1:
        return call("impala_from_unixtime", *asked.arguments)
    when = call("impala_to_timestamp", asked.arguments[0])
    return call("strftime", when, pattern(asked.arguments[1]))


def _from_timestamp(asked: Call) -> exp.Expr:
    asked.need(2)
    return call("strftime", moment(asked.arguments[0]), pattern(asked.arguments[1]))


def _to_timestamp(asked: Call) -> exp.Expr:
    asked.need(1, 2)
    if len(asked.arguments) == 1:
        return call("impala_to_timestamp", asked.arguments[0])
    return call("try_strptime", asked.arguments[0], pattern(asked.arguments[1]))


RULES.update(
    {
        "date_add": _shifted(1, "days"),
        "date_sub": _shifted(-1, "days"),
        "adddate": _shifted(1, "days"),
        "subdate": _shifted(-1, "days"),
        "add_months": _months,
        "last_day": _last_day,
        "trunc": _trunc,
        "date_trunc": _date_trunc,
        "extract": _extract,
        "unix_timestamp": _unix_timestamp,
        "from_unixtime": _from_unixtime,
        "from_timestamp": _from_timestamp,
        "to_timestamp": _to_timestamp,
        **{f"{unit}_add": _shifted(1, unit) for unit in _UNITS},
        **{f"{unit}_sub": _shifted(-1, unit) for unit in _UNITS},
    }
)
