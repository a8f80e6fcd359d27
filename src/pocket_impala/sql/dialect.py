"""
Impala's SQL as a sqlglot dialect: Hive's quoting and joins, but Impala's functions.

Function calls stay as they are written (`exp.Anonymous`): what a function means is decided in
`functions`, in one place, and not by sqlglot's idea of Hive.
"""

# ruff: noqa: SLF001 - sqlglot is extended by methods that start with an underscore

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import NormalizationStrategy
from sqlglot.dialects.hive import Hive
from sqlglot.parser import Parser, binary_range_parser
from sqlglot.parsers.hive import HiveParser
from sqlglot.tokenizer_core import Token, TokenType

_KEPT_PARSERS = ("CAST", "TRIM")


def _parse_extract(parser: ImpalaParser) -> exp.Expr:
    """``EXTRACT(unit FROM moment)`` and ``extract(moment, 'unit')`` are the same function."""
    place = parser._index
    unit = parser._parse_var(any_token=True)
    if unit is not None and parser._match(TokenType.FROM):
        moment = parser._parse_bitwise()
        arguments = [moment, exp.Literal.string(unit.name.lower())]
    else:
        parser._retreat(place)
        arguments = parser._parse_csv(parser._parse_bitwise)
    return exp.Anonymous(this="extract", expressions=arguments)


__all__ = ["Impala", "Token", "TokenType"]


class ImpalaParser(HiveParser):
    """Reads queries and expressions."""

    STRICT_CAST = False
    _parse_types = Parser._parse_types
    FUNCTIONS: ClassVar[Any] = {}
    FUNCTION_PARSERS: ClassVar[Any] = {
        name: parser
        for name, parser in HiveParser.FUNCTION_PARSERS.items()
        if name in _KEPT_PARSERS
    } | {"EXTRACT": _parse_extract}
    RANGE_PARSERS: ClassVar[Any] = {
        **HiveParser.RANGE_PARSERS,
        TokenType.SIMILAR_TO: binary_range_parser(exp.RegexpILike),
    }
    NO_PAREN_FUNCTIONS: ClassVar[Any] = {}


class Impala(Hive):
    """Apache Impala."""

    SAFE_DIVISION = False
    TYPED_DIVISION = False
    NULL_ORDERING = "nulls_are_large"
    NORMALIZATION_STRATEGY = NormalizationStrategy.LOWERCASE

    class Tokenizer(Hive.Tokenizer):
        """Cuts text into tokens."""

        KEYWORDS: ClassVar[Any] = {
            word: kind
            for word, kind in Hive.Tokenizer.KEYWORDS.items()
            if word != "/*+" and kind != TokenType.COMMAND
        } | {"IREGEXP": TokenType.SIMILAR_TO}
        COMMANDS: ClassVar[Any] = set()
        NUMERIC_LITERALS: ClassVar[Any] = {}

    Parser = ImpalaParser
