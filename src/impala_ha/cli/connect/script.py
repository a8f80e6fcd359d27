r"""
From the text of a script to the statements that the server gets.

Everything that can be wrong with a script without asking a server is found here, before anything
is opened: an ETL job that breaks off at its fortieth statement because of a typing error in the
forty-first costs somebody the night.

Impala has no ``BEGIN ... END``; outside of quotes and comments every semicolon ends a statement.

Some lines never reach a server: they are commands of the shell (`commands`), as impala-shell has
them.  ``source`` is replaced by what is in its file, so that this is checked as well.  Commands
that are for a person at the prompt are refused in a script.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.commands import COMMANDS, SHORTCUTS
from impala_ha.cli.connect.look import SHELL_OPTIONS, changed
from impala_ha.sql.scanner import TokenType, scan
from impala_ha.sql.statement import Effect, Statement

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
_WORD = re.compile(r"\?|!|@|[A-Za-z]+\b(?!\s*\()")
_SHELL = re.compile(r"\s*(?:!|shell\s)", re.IGNORECASE)
_OTHER_NAMES = {"!": "shell", "@": "rerun", "?": "help", "src": "source", "exit": "quit"}
_DEEPEST = 10  # files that read each other


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """
    One statement.

    Attributes:
        text: What the server gets, variables replaced and without a semicolon at its end; of a
            command of the shell, what follows its name.
        line: Where its first word stands in the script, from 1.
        verb: That word, in upper case.
        command: The command of the shell that it is; "" for SQL.
    """

    text: str
    line: int
    verb: str
    command: str = ""

    @property
    def needs_server(self) -> bool:
        """Can it be done only where there is a connection?"""
        return not self.command or COMMANDS[self.command].needs_server

    @property
    def is_query(self) -> bool:
        """Does it read, so that its result is rows and not a word on what was done?"""
        reads = not self.command and Statement.parse(self.text).effect is Effect.READ
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


def statements(
    text: str,
    variables: Mapping[str, str],
    origin: str,
    *,
    at_prompt: bool = False,
) -> tuple[ScriptStatement, ...]:
    """
    Cut a script into its statements, with variables replaced, in the order they stand.

    Args:
        text: The script.
        variables: What ``--var`` gave, by name in upper case.
        origin: The script's name for errors.
        at_prompt: Whether a person typed it, who may use all commands.

    Raises:
        BadInput: An open quote, an unknown variable or shell option, a file that cannot be read.
    """
    return tuple(_statements(text, dict(variables), origin, at_prompt, 0))


def _statements(
    text: str, known: dict[str, str], origin: str, at_prompt: bool, depth: int
) -> Iterator[ScriptStatement]:
    if depth > _DEEPEST:
        raise BadInput(f"{origin}: more than {_DEEPEST} files read each other")
    if at_prompt and text.lstrip().startswith("\\"):
        text = _without_shortcut(text)
    if at_prompt and (shell := _SHELL.match(text)):  # whose quotes and semicolons are its own
        yield ScriptStatement(text[shell.end() :].strip(), 1, "SHELL", "shell")
        return
    for piece in _pieces(text, origin):
        where = f"{origin}, line {piece.line}"
        bare = substituted(piece.bare, known, where)
        verb = bare.split(maxsplit=1)[0].upper()
        found = _command(bare, where, at_prompt)
        if found is None:
            sent = as_sql(bare) or substituted(piece.text, known, where)
            yield ScriptStatement(sent, piece.line, verb)
            continue
        command, argument = found
        if command == "quit" and not at_prompt:
            return
        if command == "source":
            raw = read(Path(argument).expanduser(), f"{where}: source")
            yield from _statements(raw, known, argument, False, depth + 1)
            continue
        if command == "variable":
            name, equals, value = argument.partition("=")
            known.pop(name, None)
            known.update({name: value} if equals else {})
        yield ScriptStatement(argument, piece.line, verb, command)


def is_complete(text: str) -> bool:
    """Is nothing more to come of what a person types?  A command needs no semicolon."""
    line = text.strip()
    word = _WORD.match(line)
    if not line or line.startswith("\\") or _SHELL.match(line):
        return True
    if word and "\n" not in line and word[0].lower() in _OF_ONE_LINE:
        return True
    tokens = [token for token in scan(line) if token.type is not TokenType.COMMENT]
    last = tokens[-1] if tokens else None
    return last is None or (last.type is TokenType.CODE and last.text.rstrip().endswith(";"))


_OF_ONE_LINE = frozenset({*COMMANDS, *_OTHER_NAMES, "unset", "use"})


def read(file: Path, where: str) -> str:
    """
    The text of a script.

    Raises:
        BadInput: It cannot be read, or is not UTF-8.
    """
    try:
        return decoded(file.read_bytes(), str(file))
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{where}: Could not open file '{file}': {reason}") from None


def _command(bare: str, where: str, at_prompt: bool) -> tuple[str, str] | None:
    """The command of the shell that *bare* is, and its argument; None for SQL."""
    if match := _SET.fullmatch(bare) or _UNSET.fullmatch(bare):
        name = match[1].upper()
        value = f"={match[2]}" if match.re is _SET else ""
        if space := _SPACE_NAME.fullmatch(name):
            return "variable", f"{space[1]}{value}"
        if name == "ALL" and match.re is _UNSET:
            return "option", name
        if name not in SHELL_OPTIONS:
            return None
        try:
            if value:
                changed({}, name, value[1:])
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
        return "option", f"{name}{value}"
    match = _WORD.match(bare)
    word = match[0].lower() if match else ""
    word, argument = _OTHER_NAMES.get(word, word), bare[len(word) :].strip()
    if word not in COMMANDS or (word == "set" and argument.upper() not in {"", "ALL"}):
        return None
    if COMMANDS[word].at_prompt and not at_prompt:
        raise BadInput(f"{where}: {word!r} is for a person at the prompt of impala-connect")
    return word, argument


def _without_shortcut(text: str) -> str:
    r"""What a shortcut such as ``\dt NAME`` stands for."""
    words = text.strip().rstrip(";").split(maxsplit=1)
    argument = words[1].strip() if len(words) > 1 else ""
    if words[0] not in SHORTCUTS:
        raise BadInput(f"{words[0]} is no shortcut: there are {' '.join(SHORTCUTS)}")
    alone, with_argument = SHORTCUTS[words[0]]
    meant = with_argument.format(argument) if argument and with_argument else alone
    if not meant:
        raise BadInput(f"{words[0]} needs something behind it: {with_argument.format('NAME')}")
    return meant


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
