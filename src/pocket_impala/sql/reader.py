"""
A statement as a row of words, read from left to right.

sqlglot cuts the text into tokens by Impala's rules; here they are read one after the other.  What
does not fit is told as Impala tells it: the line, a caret, what was met and what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from sqlglot.errors import TokenError

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql.dialect import Impala, TokenType

_NAMED = (TokenType.IDENTIFIER, TokenType.VAR)


@dataclass(frozen=True, slots=True)
class Word:
    """One token; a keyword of two words is two of them."""

    text: str
    kind: TokenType
    start: int
    end: int

    def isname(self) -> bool:
        """Whether it can be a name."""
        return self.kind not in (TokenType.STRING, TokenType.NUMBER) and (
            self.kind == TokenType.IDENTIFIER or self.text.replace("_", "a").isalnum()
        )


def words(sql: str) -> list[Word]:
    """The words of *sql*.  Raises `ImpalaError` when a literal or comment does not end."""
    try:
        found = Impala().tokenize(sql)
    except TokenError as error:
        raise syntax_error(sql, len(sql), "Unmatched string literal") from error
    result = []
    for token in found:
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            result.append(Word(token.text, token.token_type, token.start, token.end + 1))
            continue
        text = sql[token.start : token.end + 1]
        parts = [*text] if set(text) == {">"} else text.split()
        place = token.start
        for part in parts:
            place = sql.index(part, place)
            result.append(Word(part, token.token_type, place, place + len(part)))
            place += len(part)
    return result


class Steps:
    """A place in a statement, moved by words."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self._words = words(sql)
        while self._words and self._words[-1].text == ";":
            self._words.pop()
        self._place = 0

    @property
    def ended(self) -> bool:
        """Whether all was read."""
        return self._place >= len(self._words)

    @property
    def word(self) -> Word | None:
        """The next word."""
        return None if self.ended else self._words[self._place]

    def sees(self, *texts: str) -> bool:
        """Whether the next words are *texts*."""
        ahead = self._words[self._place : self._place + len(texts)]
        return len(ahead) == len(texts) and all(
            word.kind not in (TokenType.STRING, TokenType.IDENTIFIER) and word.text.upper() == text
            for word, text in zip(ahead, texts, strict=True)
        )

    def take(self, *texts: str) -> bool:
        """Read *texts* if they come next."""
        if not self.sees(*texts):
            return False
        self._place += len(texts)
        return True

    def take_one(self, *texts: str) -> str | None:
        """Read one of *texts* if one comes next."""
        return next((text for text in texts if self.take(text)), None)

    def expect(self, *texts: str) -> None:
        """Read *texts*, which must come next."""
        for text in texts:
            if not self.take(text):
                self.fail(text)

    def any(self) -> Word:
        """Read the next word, whatever it is."""
        if self.ended:
            self.fail("IDENTIFIER")
        self._place += 1
        return self._words[self._place - 1]

    @property
    def start(self) -> int:
        """Where the next word starts in the statement."""
        return len(self.sql) if self.ended else self._words[self._place].start

    def back(self) -> None:
        """Unread the last word."""
        self._place -= 1

    def seek(self, *texts: str) -> bool:
        """Read up to one of *texts* outside of brackets, not that itself; false at the end."""
        depth = 0
        while not self.ended:
            word = self._words[self._place]
            if depth == 0 and any(self.sees(text) for text in texts):
                return True
            depth += {"(": 1, ")": -1}.get(word.text, 0)
            self._place += 1
        return False

    def leads_to(self, *texts: str) -> bool:
        """Whether one of *texts* comes later, outside of brackets.  Reads nothing."""
        place = self._place
        found = self.seek(*texts)
        self._place = place
        return found

    def fail(self, *expected: str) -> NoReturn:
        """Raise the syntax error of this place."""
        raise self.failure(*expected)

    def failure(self, *expected: str) -> ImpalaError:
        """The syntax error of this place."""
        place = len(self.sql) if self.ended else self._words[self._place].start
        return syntax_error(self.sql, place, None, *expected)


class Reader(Steps):
    """A place in a statement, moved by what stands there: names, values, whole groups."""

    def name(self) -> str:
        """Read a name; names are lower case."""
        if self.ended or not self._words[self._place].isname():
            self.fail("IDENTIFIER")
        return self.any().text.lower()

    def qualified(self, database: str) -> tuple[str, str]:
        """Read ``[db.]name``."""
        first = self.name()
        return (first, self.name()) if self.take(".") else (database, first)

    def names_only(self) -> bool:
        """Whether the bracket that comes next holds nothing but names and commas."""
        place = self._place + 1
        while place + 1 < len(self._words) and self._words[place].isname():
            closing = self._words[place + 1].text
            if closing == ")":
                return self._words[place].text.upper() not in ("SELECT", "VALUES")
            if closing != ",":
                return False
            place += 2
        return False

    def until(self, *texts: str) -> str:
        """Read up to one of *texts* outside of brackets; the text that was read."""
        start = self._place
        if not self.seek(*texts) or start == self._place:
            self.fail(*texts)
        return self.sql[self._words[start].start : self._words[self._place - 1].end]

    def string(self) -> str:
        """Read a string literal."""
        if self.ended or self._words[self._place].kind != TokenType.STRING:
            self.fail("STRING LITERAL")
        return self.any().text

    def rest(self) -> str:
        """Read all that is left, as it was written."""
        if self.ended:
            self.fail("SELECT", "VALUES", "WITH")
        text = self.sql[self._words[self._place].start : self._words[-1].end]
        self._place = len(self._words)
        return text

    def value(self) -> str:
        """Read all that is left as one value, without its quotes; empty when nothing is left."""
        if self.ended:
            return ""
        if self._place == len(self._words) - 1 and self.sees_string():
            return self.string()
        return self.rest()

    def upto(self, *texts: str) -> str:
        """Read up to one of *texts* outside of brackets, or to the end; what was read."""
        start = self._place
        self.seek(*texts)
        if start == self._place:
            self.fail("IDENTIFIER")
        return self.sql[self._words[start].start : self._words[self._place - 1].end]

    def sees_string(self) -> bool:
        """Whether a string literal comes next."""
        return not self.ended and self._words[self._place].kind == TokenType.STRING

    def group(self) -> str:
        """Read a bracketed group, as it was written, without its brackets."""
        self.expect("(")
        start, depth = self._place, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.any().text, 0)
        if start == self._place - 1:
            return ""
        return self.sql[self._words[start].start : self._words[self._place - 2].end]

    def end(self) -> None:
        """Nothing must be left."""
        if not self.ended:
            self.fail("EOF")


def syntax_error(sql: str, place: int, what: str | None, *expected: str) -> ImpalaError:
    """What Impala says of a mistake at *place* of *sql*."""
    if what is not None:
        number = sql.count("\n", 0, place) + 1
        return ImpalaError(f"ParseException: {what} in line {number}:\n{sql}\n")
    at_end = not sql[place:].strip()
    place = len(sql.rstrip()) if at_end else place
    before = sql[:place]
    line_start = before.rfind("\n") + 1
    line = sql[line_start:].split("\n", 1)[0]
    met = "EOF" if at_end else _met(sql[place:])
    wanted = ", ".join(expected) if expected else "IDENTIFIER"
    return ImpalaError(
        f"ParseException: Syntax error in line {before.count(chr(10)) + 1}:\n{line}\n"
        f"{' ' * (place - line_start)}^\nEncountered: {met}\nExpected: {wanted}\n\n"
        "CAUSED BY: Exception: Syntax error\n"
    )


def _met(rest: str) -> str:
    first = words_quietly(rest)
    if first is None:
        return "Unexpected character"
    if first.kind == TokenType.STRING:
        return "STRING LITERAL"
    if first.kind == TokenType.NUMBER:
        return "INTEGER LITERAL" if first.text.isdigit() else "DECIMAL LITERAL"
    names = {",": "COMMA", "(": "(", ")": ")", ".": "DOT", "=": "="}
    return "IDENTIFIER" if first.kind in _NAMED else names.get(first.text, first.text.upper())


def words_quietly(text: str) -> Word | None:
    """The first word of *text*, or None if there is none."""
    try:
        return next(iter(words(text)), None)
    except ImpalaError:
        return None
