r"""
From the text of a script to the statements that the server gets.

Everything that can be wrong with a script without asking a server is found here, before anything
is opened: an ETL job that breaks off at its fortieth statement because of a typing error in the
forty-first costs somebody the night.

Impala has no ``BEGIN ... END``; outside of quotes and comments every semicolon ends a statement.

Some lines that impala-shell understands never reach a server.  ``SET VAR:name=value``,
``UNSET``, ``quit`` and ``SET option=value`` with a bare value do here what they do there.  The
other commands of the shell (``profile``, ``source``, ...) have no meaning in a script of SQL and
are refused.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.sql.scanner import TokenType, scan
from impala_ha.sql.statement import Effect, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPENED_BY = {
    "/*": "comment that starts with /*",
    "'": "string that starts with '",
    '"': 'string that starts with "',
    "`": "name that starts with `",
}

_VARIABLE = re.compile(r"(?<!\\)\$\{([^}]+)\}")
_SPACE_NAME = re.compile(r"(?:VAR|HIVEVAR):(.*)", re.IGNORECASE | re.DOTALL)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SET = re.compile(r"SET\s+((?:(?:VAR|HIVEVAR):)?\w+)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_UNSET = re.compile(r"UNSET\s+((?:(?:VAR|HIVEVAR):)?\w+)", re.IGNORECASE)
_VALUE_AS_SQL = re.compile(r"\w+|-?\d+(?:\.\d+)?|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`")
_LEAVE = {"quit", "exit"}
_SCREEN_OF_THE_SHELL = frozenset({"LIVE_PROGRESS", "LIVE_SUMMARY", "VERBOSE"})
_OPTIONS_OF_THE_SHELL = {
    "WRITE_DELIMITED": "-B",
    "DELIMITER": "--output_delimiter",
    "OUTPUT_FILE": "-o",
    "PROFILE_OUTPUT": "--profile_output",
    "PROFILE_FORMAT": "--profile_format",
    "VERTICAL": "-E",
}
_OF_THE_SHELL = re.compile(
    r"(connect|help|history|profile|rerun|shell|source|src|summary|tip|version)\b(?!\s*\()|[!@?]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """
    One statement.

    Attributes:
        text: What the server gets: variables replaced, no semicolon at the end.
        line: Where its first word stands in the script, from 1.
        verb: That word, in upper case.
    """

    text: str
    line: int
    verb: str

    @property
    def is_query(self) -> bool:
        """Does it read, so that its result is rows and not a word on what was done?"""
        reads = Statement.parse(self.text).effect is Effect.READ
        return reads and self.verb not in {"USE", "SET", "UNSET"}


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between two semicolons: all of it, and the same without its comments."""

    text: str
    bare: str
    line: int


def decoded(raw: bytes, origin: str) -> str:
    """
    The text of a script.

    Args:
        raw: Its bytes: UTF-8, with or without a byte order mark.
        origin: Its name for the error.

    Raises:
        BadInput: When it is not UTF-8; the text names line and byte offset.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadInput(f"{origin} is UTF-16, not UTF-8; `iconv -f UTF-16 -t UTF-8` converts it")
    try:
        return raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        # Decoded again from the first byte, so that the offset counts the byte order mark too.
        return _refuse_bytes(raw, origin)


def _refuse_bytes(raw: bytes, origin: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{origin} is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}"
            f" (line {line})"
        ) from None


def statements(text: str, variables: Mapping[str, str], origin: str) -> tuple[ScriptStatement, ...]:
    """
    Cut a script into its statements, with variables replaced, in the order they stand.

    Args:
        text: The script.
        variables: What ``--var`` gave, by name in upper case.
        origin: The script's name for errors.

    Raises:
        BadInput: An open quote, an unknown variable, a command or an option of impala-shell.
    """
    known = dict(variables)
    found = []
    for piece in _pieces(text, origin):
        where = f"{origin}, line {piece.line}"
        bare = substituted(piece.bare, known, where)
        if bare.lower() in _LEAVE:
            break
        if word := _OF_THE_SHELL.match(bare):
            raise BadInput(f"{where}: {word[0]!r} is a command of impala-shell, not SQL")
        if _remembered(bare, known) or _is_for_the_shell(bare, where):
            continue
        sent = as_sql(bare) or substituted(piece.text, known, where)
        found.append(ScriptStatement(sent, piece.line, bare.split(maxsplit=1)[0].upper()))
    return tuple(found)


def substituted(text: str, variables: Mapping[str, str], where: str) -> str:
    r"""
    *text* with each ``${VAR:name}`` replaced; ``\${`` is left alone, as impala-shell does.

    Raises:
        BadInput: An unknown variable, or another name space than VAR and HIVEVAR.
    """

    def value(match: re.Match[str]) -> str:
        name = _SPACE_NAME.fullmatch(match[1])
        if name is None:
            raise BadInput(f"{where}: unknown substitution {match[0]}; write ${{VAR:name}}")
        if name[1].upper() not in variables:
            raise BadInput(f"{where}: unknown variable {name[1]!r}; give it with --var")
        return variables[name[1].upper()]

    return _VARIABLE.sub(value, text)


def assignments(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """
    What ``--var`` or ``-Q`` said, by name in upper case; a later one may use an earlier one.

    Raises:
        BadInput: One that is not KEY=VALUE.
    """
    values: dict[str, str] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise BadInput(f"{option}: {pair!r} is not KEY=VALUE (a letter, then A-Z, 0-9 and _)")
        values[key.upper()] = substituted(value, values, option)
    return values


def _pieces(text: str, origin: str) -> Iterator[_Piece]:
    """The script cut at its semicolons; what has only comments and blanks is left out."""
    whole: list[str] = []
    bare: list[str] = []
    line, start = 1, 0
    for comment, word in _words(text, origin):
        if word == ";":
            if start:
                yield _Piece("".join(whole).strip(), "".join(bare).strip(), start)
            whole, bare, start = [], [], 0
            continue
        whole.append(word)
        bare.append(" " if comment else word)
        if not start and not bare[-1].isspace():
            start = line + word[: len(word) - len(word.lstrip())].count("\n")
        line += word.count("\n")


def _words(text: str, origin: str) -> Iterator[tuple[bool, str]]:
    """Literals, names, comments, and what is between them and semicolons; is it a comment?"""
    for kind, word, start in scan(text):
        if kind is TokenType.UNCLOSED:
            opened = _OPENED_BY["/*" if word.startswith("/*") else word[0]]
            line = text.count("\n", 0, start) + 1
            raise BadInput(f"{origin}, line {line}: the {opened} is never closed")
        if kind is TokenType.CODE:
            yield from ((False, part) for part in re.split("(;)", word) if part)
        else:
            yield kind is TokenType.COMMENT, word
    yield False, "\n"  # keeps the semicolon that ends the last one out of its comment
    yield False, ";"


def _remembered(bare: str, variables: dict[str, str]) -> bool:
    """Was it ``SET VAR:`` or ``UNSET VAR:``, which concern nobody but this script?"""
    if (match := _SET.fullmatch(bare)) and (name := _SPACE_NAME.fullmatch(match[1])):
        variables[name[1].upper()] = match[2]
        return True
    if (match := _UNSET.fullmatch(bare)) and (name := _SPACE_NAME.fullmatch(match[1])):
        variables.pop(name[1].upper(), None)
        return True
    return False


def _is_for_the_shell(bare: str, where: str) -> bool:
    """Was it a ``SET`` of impala-shell's own options, which changes nothing but its screen?"""
    match = _SET.fullmatch(bare) or _UNSET.fullmatch(bare)
    name = match[1].upper() if match else ""
    if name in _OPTIONS_OF_THE_SHELL:
        instead = _OPTIONS_OF_THE_SHELL[name]
        raise BadInput(f"{where}: {name} is an option of impala-shell; give {instead} instead")
    return name in _SCREEN_OF_THE_SHELL


def as_sql(bare: str) -> str | None:
    """
    A ``SET`` or ``UNSET`` of impala-shell as the server understands it, None for all else.

    The shell keeps options to itself and takes any text as a value (``root.etl``); Impala's
    parser wants it quoted, has no ``UNSET``, and takes an empty value for "back to the default".
    """
    if match := _UNSET.fullmatch(bare):
        return f"SET {match[1]}=''"
    match = _SET.fullmatch(bare)
    if match is None or _VALUE_AS_SQL.fullmatch(match[2]):
        return None
    quoted = match[2].replace("\\", "\\\\").replace("'", "\\'")
    return f"SET {match[1]}='{quoted}'"
