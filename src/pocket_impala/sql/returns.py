"""What types Impala's functions return, as far as the types decide what a query means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

from pocket_impala.sql import arithmetic
from pocket_impala.sql.typenames import INTEGERS

Kind: TypeAlias = "str | None"
Rule = Callable[[Sequence[Kind]], Kind]

_AVERAGE_SCALE = 6


def _first(kinds: Sequence[Kind]) -> Kind:
    return kinds[0] if kinds else None


def _all(kinds: Sequence[Kind]) -> Kind:
    return reduce(arithmetic.common, kinds) if kinds else None


def _after_first(kinds: Sequence[Kind]) -> Kind:
    return _all(kinds[1:])


def _sum(kinds: Sequence[Kind]) -> Kind:
    kind = _first(kinds)
    if kind in INTEGERS:
        return "bigint"
    if kind is not None and arithmetic.is_decimal(kind):
        return f"decimal(38,{arithmetic.digits(kind)[1]})"
    return "double" if kind in ("float", "double") else None


def _average(kinds: Sequence[Kind]) -> Kind:
    kind = _first(kinds)
    if kind is not None and arithmetic.is_decimal(kind):
        return f"decimal(38,{max(_AVERAGE_SCALE, arithmetic.digits(kind)[1])})"
    return "timestamp" if kind == "timestamp" else "double"


def _rounded(kinds: Sequence[Kind]) -> Kind:
    kind = _first(kinds)
    return kind if kind in ("double", "float", *INTEGERS) else None


def _whole(kinds: Sequence[Kind]) -> Kind:
    kind = _first(kinds)
    if kind is not None and arithmetic.is_decimal(kind):
        precision, scale = arithmetic.digits(kind)
        return f"decimal({precision - scale + 1 if scale else precision},0)"
    return kind


def _shifted(kinds: Sequence[Kind]) -> Kind:
    return "date" if _first(kinds) == "date" else "timestamp"


def _truncated(kinds: Sequence[Kind]) -> Kind:
    kind = _first(kinds)
    return kind if kind in ("date", "timestamp") or not arithmetic.is_text(kind) else "timestamp"


_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds",
          "microseconds", "nanoseconds")  # fmt: skip


def _table(kind: Kind | Rule, names: str) -> dict[str, Kind | Rule]:
    return dict.fromkeys(names.split(), kind)


RETURNS: dict[str, Kind | Rule] = {
    **_table("bigint", "count ndv row_number rank dense_rank ntile unix_timestamp"
                       " utc_to_unix_micros quotient factorial date_part"),
    **_table("int", "year quarter month week weekofyear day dayofmonth dayofweek dayofyear hour"
                    " minute second millisecond datediff length char_length character_length bytes"
                    " utf8_length instr locate find_in_set ascii levenshtein le_dst sign"
                    " date_cmp timestamp_cmp int_months_between precision scale countset"),
    **_table("double", "stddev stddev_pop stddev_samp variance var_pop var_samp sqrt exp ln log"
                       " log2 log10 pow power dpow fpow rand random pi e sin cos tan cot asin acos"
                       " atan atan2 degrees radians percent_rank cume_dist months_between"),
    **_table("string", "concat concat_ws substr substring lower upper lcase ucase trim ltrim rtrim"
                       " btrim lpad rpad repeat replace reverse initcap translate split_part space"
                       " strleft strright left right regexp_replace regexp_extract regexp_escape"
                       " group_concat md5 sha1 sha2 hex from_unixtime from_timestamp to_date"
                       " dayname monthname typeof user effective_user current_database version uuid"
                       " base64encode base64decode chr get_json_object timeofday"),
    **_table("boolean", "regexp_like isnotnull nonnullvalue nullvalue istrue isfalse isnottrue"
                        " isnotfalse is_nan is_inf sleep starts_with ends_with"),
    **_table("timestamp", "now current_timestamp utc_timestamp to_timestamp from_utc_timestamp"
                          " to_utc_timestamp unix_micros_to_utc_timestamp next_day"),
    **_table("date", "current_date"),
    **_table(_first, "min max first_value last_value nth_value lag lead nullif nullifzero"
                     " appx_median abs negative positive mod"),
    **_table(_all, "coalesce nvl ifnull isnull greatest least zeroifnull pmod bitand bitor bitxor"),
    **_table(_after_first, "if nvl2"),
    **_table(_sum, "sum"),
    **_table(_average, "avg"),
    **_table(_whole, "ceil ceiling floor dceil dfloor"),
    **_table(_rounded, "round dround"),
    **_table(_truncated, "trunc date_trunc truncate"),
    **_table(_shifted, "date_add date_sub adddate subdate add_months last_day"),
    **{f"{unit}_{way}": _shifted for unit in _UNITS for way in ("add", "sub")},
}  # fmt: skip
