"""
What type a calculation has in Impala (DECIMAL_V2): the next larger integer, the exact decimal.

Types are Impala's names; None is a type that is not known.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

from pocket_impala.sql.typenames import INTEGERS

_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_MOST = 38
_LEAST_SCALE = 6
_ORDER = (*INTEGERS, "float", "double")


def integer_literal(text: str) -> str:
    """The type of an integer literal: the smallest that holds it."""
    value = int(text)
    for kind, bits in zip(INTEGERS, (8, 16, 32, 64), strict=True):
        if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            return kind
    return f"decimal({min(len(text.lstrip('-')), _MOST)},0)"


def decimal_literal(text: str) -> str:
    """The type of a literal with a point: exact if it fits, else DOUBLE."""
    if "e" in text.lower():
        return "double"
    whole, _, fraction = text.partition(".")
    whole = whole.lstrip("0")
    digits = max(len(whole) + len(fraction), 1)
    return f"decimal({digits},{len(fraction)})" if digits <= _MOST else "double"


def is_decimal(kind: str | None) -> bool:
    """Whether *kind* is a DECIMAL."""
    return kind is not None and kind.startswith("decimal")


def is_fraction(kind: str | None) -> bool:
    """Whether *kind* is a DECIMAL below 1; Impala writes a zero before its point, not DuckDB."""
    return kind is not None and is_decimal(kind) and digits(kind)[0] == digits(kind)[1]


def is_text(kind: str | None) -> bool:
    """Whether *kind* holds characters."""
    return kind is not None and (kind == "string" or "char" in kind.split("(", 1)[0])


def is_number(kind: str | None) -> bool:
    """Whether *kind* is a number."""
    return kind in _ORDER or is_decimal(kind)


def digits(kind: str) -> tuple[int, int]:
    """Precision and scale of a DECIMAL, or of the one that holds an integer type."""
    if kind in _DIGITS:
        return _DIGITS[kind], 0
    precision, scale = kind[len("decimal(") : -1].split(",")
    return int(precision), int(scale)


def bounded(precision: int, scale: int) -> str:
    """The DECIMAL of that many digits; of too many it gives up fraction, down to six digits."""
    if precision > _MOST:
        scale = max(min(scale, _LEAST_SCALE), scale - (precision - _MOST))
        precision = _MOST
    return f"decimal({precision},{scale})"


def calculated(operator: str, left: str | None, right: str | None) -> str | None:
    """The type of ``left operator right`` for ``+ - * / %``; None when that is not known."""
    if left is None or right is None or not (is_number(left) and is_number(right)):
        return None
    if left in INTEGERS and right in INTEGERS:
        return _integers(operator, left, right)
    if "float" in (left, right) or "double" in (left, right):
        return "double"
    return _decimals(operator, digits(left), digits(right))


def _integers(operator: str, left: str, right: str) -> str:
    if operator == "/":
        return "double"
    place = max(INTEGERS.index(left), INTEGERS.index(right))
    return INTEGERS[place if operator == "%" else min(place + 1, len(INTEGERS) - 1)]


def _decimals(operator: str, left: tuple[int, int], right: tuple[int, int]) -> str:
    (p1, s1), (p2, s2) = left, right
    scale = max(s1, s2)
    if operator == "*":
        return bounded(p1 + p2 + 1, s1 + s2)
    if operator == "/":
        scale = max(_LEAST_SCALE, s1 + p2 + 1)
        return bounded(p1 - s1 + s2 + scale, scale)
    if operator == "%":
        return bounded(min(p1 - s1, p2 - s2) + scale, scale)
    return bounded(max(p1 - s1, p2 - s2) + scale + 1, scale)


def quotient(left: str, right: str, scale: int) -> str:
    """*left* through *right*, both DECIMAL, rounded to *scale* digits; DuckDB's is a DOUBLE."""
    exactly, divisor = Context(prec=3 * _MOST, rounding=ROUND_HALF_UP), Decimal(right)
    if not divisor:
        return "0"  # for such rows another branch raises the error
    found = exactly.divide(Decimal(left), divisor)
    return f"{exactly.quantize(found, Decimal(1).scaleb(-scale)):f}"


def common(left: str | None, right: str | None) -> str | None:
    """The type that holds both, as in CASE and UNION; None when that is not known."""
    if right in (left, "null_type"):
        return left
    if left == "null_type" or left is None or right is None:
        return right if left == "null_type" else None
    if is_number(left) and is_number(right):
        return _common_number(left, right)
    if is_text(left) and is_text(right):
        return "string"
    return "timestamp" if {left, right} == {"date", "timestamp"} else None


def _common_number(left: str, right: str) -> str:
    if left in _ORDER and right in _ORDER:
        return _ORDER[max(_ORDER.index(left), _ORDER.index(right))]
    if left in _ORDER[len(INTEGERS) :] or right in _ORDER[len(INTEGERS) :]:
        return "double"
    (p1, s1), (p2, s2) = digits(left), digits(right)
    return bounded(max(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2))
