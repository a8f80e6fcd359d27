"""CAST as Impala has it: what cannot be read is NULL, booleans are 1 and 0, CHAR is padded."""

from __future__ import annotations

from sqlglot import exp

from pocket_impala.sql.arithmetic import is_decimal, is_fraction, is_number, is_text
from pocket_impala.sql.rules import as_type, call, text
from pocket_impala.sql.typenames import INTEGERS, to_duck

_MICROSECONDS = 1_000_000
_MICRO_DIGITS = 6
_NANO_YEARS = ("1678", "2261")  # whole years that 64 bits of nanoseconds reach


def cast(node: exp.Expr, kind: str | None, target: str, *, nanoseconds: bool) -> exp.Expr:
    """
    *node*, which has the Impala type *kind*, as *target*.

    DuckDB's nanoseconds reach from 1677 to 2262 only and draw every value that they meet to
    that range; *nanoseconds* says that a literal stands alone.
    """
    if target == "string":
        return _to_text(node, kind)
    if "char(" in target:
        return _to_char(_to_text(node, kind), target)
    if target in INTEGERS:
        return _to_integer(node, kind, target)
    if target == "timestamp":
        return _to_timestamp(node, kind, nanoseconds=nanoseconds)
    if target == "binary" and is_text(kind):
        return call("encode", as_type(node.copy(), "VARCHAR"))
    strict = target == "date" or is_decimal(target)
    return as_type(node.copy(), to_duck(target), strict=strict)


def _to_text(node: exp.Expr, kind: str | None) -> exp.Expr:
    if kind == "timestamp":
        return call("impala_text", node.copy())
    if kind == "boolean":
        return as_type(as_type(node.copy(), "INTEGER"), "VARCHAR")
    if kind == "binary":
        return call("try", call("decode", node.copy()))
    plain = as_type(node.copy(), "VARCHAR")
    if kind in ("float", "double"):
        return call("regexp_replace", plain, text(r"\.0$"), text(""))
    if is_fraction(kind):
        return call("regexp_replace", plain, text(r"^(-?)\."), text(r"\10."))
    return plain


def _to_char(node: exp.Expr, target: str) -> exp.Expr:
    width = target[target.find("(") + 1 : -1]
    cut = call("left", node, exp.Literal.number(width))
    return (
        cut
        if target.startswith("varchar")
        else call("impala_padded", cut, exp.Literal.number(width))
    )


def _to_integer(node: exp.Expr, kind: str | None, target: str) -> exp.Expr:
    if kind == "timestamp":
        return as_type(call("floor", call("epoch", node.copy())), to_duck(target), strict=False)
    if kind in ("float", "double"):
        return as_type(call("trunc", node.copy()), to_duck(target), strict=False)
    return as_type(node.copy(), to_duck(target), strict=False)


def _to_timestamp(node: exp.Expr, kind: str | None, *, nanoseconds: bool) -> exp.Expr:
    if is_number(kind):
        micros = exp.Mul(
            this=exp.Paren(this=node.copy()), expression=exp.Literal.number(_MICROSECONDS)
        )
        return call("make_timestamp", as_type(micros, "BIGINT"))
    if nanoseconds and node.is_string and _has_nanoseconds(node.name):
        return as_type(node.copy(), "TIMESTAMP_NS", strict=False)
    return as_type(node.copy(), "TIMESTAMP", strict=False)


def _has_nanoseconds(value: str) -> bool:
    fraction = value.partition(".")[2].rstrip("0")
    return len(fraction) > _MICRO_DIGITS and _NANO_YEARS[0] <= value[:4] <= _NANO_YEARS[1]
