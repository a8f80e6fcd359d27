"""
What a SQL text does, as far as failover needs to know.

One pass takes out comments and quoted text (so that ``'--'`` in a literal does not eat the rest,
and ``insert`` in one is no write); the words that are left decide.  In doubt a statement is a
write: it is then never run twice.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

# Texts, not compiled: `re` compiles and keeps them at their first use, and not at each import.
_PIECES = (
    r"""(?s)(?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`\\]*`)"""
    # Does a line end at a carriage return alone?  It is not worth being wrong about it.
    r"""|(?P<open>--[^\r\n]*\r(?!\n))"""
    r"""|(?P<comment>--[^\r\n]*|/\*.*?\*/)|(?P<unclosed>['"`]|/\*)"""
)
_WORD = r"(?i)[a-z_]+"
_SET = r"(?is)set\s+([\w.:]+)\s*=\s*(.*?)[\s;]*$"
_USE = r"(?i)use\s+(?:`([^`]+)`|(\w+))[\s;]*$"
_WRITE = r"\b(insert|upsert|update|delete|create|merge|load|alter|drop)\b"

_READS = frozenset({"select", "values", "show", "describe", "desc", "explain", "use", "set"})
_ROWS = frozenset({"select", "values"})  # what gives a new table its rows
_SOURCES = frozenset({"from", "with"})
_CHANCE = frozenset(
    {"limit", "tablesample"} | {f"current_{n}" for n in ("date", "time", "timestamp")}
)
_CALL = r"([\w.?]+)\s*\("  # a quoted name is a question mark by then
# What may stand before a bracket and gives the same wherever and whenever it is asked.  Others may
# draw lots, look at the clock or at the session, or be functions of the user's.
_SAME = frozenset(
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
    avg count dense_rank max min ndv rank stddev sum variance
    """.split()  # noqa: SIM905 - nobody could read it with quotes around each word
)
_REFRESHES = ("refresh", "invalidate metadata", "compute stats", "compute incremental stats")


class Effect(enum.Enum):
    """What running a statement once more would do."""

    READ = "reads only"
    HARMLESS = "changes nothing more when it runs again"
    WRITE = "must not run twice"


class Kind(enum.Enum):
    """What kind of statement."""

    QUERY = "query"
    DML = "dml"
    CTAS = "ctas"
    LOAD = "load"
    CONVERT = "convert"
    COMPUTE_STATS = "compute stats"
    DDL = "ddl"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Statement:
    """
    What one text does.

    Attributes:
        effect: What running it again would do.
        setting: ``(option, value)`` if it changes the session (``USE`` is ``use:database``).
        early: Whether part of it is done before admission: a ``CREATE TABLE AS SELECT`` that is
            turned away by the queue has already made its table.
        replaces: Whether running it again would do no harm if it does not read what it writes:
            an ``INSERT OVERWRITE`` or ``UPSERT`` of rows from tables or views, which only the
            coordinator can look through (see `reads_what_it_writes`).
    """

    effect: Effect
    setting: tuple[str, str] | None = None
    early: bool = False
    replaces: bool = False

    @property
    def kind(self) -> Kind:
        """Temporary."""
        if self.early:
            return Kind.CTAS
        return Kind.QUERY if self.effect is Effect.READ else Kind.DML

    @property
    def repeatable(self) -> bool:
        """Is running it twice the same as running it once?"""
        return self.effect is not Effect.WRITE

    @classmethod
    def parse(cls, sql: str) -> Statement:
        """Read *sql*; when in doubt it is a write."""
        text = re.sub(_PIECES, _kept, sql)
        text = text.lstrip("\ufeff").strip()
        bare = re.sub(_PIECES, " ? ", text).lower()
        head, _, more = bare.partition(";")
        if more.strip("; \t\r\n") or "\0" in bare:
            return cls(Effect.WRITE)  # several statements, or something left open
        if use := re.match(_USE, text):
            return cls(Effect.READ, ("use:database", use[1] or use[2]))
        if option := re.match(_SET, text):
            return cls(Effect.READ, (option[1], _unquoted(option[2])))
        words = re.findall(_WORD, head.lstrip("( \t\r\n"))
        effect = _effect(words, head)
        replaces = effect is Effect.WRITE and _replaces(words, head)
        return cls(effect, early=_creates_as_select(words), replaces=replaces)


def _kept(piece: re.Match[str]) -> str:
    """Quoted text as it is, nothing of a comment, and a mark for what is not sure."""
    return piece["quoted"] or (" " if piece["comment"] else "\0")


def _effect(words: list[str], text: str) -> Effect:
    if words[:2] == ["explain", "analyze"]:  # Hive runs what it explains so
        words = words[2:]
    first = words[0] if words else ""
    if not re.match(r"[\s(]*[a-z]", text):
        return Effect.WRITE
    if first in _READS or (first == "with" and not re.search(_WRITE, text)):
        return Effect.READ
    if " ".join(words[:3]).startswith(_REFRESHES):
        return Effect.HARMLESS
    if _replaces(words, text) and _SOURCES.isdisjoint(words):
        return Effect.HARMLESS  # the rows stand in the text
    if first in {"create", "drop"} and _guarded(words) and not _creates_as_select(words):
        return Effect.HARMLESS
    return Effect.WRITE


def _replaces(words: list[str], text: str) -> bool:
    """
    ``INSERT OVERWRITE`` and ``UPSERT``: their rows take the place of others.

    If they are the same rows: a key or partition that was drawn by lot is another one next time.
    """
    over = words[:2] == ["insert", "overwrite"] or words[:1] == ["upsert"]
    made = re.search(r"\b(?:select|values)\b.*", text, re.DOTALL)
    if not over or made is None:
        return False
    return _SAME.issuperset(re.findall(_CALL, made[0])) and _CHANCE.isdisjoint(words)


def _guarded(words: list[str]) -> bool:
    """``IF [NOT] EXISTS`` near the head, where it belongs."""
    head = r"(?:create|drop) [a-z_]+ (?:[a-z_]+ )?if (?:not )?exists\b"
    return re.match(head, " ".join(words)) is not None


def _creates_as_select(words: list[str]) -> bool:
    return words[:1] == ["create"] and "table" in words[:3] and not _ROWS.isdisjoint(words)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def reads_what_it_writes(plan: str) -> bool:
    """
    Does a write read the table that it writes?

    Args:
        plan: What EXPLAIN says of it: its sink names the table that is written, and each scan one
            that is read, however many views are between.  In doubt it does.
    """
    written = re.findall(r"(?m)^\W*(?:WRITE TO|INSERT INTO|UPSERT INTO) \w+ \[([^\s,\]]+)", plan)
    scans = re.findall(r"(?m)^\W*\d+:.*SCAN\b(.*)", plan)
    read = [re.match(r"[\w ]* \[([^\s,\]]+)", scan) for scan in scans]
    if len(written) != 1 or not all(read):
        return True
    return written[0].lower() in {found[1].lower() for found in read if found}


def literals(sql: str) -> list[tuple[int, int]]:
    """Where quoted text and comments stand in *sql*, as (start, end)."""
    return [piece.span() for piece in re.finditer(_PIECES, sql)]
