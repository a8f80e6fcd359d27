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
from sqlglot.parsers.hive import HiveParser
from sqlglot.tokens import TokenType

_KEPT_PARSERS = ("CAST", "EXTRACT", "TRIM")


class ImpalaParser(HiveParser):
    """Reads queries and expressions."""

    STRICT_CAST = False
    FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {
        name: parser
        for name, parser in HiveParser.FUNCTION_PARSERS.items()
        if name in _KEPT_PARSERS
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
        }
        COMMANDS: ClassVar = set()
        NUMERIC_LITERALS: ClassVar = {}

    Parser = ImpalaParser


def is_query(tree: exp.Expression) -> bool:
    """Whether *tree* returns rows."""
    return isinstance(tree, exp.Query)
