"""
Expressions: from Impala's meaning to DuckDB's words.

`infer` has told the types; here each expression whose meaning depends on them is written anew,
the inner ones first.  What Impala refuses to compare or to calculate is refused here.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError
from pocket_impala.sql import arithmetic, casts, moments
from pocket_impala.sql.dialect import Impala
from pocket_impala.sql.functions import translated
from pocket_impala.sql.infer import OPERATORS, Kinds, cast_target
from pocket_impala.sql.rules import Call, Surroundings, as_type, call, text
from pocket_impala.sql.typenames import INTEGERS, to_duck

assert moments  # its functions add themselves to the rules
_EXACT = frozenset(("sum", "avg"))  # aggregates whose DuckDB type is not Impala's
_UNTYPED = (exp.Literal, exp.Neg, exp.IntDiv, exp.Mod, exp.Case, exp.If, exp.Anonymous)
# What DuckDB takes for calls where no column has that name; Impala's have brackets.
_CALLED = frozenset(
    "current_catalog current_date current_role current_schema current_time current_timestamp "
    "current_user localtime localtimestamp session_user user".split()
)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)


class Rewriting:
    """
    The rewriting of one statement.

    Args:
        kinds: The types of its expressions, as they were written.
        around: What functions may ask.
    """

    def __init__(self, kinds: Kinds, around: Surroundings) -> None:
        self._kinds = kinds
        self._around = around
        self._rules: dict[type[exp.Expr], Callable[..., exp.Expr | None]] = {
            exp.Anonymous: self._called,
            exp.Column: self._column,
            exp.Window: self._window,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Select: self._select,
            exp.Like: _like,
            exp.ILike: _like,
            exp.Values: _values,
            **dict.fromkeys(OPERATORS, self._calculated),
            **dict.fromkeys(_COMPARISONS, self._compared),
        }

    def apply(self, tree: exp.Expr) -> exp.Expr:
        """*tree* with every expression rewritten."""
        nodes = list(tree.walk())
        for node in nodes:
            self._kinds.of(node)
        for node in reversed(nodes):
            rule = self._rules.get(type(node))
            if rule is None:
                continue
            found = rule(node)
            if found is not None and found is not node:
                self._kinds.same(node, found)
                if node is tree:
                    return found
                node.replace(found)
        return tree

    def _called(self, node: exp.Anonymous) -> exp.Expr:
        name = str(node.this).lower()
        kinds = [self._kinds.of(argument) for argument in node.expressions]
        found = translated(Call(name, node.expressions, kinds, self._around))
        if name in _EXACT and not isinstance(node.parent, (exp.Window, exp.Filter)):
            return self._exact(node, found)
        return found

    def _column(self, node: exp.Column) -> None:
        name = node.name.lower()
        if name in _CALLED and not node.table and not self._kinds.may_be_column(node):
            raise ImpalaError(
                f"AnalysisException: Could not resolve column/field reference: '{name}'"
            )

    def _window(self, node: exp.Window) -> exp.Expr | None:
        inner = node.this
        if isinstance(inner, exp.Anonymous) and inner.name in _EXACT:
            return self._exact(node, exp.Paren(this=node.copy()))
        return None

    def _exact(self, node: exp.Expr, found: exp.Expr) -> exp.Expr:
        kind = self._kinds.of(node)
        if kind is not None and (kind == "bigint" or arithmetic.is_decimal(kind)):
            return as_type(found, to_duck(kind))
        return found

    def _cast(self, node: exp.Expr) -> exp.Expr:
        holder = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
        alone = isinstance(holder, exp.Select) and holder.parent is None
        return casts.cast(
            node.this,
            self._kinds.of(node.this),
            cast_target(node),
            nanoseconds=alone and self._around.nanoseconds,
        )

    def _select(self, node: exp.Select) -> None:
        # DuckDB calls small numbers INTEGER; with DISTINCT a cast would hide them from ORDER BY.
        if node.args.get("distinct") is not None:
            return
        for item in node.expressions:
            value = item.this if isinstance(item, exp.Alias) else item
            kind = self._kinds.of(value)
            if kind in INTEGERS and isinstance(value, _UNTYPED):
                value.replace(as_type(value.copy(), to_duck(kind)))

    def _calculated(self, node: exp.Expr) -> exp.Expr | None:
        left, right = node.args["this"], node.args["expression"]
        kinds = self._kinds.of(left), self._kinds.of(right)
        kind = self._kinds.of(node)
        if isinstance(left, exp.Interval) or isinstance(right, exp.Interval):
            return self._shifted(node, kind)
        if any(arithmetic.is_text(one) for one in kinds):
            raise ImpalaError(
                "AnalysisException: Arithmetic operation requires numeric operands: "
                f"{node.sql(Impala)}"
            )
        if kind is None:
            return None
        if kind == "double" and "float" in kinds:
            node.set("this", as_type(left.copy(), "DOUBLE"))
        if isinstance(node, exp.Div):
            return _divided(node, kind)
        return self._widened(node, kind)

    def _shifted(self, node: exp.Expr, kind: str | None) -> exp.Expr:
        for side in ("this", "expression"):
            operand = node.args[side]
            if not isinstance(operand, exp.Interval):
                node.set(side, moments.moment(operand.copy()))
        return as_type(exp.Paren(this=node.copy()), "DATE") if kind == "date" else node

    def _widened(self, node: exp.Expr, kind: str) -> exp.Expr | None:
        if kind in INTEGERS:
            for side in ("this", "expression"):
                operand = node.args[side]
                if self._kinds.of(operand) != kind or isinstance(operand, exp.Literal):
                    node.set(side, as_type(operand.copy(), to_duck(kind)))
            return None
        return as_type(node.copy(), to_duck(kind)) if arithmetic.is_decimal(kind) else None

    def _compared(self, node: exp.Expr) -> exp.Expr | None:
        left, right = (self._kinds.of(node.args[side]) for side in ("this", "expression"))
        if (arithmetic.is_text(left) and arithmetic.is_number(right)) or (
            arithmetic.is_number(left) and arithmetic.is_text(right)
        ):
            raise ImpalaError(
                f"AnalysisException: operands of type {str(left).upper()} and "
                f"{str(right).upper()} are not comparable: {node.sql(Impala)}"
            )
        return None


def _divided(node: exp.Expr, kind: str) -> exp.Expr | None:
    if not arithmetic.is_decimal(kind):
        return None
    left, right = node.args["this"].copy(), node.args["expression"].copy()
    zero = exp.EQ(this=right.copy(), expression=exp.Literal.number(0))
    message = call("error", text("Cannot divide decimal by zero"))
    scale = exp.Literal.number(arithmetic.digits(kind)[1])
    quotient = call("impala_divided", as_type(left, "VARCHAR"), as_type(right, "VARCHAR"), scale)
    return exp.Case(
        ifs=[exp.If(this=zero, true=as_type(message, to_duck(kind)))],
        default=as_type(quotient, to_duck(kind)),
    )


def _like(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node.parent, exp.Escape):
        return None
    return exp.Escape(this=node.copy(), expression=text("\\"))


def _values(node: exp.Values) -> exp.Expr | None:
    """VALUES whose first row may name the columns."""
    first = node.expressions[0]
    cells = list(first.expressions)
    names = [cell.alias_or_name or f"col{n}" for n, cell in enumerate(cells)]
    named = any(isinstance(cell, exp.Alias) for cell in cells)
    for cell in cells:
        if isinstance(cell, exp.Alias):
            cell.replace(cell.this.copy())
    alias = node.args.get("alias")
    if named and alias is not None and not alias.columns:
        alias.set("columns", [exp.to_identifier(name.lower(), quoted=True) for name in names])
    return None
