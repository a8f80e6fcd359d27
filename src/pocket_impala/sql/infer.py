"""
The Impala type of each expression, found before DuckDB sees it.

DuckDB types a query too, but by its own rules: 1 is an INTEGER there and a TINYINT here, a sum of
INTs is a HUGEINT there and a BIGINT here.  Where the types decide what an expression means, they
are taken from here.  A type that cannot be told is None, and DuckDB's rule stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import TypeAlias

from sqlglot import exp

from pocket_impala.sql import arithmetic, typenames
from pocket_impala.sql.returns import RETURNS

Output: TypeAlias = list[tuple[str, str | None]]
Lookup = Callable[[exp.Table], Output | None]

OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_TRUTHS = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean, exp.RegexpLike)
_SAME_AS_INNER = (
    exp.Paren, exp.Alias, exp.Neg, exp.Window, exp.Distinct, exp.IgnoreNulls, exp.BitwiseNot,
)  # fmt: skip
_UNSEEN = object()


class Kinds:
    """
    Types of the expressions of one statement.

    Args:
        lookup: The columns of a table that is no common table expression.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._kept: list[exp.Expr] = []  # an id must not come back while it is known
        self._known: dict[int, str | None] = {}
        self._outputs: dict[int, Output | None] = {}
        self._rules: dict[type[exp.Expr], Callable[..., str | None]] = {
            exp.Column: self._column,
            exp.Literal: _literal,
            exp.Cast: cast_target,
            exp.TryCast: cast_target,
            exp.Anonymous: self._called,
            exp.Subquery: self._scalar,
            exp.Case: self._case,
            exp.If: self._if,
            exp.IntDiv: lambda node: self._common([node.this, node.expression]),
            **dict.fromkeys(_SAME_AS_INNER, self._inner),
            **dict.fromkeys((exp.DPipe, exp.Trim), lambda _: "string"),
            exp.Null: lambda _: "null_type",
        }

    def of(self, node: exp.Expr | None) -> str | None:
        """The type of an expression."""
        if node is None:
            return None
        found = self._known.get(id(node), _UNSEEN)
        if found is _UNSEEN:
            self._known[id(node)] = None  # a query that refers to itself ends here
            self._known[id(node)] = found = self._find(node)
        return found  # type: ignore[return-value]  # not _UNSEEN any more

    def same(self, old: exp.Expr, new: exp.Expr) -> None:
        """Let *new* have the type of *old*, whose place it takes."""
        self._kept.append(old)
        self._known[id(new)] = self._known.get(id(old))

    def output(self, query: exp.Expr | None) -> Output | None:
        """Name and type of each column of a query; None when they cannot be told."""
        if query is None:
            return None
        if id(query) not in self._outputs:
            self._outputs[id(query)] = None
            self._outputs[id(query)] = self._find_output(query)
        return self._outputs[id(query)]

    def _find(self, node: exp.Expr) -> str | None:
        if type(node) in OPERATORS:
            return self._calculated(node)
        if rule := self._rules.get(type(node)):
            return rule(node)
        return "boolean" if isinstance(node, _TRUTHS) else None

    def _inner(self, node: exp.Expr) -> str | None:
        return self.of(node.this or next(iter(node.expressions), None))

    def _scalar(self, node: exp.Subquery) -> str | None:
        output = self.output(node.this)
        return output[0][1] if output and len(output) == 1 else None

    def _case(self, node: exp.Case) -> str | None:
        results = [branch.args["true"] for branch in node.args["ifs"]]
        return self._common([*results, node.args.get("default")])

    def _if(self, node: exp.If) -> str | None:
        return self._common([node.args.get("true"), node.args.get("false")])

    def _common(self, nodes: Iterable[exp.Expr | None]) -> str | None:
        kinds = [self.of(node) for node in nodes if node is not None]
        return reduce(arithmetic.common, kinds) if kinds else None

    def _calculated(self, node: exp.Expr) -> str | None:
        left, right = node.args["this"], node.args["expression"]
        moments = [self.of(side) for side in (left, right)]
        if isinstance(left, exp.Interval) or isinstance(right, exp.Interval):
            return next((kind for kind in moments if kind in ("date", "timestamp")), None)
        return arithmetic.calculated(OPERATORS[type(node)], *moments)

    def _called(self, node: exp.Anonymous) -> str | None:
        rule = RETURNS.get(str(node.this).lower())
        arguments = node.expressions
        if rule is None or not callable(rule):
            return rule
        return rule([self.of(argument) for argument in arguments])

    def _column(self, node: exp.Column) -> str | None:
        if isinstance(node.this, exp.Star):
            return None
        name, table = node.name.lower(), node.table.lower()
        select = node.find_ancestor(exp.Select)
        while select is not None:
            for alias, columns in self._sources(select):
                if table and alias != table:
                    continue
                kinds = [kind for column, kind in columns or () if column == name]
                if kinds:
                    return kinds[0]
            select = select.find_ancestor(exp.Select)
        return None

    def may_be_column(self, node: exp.Column) -> bool:
        """Does a table, or an alias of the query, have that name?  Yes where that is not known."""
        name = node.name.lower()
        select = node.find_ancestor(exp.Select)
        while select is not None:
            if any(item.alias.lower() == name for item in select.expressions):
                return True
            for _, columns in self._sources(select):
                if columns is None or name in (column for column, _ in columns):
                    return True
            select = select.find_ancestor(exp.Select)
        return False

    def _sources(self, select: exp.Select) -> Iterable[tuple[str, Output | None]]:
        first = select.args.get("from_") or select.args.get("from")
        nodes = [first.this] if first is not None else []
        nodes += [join.this for join in select.args.get("joins") or ()]
        for node in nodes:
            for one in (node, *(join.this for join in node.args.get("joins") or ())):
                yield one.alias_or_name.lower(), self._source(one)

    def _source(self, node: exp.Expr) -> Output | None:
        if isinstance(node, exp.Table):
            cte = find_cte(node)
            found = self._lookup(node) if cte is None else self.output(cte.this)
            node = node if cte is None else cte
        else:
            found = self.output(node.this if isinstance(node, exp.Subquery) else node)
        return _renamed(found, node)

    def _find_output(self, query: exp.Expr) -> Output | None:
        if isinstance(query, exp.Subquery):
            return self.output(query.this)
        if isinstance(query, exp.SetOperation):
            return _united(self.output(query.left), self.output(query.right))
        if isinstance(query, exp.Values):
            rows = [[("", self.of(cell)) for cell in row.expressions] for row in query.expressions]
            names = [cell.alias_or_name.lower() for cell in query.expressions[0].expressions]
            united = reduce(_united_rows, rows)
            return [(name, kind) for name, (_, kind) in zip(names, united, strict=True)]
        return self._selected(query) if isinstance(query, exp.Select) else None

    def _selected(self, select: exp.Select) -> Output | None:
        found: Output = []
        for item in select.expressions:
            if not item.is_star:
                found.append((item.alias_or_name.lower(), self.of(item)))
                continue
            wanted = item.table.lower() if isinstance(item, exp.Column) else ""
            for alias, columns in self._sources(select):
                if columns is None:
                    return None
                found += columns if wanted in ("", alias) else []
        return found


def find_cte(node: exp.Table) -> exp.CTE | None:
    """The common table expression that *node* names, if it names one."""
    if node.db:
        return None
    name, child, parent = node.name.lower(), node, node.parent
    found: exp.Expr = child
    while parent is not None:
        ctes: Sequence[exp.CTE] = ()
        if isinstance(parent, exp.With):
            before = [cte is found for cte in parent.expressions].index(True)
            ctes = parent.expressions[:before]
        elif isinstance(parent, exp.Query) and not isinstance(found, exp.With):
            ctes = parent.ctes
        for cte in ctes:
            if cte.alias.lower() == name:
                return cte
        found, parent = parent, parent.parent
    return None


def cast_target(node: exp.Expr) -> str:
    """The Impala type that a CAST is to."""
    kind = node.args["to"].sql("hive").lower().replace(" ", "")
    return typenames.normal(kind)


def _literal(node: exp.Literal) -> str:
    if node.is_string:
        return "string"
    text = node.name
    return arithmetic.integer_literal(text) if text.isdigit() else arithmetic.decimal_literal(text)


def _renamed(found: Output | None, node: exp.Expr) -> Output | None:
    names = node.alias_column_names if hasattr(node, "alias_column_names") else []
    if found is None or not names:
        return found
    return [(name.lower(), kind) for name, (_, kind) in zip(names, found, strict=False)]


def _united(left: Output | None, right: Output | None) -> Output | None:
    if left is None or right is None or len(left) != len(right):
        return None
    return _united_rows(left, right)


def _united_rows(left: Output, right: Output) -> Output:
    pairs = zip(left, right, strict=False)
    return [(name, arithmetic.common(one, other)) for (name, one), (_, other) in pairs]
