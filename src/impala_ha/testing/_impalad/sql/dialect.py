"""
Impala's SQL as a sqlglot dialect: Hive's quoting and joins, but Impala's functions.

Function calls stay as they are written (`exp.Anonymous`): what a function means is decided in
`functions`, in one place, and not by sqlglot's idea of Hive.
"""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import NormalizationStrategy
from sqlglot.dialects.hive import Hive
from sqlglot.parser import Parser, binary_range_parser
from sqlglot.parsers.hive import HiveParser
from sqlglot.tokens import TokenType

_KEPT_PARSERS = ("CAST", "TRIM")


def _parse_extract(parser: ImpalaParser) -> exp.Expression:
    """``EXTRACT(unit FROM moment)`` and ``extract(moment, 'unit')`` are the same function."""
    place = parser._index  # noqa: SLF001 - sqlglot's way to look ahead
    unit = parser._parse_var(any_token=True)  # noqa: SLF001
    if unit is not None and parser._match(TokenType.FROM):  # noqa: SLF001
        moment = parser._parse_bitwise()  # noqa: SLF001
        arguments = [moment, exp.Literal.string(unit.name.lower())]
    else:
        parser._retreat(place)  # noqa: SLF001
        arguments = parser._parse_csv(parser._parse_bitwise)  # noqa: SLF001
    return exp.Anonymous(this="extract", expressions=arguments)


class ImpalaParser(HiveParser):
    """Reads queries and expressions."""

    STRICT_CAST = False
    _parse_types = Parser._parse_types  # noqa: SLF001 - Hive makes a STRING of CHAR(n)
    FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {
        name: parser
        for name, parser in HiveParser.FUNCTION_PARSERS.items()
        if name in _KEPT_PARSERS
    } | {"EXTRACT": _parse_extract}
    RANGE_PARSERS: ClassVar = {
        **HiveParser.RANGE_PARSERS,
        TokenType.SIMILAR_TO: binary_range_parser(exp.RegexpILike),
    }
    NO_PAREN_FUNCTIONS: ClassVar = {}


class Impala(Hive):
    """Apache Impala."""

    SAFE_DIVISION = False
    TYPED_DIVISION = False
    NULL_ORDERING = "nulls_are_large"
    NORMALIZATION_STRATEGY = NormalizationStrategy.LOWERCASE

    class Tokenizer(Hive.Tokenizer):
        """Cuts text into tokens."""

        KEYWORDS: ClassVar = {
            word: kind
            for word, kind in Hive.Tokenizer.KEYWORDS.items()
            if word != "/*+" and kind != TokenType.COMMAND
        } | {"IREGEXP": TokenType.SIMILAR_TO}
        COMMANDS: ClassVar = set()
        NUMERIC_LITERALS: ClassVar = {}

    Parser = ImpalaParser


def is_query(tree: exp.Expression) -> bool:
    """Whether *tree* returns rows."""
    return isinstance(tree, exp.Query)
