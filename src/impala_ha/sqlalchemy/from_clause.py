"""
FROM: joins, the tables of UPDATE and DELETE, and what takes the place of WITH in these.

Impala's grammar has a list of tables there, one joined with all before it, and no brackets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import exc
from sqlalchemy.sql import compiler, selectable


class FromCompiler(compiler.SQLCompiler):
    """The part of the compiler that writes FROM."""

    render_table_with_column_in_update_from = True  # SET t.name: the other one may have it too

    def visit_join(
        self, join: Any, asfrom: bool = False, from_linter: Any = None, **kw: Any
    ) -> str:
        """
        Tables one after the other, for Impala has no joins in brackets.

        ``a LEFT JOIN (b JOIN c)`` is ``b JOIN c RIGHT JOIN a``, where *a* is one table.
        """
        nested = _nested(join)
        if nested is None:
            text: str = super().visit_join(join, asfrom=asfrom, from_linter=from_linter, **kw)
            return text
        if join.full or isinstance(join.left, selectable.Join):
            raise exc.CompileError(
                "Impala has no joins in brackets, as this one would be: select from a subquery, or "
                "in place of joinedload() use selectinload()"
            )
        first, second = (self.process(one, asfrom=True, **kw) for one in (nested, join.left))
        word = "RIGHT OUTER JOIN" if join.isouter else "JOIN"
        return f"{first} {word} {second} ON {self.process(join.onclause, **kw)}"

    def _compose_select_body(
        self,
        text: str,
        select: Any,
        compile_state: Any,
        inner_columns: Any,
        froms: Any,
        *more: Any,
    ) -> str:
        """A comma binds as a join does, so that a join that keeps all of its right goes first."""
        froms = sorted(froms, key=lambda one: not _keeps_right(one))
        if len(froms) > 1 and _keeps_right(froms[1]):
            raise exc.CompileError("Impala reads a, b FULL JOIN c as (a, b) FULL JOIN c")
        body: str = super()._compose_select_body(
            text, select, compile_state, inner_columns, froms, *more
        )
        return body

    def update_tables_clause(
        self, update_stmt: Any, from_table: Any, extra_froms: Any, **kw: Any
    ) -> str:
        """The table, or the alias that FROM gives it."""
        if isinstance(from_table, selectable.Alias) and not extra_froms:
            raise exc.CompileError(
                f"Impala's UPDATE of one table has no alias, as {from_table.name} is: "
                "update the table itself"
            )
        return self._changed(from_table)

    def update_from_clause(
        self, update_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any
    ) -> str:
        """``UPDATE t SET ... FROM t, u WHERE ...``"""
        return self._from([from_table, *extra_froms], fromhints=from_hints, **kw)

    def visit_delete(self, delete_stmt: Any, *args: Any, **kw: Any) -> str:
        """``DELETE t FROM t, u WHERE ...``, without the FROM that SQLAlchemy writes before it."""
        text: str = super().visit_delete(delete_stmt, *args, **kw)
        rest = text.removeprefix("DELETE FROM ")
        several = rest.startswith(f"{self._changed(delete_stmt.table)} FROM ")
        return f"DELETE {rest}" if several else text

    def delete_table_clause(
        self, delete_stmt: Any, from_table: Any, extra_froms: Any, **kw: Any
    ) -> str:
        """The table, and FROM where it has an alias, or company."""
        name = self._changed(from_table)
        if not extra_froms and not isinstance(from_table, selectable.Alias):
            return name
        return f"{name} {self._from([from_table, *extra_froms], **kw)}"

    def delete_extra_from_clause(self, *_: Any, **kw: Any) -> str:
        """It stands behind the table already."""
        return ""

    def _changed(self, table: Any) -> str:
        """What UPDATE and DELETE call the table that they change."""
        while isinstance(table, selectable.Join):
            table = table.left
        return str(self.process(table, ashint=True))

    def _from(self, froms: Iterable[Any], **kw: Any) -> str:
        return "FROM " + ", ".join(self.process(one, **{**kw, "asfrom": True}) for one in froms)

    def visit_cte(self, cte: Any, asfrom: bool = False, **kw: Any) -> str | None:
        """WITH; in UPDATE and DELETE, which have none, a query in its place."""
        if asfrom and (self.isupdate or self.isdelete) and not cte.recursive:
            query: str = self.visit_subquery(cte, asfrom=True, **kw)
            return query
        text: str | None = super().visit_cte(cte, asfrom=asfrom, **kw)
        return text


def _keeps_right(join: Any) -> bool:
    """Is it written with a FULL or RIGHT JOIN?"""
    if not isinstance(join, selectable.Join):
        return False
    nested = _nested(join)
    swapped = nested is not None and join.isouter
    return join.full or swapped or _keeps_right(join.left) or _keeps_right(nested)


def _nested(join: Any) -> Any:
    """The join in brackets that stands on its right; None: it is a table."""
    right = join.right
    inner = right.element if isinstance(right, selectable.FromGrouping) else None
    return inner if isinstance(inner, selectable.Join) else None
