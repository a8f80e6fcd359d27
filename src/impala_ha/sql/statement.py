"""
What a SQL statement does, as far as failover needs it.

Comments and quoted text are removed (so that ``'--'`` in a literal is no comment and ``insert`` in
one is no write); the keywords that are left decide.  In doubt a statement is a write, and is never
run twice.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

from .scanner import TokenType, split, type_of

_WORD = r"[a-z_]+"
_SET = r"(?i)set\s+([\w.:]+)\s*=\s*"
_USE = r"(?i)use\s+(?:`([^`]+)`|(\w+))[\s;]*$"
_WRITE = r"\b(insert|upsert|update|delete|create|merge|load|alter|drop)\b"

ALL = "*"  # the name of all query options

_READS = frozenset({"select", "values", "show", "describe", "desc", "explain", "use", "set"})
_ROWS = frozenset({"select", "values"})  # what gives a new table its rows
_SOURCES = frozenset({"from", "with"})
# Depend on the time, the session or the order of rows without being called, in Hive and Spark too;
# and Spark's `TABLE t`, which reads a table.
_VOLATILE = frozenset(
    """
    limit offset tablesample rows table current_date current_time current_timestamp current_user
    session_user user current_catalog current_database current_schema localtime localtimestamp
    """.split()
)
# Whatever stands before a bracket, also names that Impala's scanner knows and we do not; a quoted
# one is a question mark by then.
_APART = r"\s()\[\],;=<>!+*/%&|^~-"
_CALL = rf"(?<![^{_APART}])([^{_APART}]+)\s*\("
_DOT = r"(?<!\s)\s*\.\s*"  # blanks may stand around it
# The target of an INSERT OVERWRITE or UPSERT: its name and its columns; then a static partition, or
# the rows.
_TARGET = r"[\s(]*(insert\s+overwrite|upsert\s+into)(?:\s+table)?\s+[\w.?]+\s*(?:\([\w\s,?]*\)\s*)?"
_STATIC = r"partition\s*\([\w\s?]+=[\w\s?.+-]+(?:,[\w\s?]+=[\w\s?.+-]+)*\)"
_BEGIN = r"[\s(]*(?:select|values|with)\b|straight_join\b|\["
# Keywords and deterministic functions before a bracket.  Others may depend on random numbers, the
# clock or the session, or be the user's; a sum of floating point depends on the order of the rows.
_DETERMINISTIC = frozenset(
    """
    values select from join on using where having by and or not in exists as then when else between
    like ilike rlike union all except intersect distinct over partition interval
    case cast coalesce decode greatest if ifnull isfalse isnotfalse isnottrue isnull istrue least
    nonnullvalue nullif nullifzero nullvalue nvl nvl2 typeof zeroifnull
    abs acos asin atan atan2 ceil ceiling conv cos cosh cot degrees e exp factorial floor fmod
    fnv_hash hex is_inf is_nan ln log log10 log2 mod murmur_hash negative pi pmod positive pow power
    precision quotient radians round scale sign sin sinh sqrt tan tanh trunc truncate unhex
    bitand bitnot bitor bitxor countset getbit rotateleft rotateright setbit shiftleft shiftright
    add_months adddate date_add date_part date_sub date_trunc datediff day dayname dayofmonth
    dayofweek dayofyear days_add days_sub extract from_timestamp from_unixtime from_utc_timestamp
    hour hours_add hours_sub last_day minute minutes_add minutes_sub month monthname months_add
    months_between months_sub quarter second seconds_add seconds_sub subdate to_date to_timestamp
    to_utc_timestamp week weekofyear weeks_add weeks_sub year years_add years_sub
    ascii base64decode base64encode btrim bytes char_length character_length chr concat concat_ws
    find_in_set initcap instr lcase left length locate lower lpad ltrim parse_url regexp_escape
    regexp_extract regexp_like regexp_replace repeat replace reverse right rpad rtrim space
    split_part strleft strright substr substring translate trim ucase upper
    count dense_rank max min rank
    """.split()
)
_REFRESHES = ("refresh", "invalidate metadata", "compute stats", "compute incremental stats")


class Effect(enum.Enum):
    """The effect of running a statement again."""

    READ = "reads only"
    IDEMPOTENT = "changes nothing more when it runs again"
    WRITE = "must not run twice"


class Kind(enum.Enum):
    """Kinds of statements, as far as Impala executes them in different places."""

    QUERY = "queries"
    DML = "DML"
    CTAS = "CREATE TABLE AS SELECT"
    LOAD = "LOAD DATA"
    CONVERT = "ALTER TABLE .. CONVERT TO ICEBERG"
    COMPUTE_STATS = "COMPUTE STATS"
    DDL = "other DDL"
    OTHER = "statements that Impala does not have"


_KINDS = {
    **dict.fromkeys(
        ("insert", "upsert", "update", "delete", "merge", "optimize", "with"), Kind.DML
    ),
    **dict.fromkeys(
        """
        create drop alter truncate refresh invalidate grant revoke comment copy kill unset
        """.split(),
        Kind.DDL,
    ),
    "load": Kind.LOAD,
    "compute": Kind.COMPUTE_STATS,
}
_RUN = frozenset({"analyze", "reoptimization"})  # with these EXPLAIN runs the statement in Hive
_VERBS = _READS | _KINDS.keys() | {"from"}


@dataclass(frozen=True, slots=True)
class Statement:
    """
    One parsed statement.

    Attributes:
        effect: The effect of running it again.
        kind: Its kind.
        setting: ``(option, value)`` if it changes the session (``USE`` is ``use:database``,
            ``UNSET ALL`` is `ALL`).
        replaces: Whether it replaces rows by rows from tables or views (INSERT OVERWRITE, UPSERT),
            so that its plan may show that it is idempotent.
        static: How many partition keys an INSERT OVERWRITE gives with their values (0 without a
            partition clause); None where the rows determine one.
        deterministic: Whether nothing in the text depends on the time, the session or random
            numbers.  (A view that it reads may.)
    """

    effect: Effect
    kind: Kind = Kind.OTHER
    setting: tuple[str, str] | None = None
    replaces: bool = False
    static: int | None = None
    deterministic: bool = False

    @classmethod
    def parse(cls, sql: str) -> Statement:
        """Parse *sql*; what is not understood is a write."""
        return _parsed(sql) if len(sql) <= _SHORT else cls._parse(sql)

    @classmethod
    def _parse(cls, sql: str) -> Statement:
        parts = split(sql.lstrip("\ufeff \t\r\n\f"))
        bare = _bare(sql, parts)
        head, _, more = bare.partition(";")
        if more.strip("; \t\r\n\f") or "\0" in bare:
            return cls(Effect.WRITE)  # several statements, or an open quote
        words = re.findall(_WORD, head)
        if setting := _setting(words, parts):
            return cls(Effect.READ, Kind.QUERY, setting)
        effect, kind = _effect(words, head), _kind(words, head)
        if effect is Effect.READ:
            return cls(effect, Kind.QUERY)
        if effect is Effect.IDEMPOTENT or not _replaces(words):
            return cls(effect, kind)
        static, same = _target(head)
        replaces = not _ROWS.isdisjoint(words) and (static is not None or same)
        return cls(effect, kind, replaces=replaces, static=static, deterministic=same)


_SHORT = 4096  # characters; a longer text is not kept


@lru_cache(maxsize=256)
def _parsed(sql: str) -> Statement:
    """Programs send the same texts again and again."""
    return Statement._parse(sql)  # noqa: SLF001


def _setting(words: list[str], parts: list[str]) -> tuple[str, str] | None:
    """``(option, value)`` that the statement sets; None if it sets nothing."""
    first = words[0] if words else ""
    if first not in {"use", "set", "unset"}:
        return None
    text = "".join(part if part[:2] not in _COMMENTS else " " for part in parts).strip()
    if first == "use" and (use := re.match(_USE, text)):
        return "use:database", use[1] or use[2]
    if first == "set" and (option := re.match(_SET, text)):
        return option[1], _unquoted(text[option.end() :].rstrip("; \t\r\n\f"))
    return (ALL, "") if words == ["unset", "all"] else None


def _bare(sql: str, parts: list[str]) -> str:
    """*sql* in lower case, without comments and quoted text; with a NUL where that is in doubt."""
    bare = "".join(
        ["?" if part[0] in _QUOTES else " " if part[:2] in _COMMENTS else part for part in parts]
    )
    if (parts and type_of(parts[-1]) is TokenType.UNCLOSED) or "${" in bare or _is_odd(sql, parts):
        bare += "\0"
    return bare.strip().upper().lower()  # Hive and Spark read a dotless i, or a long s, as I and S


_QUOTES = frozenset("'\"`")
_COMMENTS = frozenset({"--", "/*"})


def _is_odd(sql: str, parts: list[str]) -> bool:
    """
    Is it in doubt where a comment or a literal ends?

    It is where the comment's line ends with a carriage return alone.  And Impala reads a hint as
    code, so that a quote or another comment in it may go on behind it.  Spark's comments nest; in
    its raw literals, r'...', and in the quoted names of Hive and Spark a backslash escapes nothing.
    """
    if any(
        part[:2] in _COMMENTS
        and ((part[1] == "*" and part.rfind("/*") > 0) or re.match(_ODD_HINT, part))
        for part in parts
    ):
        return True
    if "\\" in sql and any(
        "\\" in then and (then[0] == "`" or (then[0] in _QUOTES and re.search(_RAW, part)))
        for part, then in zip(["", *parts], parts, strict=False)
    ):
        return True
    after = zip(parts, [*parts[1:], ""], strict=False) if "\r" in sql else ()
    return any(part[:2] == "--" and then[:1] == "\r" and then[1:2] != "\n" for part, then in after)


_RAW = r"(?<!\w)[rR]$"
_ODD_HINT = r"(?:--|/\*) *\+[^\r\n]*?(?:['\"`]|--|/\*)"


def _effect(words: list[str], text: str) -> Effect:
    if words[:1] == ["explain"]:
        verb = next((at for at, word in enumerate(words) if at and word in _VERBS), len(words))
        words = words if _RUN.isdisjoint(words[:verb]) else words[verb:]
    first = words[0] if words else ""
    if not re.match(r"[\s(]*[a-z]", text):
        return Effect.WRITE
    if first in _READS or (first == "with" and not re.search(_WRITE, text)):
        return Effect.READ
    if " ".join(words[:3]).startswith(_REFRESHES):
        return Effect.IDEMPOTENT
    if _replaces(words) and not _ROWS.isdisjoint(words) and _SOURCES.isdisjoint(words):
        return Effect.IDEMPOTENT if _target(text)[1] else Effect.WRITE  # the rows stand in the text
    if first in {"create", "drop"} and _guarded(words) and not _creates_rows(words, text):
        return Effect.IDEMPOTENT
    return Effect.WRITE


def _kind(words: list[str], text: str) -> Kind:
    if _creates_rows(words, text):
        return Kind.CTAS
    if words[:1] == ["alter"] and {"convert", "iceberg"}.issubset(words):
        return Kind.CONVERT
    return _KINDS.get(words[0], Kind.OTHER) if words else Kind.OTHER


def _replaces(words: list[str]) -> bool:
    """Is it an ``INSERT OVERWRITE`` or ``UPSERT``?"""
    return words[:2] == ["insert", "overwrite"] or words[:2] == ["upsert", "into"]


def _target(head: str) -> tuple[int | None, bool]:
    """
    The number of static partition keys of an INSERT OVERWRITE or UPSERT; is it deterministic?

    The partition is searched for functions too: ``day=cast(now() as date)`` is allowed there, and
    would be another partition after midnight.
    """
    head = re.sub(_DOT, ".", head)
    match = re.match(_TARGET, head)
    if match is None:
        return None, False
    rest = head[match.end() :]
    same = _DETERMINISTIC.issuperset(re.findall(_CALL, rest)) and _VOLATILE.isdisjoint(
        re.findall(_WORD, rest)
    )
    partition = re.match(_STATIC, rest)
    named = partition[0] if partition else ""
    known = bool(partition or re.match(_BEGIN, rest))
    if match[1].startswith("upsert") or not (
        known and _VOLATILE.isdisjoint(re.findall(_WORD, named))
    ):
        return None, same
    return named.count("="), same


def _guarded(words: list[str]) -> bool:
    """Has it ``IF [NOT] EXISTS`` in its place?"""
    head = r"(?:create|drop) [a-z_]+ (?:[a-z_]+ )?if (?:not )?exists\b"
    return re.match(head, " ".join(words)) is not None


def _creates_rows(words: list[str], text: str) -> bool:
    """
    Is it a ``CREATE TABLE`` with rows, also without ``AS``, as in Spark?

    The ``VALUES`` between the bounds of Kudu's ranges are no rows.
    """
    if words[:1] != ["create"] or "table" not in words:
        return False
    behind = words[words.index("table") + 1 :]
    return not _TABLES.isdisjoint(behind) or re.search(_VALUES, text) is not None


_TABLES = frozenset({"select", "table"})
_VALUES = r"\bvalues\b(?!\s*[<),=])"


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
