"""Impala's functions whose DuckDB expression depends on their arguments, or on who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql import arithmetic

VERSION = (
    "impalad version 4.5.0-RELEASE RELEASE (build 0000000000000000000000000000000000000000)\n"
    "Built on Sat Mar  1 00:00:00 UTC 2025"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What a function may ask about the statement it stands in.

    Attributes:
        lane: The number of the lane that runs it; ``sleep`` is stopped with it.
        nanoseconds: Whether time literals keep more than microseconds; what is stored does not.
    """

    user: str
    database: str
    lane: int
    nanoseconds: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the function, its arguments in DuckDB's words, their Impala types."""

    name: str
    arguments: Sequence[exp.Expr]
    kinds: Sequence[str | None]
    around: Surroundings

    def need(self, least: int, most: int | None = None) -> None:
        """Raise what Impala says when the number of arguments does not fit."""
        if not least <= len(self.arguments) <= (least if most is None else most):
            kinds = ", ".join((kind or "unknown").upper() for kind in self.kinds)
            raise ImpalaError(
                f"AnalysisException: No matching function with signature: {self.name}({kinds})."
            )


Rule = Callable[[Call], exp.Expr]


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A DuckDB function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def as_type(node: exp.Expr, duck_type: str, *, strict: bool = True) -> exp.Expr:
    """A cast to a DuckDB type."""
    kind = exp.TryCast if not strict else exp.Cast
    return kind(this=node, to=exp.DataType.build(duck_type, dialect="duckdb"))


def text(value: str) -> exp.Expr:
    """A string literal."""
    return exp.Literal.string(value)


def _known(read: Callable[[Surroundings], str]) -> Rule:
    return lambda asked: text(read(asked.around))


def _sleep(asked: Call) -> exp.Expr:
    asked.need(1)
    return call("impala_sleep", exp.Literal.number(asked.around.lane), asked.arguments[0])


def _group_concat(asked: Call) -> exp.Expr:
    asked.need(1, 2)
    what, separator = asked.arguments[0], text(", ")
    if isinstance(what, exp.Distinct) and len(what.expressions) > 1:
        separator = what.expressions[-1]
        what = exp.Distinct(expressions=what.expressions[:1])
    elif len(asked.arguments) > 1:
        separator = asked.arguments[1]
    return call("string_agg", what, separator)


def _any_null(nodes: Sequence[exp.Expr]) -> exp.Expr:
    tests: list[exp.Expr] = [exp.Is(this=node.copy(), expression=exp.Null()) for node in nodes]
    return reduce(lambda one, other: exp.Or(this=one, expression=other), tests)


def _count(asked: Call) -> exp.Expr:
    what = asked.arguments[0] if asked.arguments else exp.Star()
    if isinstance(what, exp.Distinct) and len(what.expressions) > 1:
        columns = what.expressions
        missing = _any_null(columns)
        both = exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=call("row", *columns))
        what = exp.Distinct(expressions=[both])
    return call("count", what)


def _if(asked: Call) -> exp.Expr:
    asked.need(3)
    condition, then, other = asked.arguments
    return exp.Case(ifs=[exp.If(this=condition, true=then)], default=other)


def _decode(asked: Call) -> exp.Expr:
    what, *pairs = asked.arguments
    default = pairs.pop() if len(pairs) % 2 else None
    ifs = [
        exp.If(this=exp.NullSafeEQ(this=what.copy(), expression=when), true=then)
        for when, then in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return exp.Case(ifs=ifs, default=default)


def _concat(asked: Call) -> exp.Expr:
    asked.need(1, 1000)
    cells = [
        node if arithmetic.is_text(kind) else as_type(node, "VARCHAR")
        for node, kind in zip(asked.arguments, asked.kinds, strict=True)
    ]
    return exp.Paren(this=reduce(lambda a, b: exp.DPipe(this=a, expression=b), cells))


def _extreme(asked: Call) -> exp.Expr:
    asked.need(1, 1000)
    missing = _any_null(asked.arguments)
    found = call(asked.name, *asked.arguments)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=found)


def _regexp_like(asked: Call) -> exp.Expr:
    asked.need(2, 3)
    return call("regexp_matches", *asked.arguments)


def _typeof(asked: Call) -> exp.Expr:
    asked.need(1)
    kind = asked.kinds[0]
    return text("BOOLEAN" if kind == "null_type" else (kind or "string").upper())


def _median(asked: Call) -> exp.Expr:
    return call("quantile_disc", asked.arguments[0], exp.Literal.number("0.5"))


def _number_truncated(asked: Call) -> exp.Expr:
    asked.need(1, 2)
    number, *places = asked.arguments
    if not places:
        return call("trunc", number)
    shift = call("pow", exp.Literal.number(10), places[0])
    moved = exp.Mul(this=exp.Paren(this=number), expression=shift.copy())
    return exp.Paren(this=exp.Div(this=call("trunc", moved), expression=shift))


RULES: dict[str, Rule] = {
    "sleep": _sleep,
    "group_concat": _group_concat,
    "count": _count,
    "if": _if,
    "decode": _decode,
    "concat": _concat,
    "greatest": _extreme,
    "least": _extreme,
    "typeof": _typeof,
    "regexp_like": _regexp_like,
    "appx_median": _median,
    "truncate": _number_truncated,
    "dtrunc": _number_truncated,
    "user": _known(lambda around: around.user),
    "effective_user": _known(lambda around: around.user),
    "logged_in_user": _known(lambda around: around.user),
    "session_user": _known(lambda around: around.user),
    "current_database": _known(lambda around: around.database),
    "version": lambda _asked: text(VERSION),
    "coordinator": lambda _asked: text("localhost"),
}
