"""From SQLAlchemy's expressions to Impala's queries and statements that change rows."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc
from sqlalchemy.sql import compiler, elements
from sqlalchemy.sql.dml import Insert

from impala_ha.sql.literals import literal

from .from_clause import FromCompiler
from .reserved_words import RESERVED_WORDS

#: Columns into which a literal does not go by itself: "Possible loss of precision".
_NARROW = re.compile(r"VARCHAR|CHAR|DECIMAL|FLOAT")


class ImpalaIdentifierPreparer(compiler.IdentifierPreparer):
    """Names: in backticks where they are reserved, or not all lower-case letters and digits."""

    reserved_words = RESERVED_WORDS

    def __init__(self, dialect: Any, **options: Any):
        super().__init__(dialect, initial_quote="`", **options)

    def _escape_identifier(self, value: str) -> str:
        """
        The name as it is, for in backticks nothing has an escape.

        Raises:
            CompileError: It would go on behind its end.
        """
        if "`" in value or value.endswith("\\"):
            raise exc.CompileError(
                f"Impala's names have no backtick in them and no backslash at their end: {value!r}"
            )
        return value


class ImpalaCompiler(FromCompiler):
    """
    Queries, and statements that change rows.

    Attributes:
        limits: The most bytes of texts that are bound, by name; CAST would cut what is longer.
    """

    limits: dict[str, int]

    def visit_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> str:
        """A value for a narrow column of an INSERT or UPDATE is cast, as Impala asks for."""
        text: str = super().visit_bindparam(bindparam, *args, **kw)
        # A literal that the caller names is no parameter of the columns, as SQLAlchemy counts them.
        inserted = bool(self.stack) and isinstance(self.stack[-1]["selectable"], Insert)
        if not (inserted or getattr(bindparam, "_is_crud", False)) or bindparam.type._isnull:
            return text
        name = self.dialect.type_compiler.process(bindparam.type)
        if not _NARROW.match(name):
            return text
        if "CHAR" in name and bindparam in self.bind_names:
            limits = self.__dict__.setdefault("limits", {})
            limits[self.bind_names[bindparam]] = int(name.strip("VARCH()"))
        return f"CAST({text} AS {name})"

    def visit_values(
        self,
        element: Any,
        asfrom: bool = False,
        from_linter: Any = None,
        visiting_cte: Any = None,
        **kw: Any,
    ) -> str:
        """VALUES, whose first row names the columns."""
        kw.setdefault("literal_binds", element.literal_binds)
        names = [self.preparer.quote(column.name) for column in element.columns]
        rows: list[str] = []
        for values in (values for chunk in element._data for values in chunk):
            row = elements.Tuple(*values, types=element._column_types)
            cells = [self.process(cell, **kw) for cell in row.clauses]
            if not rows:
                cells = [f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True)]
            rows.append(f"({', '.join(cells)})")
        text = f"VALUES {', '.join(rows)}"
        if not asfrom or (visiting_cte is not None and visiting_cte.element is element):
            return text
        if from_linter:
            from_linter.froms[element] = element.name or "VALUES"
        return f"({text}) AS {self.preparer.quote(element.name or 'values')}"

    def render_literal_value(self, value: Any, type_: Any) -> str:
        """As SQLAlchemy writes it, but texts with Impala's escapes."""
        text: str = super().render_literal_value(value, type_)
        return literal(text[1:-1].replace("''", "'")) if text.startswith("'") else text

    def limit_clause(self, select: Any, **kw: Any) -> str:
        """LIMIT and OFFSET; without an order, for which OFFSET asks, by the first column."""
        text = ""
        if select._offset_clause is not None and not select._order_by_clauses:
            text += "\n ORDER BY 1"
        if select._limit_clause is not None:
            text += "\n LIMIT " + self.process(select._limit_clause, **kw)
        if select._offset_clause is not None:
            text += "\n OFFSET " + self.process(select._offset_clause, **kw)
        return text

    def fetch_clause(self, select: Any, *_: Any, **kw: Any) -> str:
        """FETCH FIRST, which is LIMIT as long as it has no options."""
        options = select._fetch_clause_options or {}
        if options.get("percent") or options.get("with_ties"):
            raise exc.CompileError("Impala has neither FETCH FIRST ... PERCENT nor WITH TIES")
        text = self.limit_clause(select, **kw)
        order, _, offset = text.partition("\n OFFSET ")
        limit = "\n LIMIT " + self.process(select._fetch_clause, **kw)
        return order + limit + ("\n OFFSET " + offset if offset else "")

    def for_update_clause(self, _select: Any, **kw: Any) -> str:
        """Impala locks no rows."""
        return ""

    def visit_concat_op_binary(self, binary: Any, _operator: Any, **kw: Any) -> str:
        """``||`` is OR before Impala 4."""
        return f"concat({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_concat_op_expression_clauselist(
        self, clauselist: Any, _operator: Any, **kw: Any
    ) -> str:
        """The same of more than two, which SQLAlchemy 2.0 keeps in one list."""
        return f"concat({', '.join(self.process(one, **kw) for one in clauselist.clauses)})"

    def visit_bitwise_lshift_op_binary(self, binary: Any, _operator: Any, **kw: Any) -> str:
        """The function shiftleft, for there is no ``<<``."""
        return f"shiftleft({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_bitwise_rshift_op_binary(self, binary: Any, _operator: Any, **kw: Any) -> str:
        """The function shiftright."""
        return f"shiftright({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_aggregate_strings_func(self, function: Any, **kw: Any) -> str:
        """The function group_concat."""
        return f"group_concat{self.function_argspec(function, **kw)}"

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """REGEXP, or IREGEXP with the flag ``i``."""
        return self._regexp(binary, "", **kw)

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """NOT REGEXP, or NOT IREGEXP with the flag ``i``."""
        return self._regexp(binary, "NOT ", **kw)

    def _regexp(self, binary: Any, negation: str, **kw: Any) -> str:
        flags = binary.modifiers.get("flags")
        if flags not in (None, "i"):
            raise exc.CompileError(f"Impala's REGEXP has no flags but 'i', and not {flags!r}")
        word = f"{negation}{'IREGEXP' if flags else 'REGEXP'}"
        return f"{self.process(binary.left, **kw)} {word} {self.process(binary.right, **kw)}"

    def visit_regexp_replace_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """The function of that name, which has no flags."""
        if binary.modifiers.get("flags") is not None:
            raise exc.CompileError("Impala's regexp_replace has no flags")
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"regexp_replace({left}, {right})"

    def visit_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """LIKE, whose escape character is always the backslash."""
        return self._like(binary, "LIKE", **kw)

    def visit_not_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """NOT LIKE."""
        return self._like(binary, "NOT LIKE", **kw)

    def _like(self, binary: Any, word: str, **kw: Any) -> str:
        left, pattern = self.process(binary.left, **kw), self.process(binary.right, **kw)
        escape = binary.modifiers.get("escape")
        if escape is not None and escape != "\\":
            pattern = _with_backslashes(pattern, escape)
        return f"{left} {word} {pattern}"

    def visit_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """ILIKE."""
        return self._like(binary, "ILIKE", **kw)

    def visit_not_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """NOT ILIKE."""
        return self._like(binary, "NOT ILIKE", **kw)

    def visit_empty_set_expr(self, element_types: Any, **kw: Any) -> str:
        """A query without rows, for IN with an empty list."""
        names = ", ".join("NULL" for _ in element_types or [None])
        return f"SELECT {names} FROM (SELECT 1) AS one WHERE 1 != 1"  # noqa: S608 - no data

    def _called(self, function: Any, **kw: Any) -> str:
        """A function, whose brackets SQLAlchemy leaves out, and Impala never."""
        return f"{function.name.lower()}{self.function_argspec(function, **kw)}"

    visit_now_func = visit_current_timestamp_func = visit_current_date_func = _called
    visit_user_func = visit_current_user_func = visit_session_user_func = _called

    def visit_localtimestamp_func(self, _function: Any, **kw: Any) -> str:
        """The function now()."""
        return "now()"

    visit_sysdate_func = visit_localtimestamp_func

    def visit_savepoint(self, _savepoint: Any, **kw: Any) -> str:
        """
        Impala has none.

        Raises:
            CompileError: Always; nothing was sent.
        """
        raise exc.CompileError("Impala has no transactions, and so no savepoints (begin_nested)")

    def visit_true(self, _expr: Any, **kw: Any) -> str:
        """TRUE."""
        return "true"

    def visit_false(self, _expr: Any, **kw: Any) -> str:
        """FALSE."""
        return "false"


def _with_backslashes(pattern: str, escape: str) -> str:
    """SQL of a LIKE pattern that is escaped by *escape*, as one that is escaped by backslashes."""
    doubled = f"replace({pattern}, {literal(chr(92))}, {literal(chr(92) * 2)})"
    special = escape if escape.isalnum() else f"[{escape}]" if escape != "^" else r"\^"
    return f"regexp_replace({doubled}, {literal(f'{special}(.)')}, {literal(chr(92) * 3 + '1')})"
