"""
Queries: from Impala's words to DuckDB's.

Tables become scans of the files that the catalog lists at this moment, views become their
queries, functions become what `functions` says.  DuckDB then tells names and types of the
result, or what cannot be resolved, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.errors import ParseError

from pocket_impala.coordinator.contract import Column, ImpalaError
from pocket_impala.sql import typenames
from pocket_impala.sql.arithmetic import is_fraction
from pocket_impala.sql.catalog import Reading
from pocket_impala.sql.dialect import Impala, Token, TokenType
from pocket_impala.sql.duck import Duck
from pocket_impala.sql.infer import Kinds, Output, find_cte
from pocket_impala.sql.reader import syntax_error
from pocket_impala.sql.rewrite import Rewriting
from pocket_impala.sql.rules import Surroundings
from pocket_impala.sql.tables import Table
from pocket_impala.sql.warehouse import scan

_HINTS = frozenset(("SHUFFLE", "NOSHUFFLE", "BROADCAST", "CLUSTERED", "NOCLUSTERED"))
_PARAMETERS = frozenset((TokenType.PLACEHOLDER, TokenType.PARAMETER, TokenType.COLON))
_VIEWS_DEEP = 40
# What sqlglot and DuckDB know, and Impala's grammar does not.
_FOREIGN = (
    exp.All,
    exp.Any,
    exp.BitwiseLeftShift,
    exp.BitwiseRightShift,
    exp.Filter,
    exp.Lateral,
    exp.Qualify,
    exp.WithinGroup,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """
    A query that DuckDB has accepted.

    Attributes:
        sql: In DuckDB's words.
        columns: What it returns, with Impala's types.
        duck_types: The same types as DuckDB calls them.
        kinds: The types as they were inferred; None where that was not possible.
    """

    sql: str
    columns: tuple[Column, ...]
    duck_types: tuple[str, ...]
    kinds: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names of a query are looked up."""

    catalog: Reading
    around: Surroundings
    depth: int = 0


def parse(sql: str, start: int = 0) -> exp.Expr:
    """The tree of the query that begins at *start* of *sql*.  Raises `ImpalaError`."""
    text = "".join("\n" if char == "\n" else " " for char in sql[:start]) + sql[start:]
    dialect = Impala()
    tokens = list(_without_hints(dialect.tokenize(text)))
    _check(tokens, sql)
    try:
        trees = dialect.parser().parse(tokens, text)
    except ParseError as error:
        raise _told(error, sql) from error
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1 or not isinstance(found[0], (exp.Query, exp.Values)):
        raise syntax_error(sql, start, None, "SELECT", "VALUES", "WITH")
    if any(not select.expressions for select in found[0].find_all(exp.Select)):
        raise syntax_error(sql, start, None, "IDENTIFIER")
    _check_grammar(found[0], sql, start)
    return _named(found[0]) if isinstance(found[0], exp.Values) else found[0]


def _check(tokens: list[Token], sql: str) -> None:
    """Refuse what sqlglot reads and Impala does not: parameters, and a second statement."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type in _PARAMETERS:
            raise syntax_error(sql, token.start, None)
        if token.token_type == TokenType.SEMICOLON and following is not None:
            raise syntax_error(sql, following.start, None, "EOF")


def _check_grammar(tree: exp.Expr, sql: str, start: int) -> None:
    lists = any(isinstance(node.this, exp.Tuple) for node in tree.find_all(exp.In))
    joins = any(isinstance(node.this, exp.Table) for node in tree.find_all(exp.Subquery))
    if lists or joins or tree.find(*_FOREIGN):
        raise syntax_error(sql, start, None)


def _named(values: exp.Values) -> exp.Expr:
    """VALUES that stands alone: its columns are called what its first row says."""
    names = [
        cell.alias or cell.sql(Impala, comments=False).lower()
        for cell in values.expressions[0].expressions
    ]
    columns = [exp.to_identifier(name, quoted=True) for name in names]
    values.set("alias", exp.TableAlias(this=exp.to_identifier("v"), columns=columns))
    return exp.select("*").from_(values)


def bind(tree: exp.Expr, scope: Scope, duck: Duck) -> Bound:
    """Translate *tree* and let DuckDB check it.  Raises `ImpalaError`."""
    labelled(tree)
    output = Kinds(_lookup(scope)).output(tree)
    sql = written(translate(tree, scope))
    described = duck.describe(sql)
    known = output is not None and len(output) == len(described)
    kinds = (
        [kind for _, kind in output] if output is not None and known else [None] * len(described)
    )
    columns = tuple(
        Column(name.lower(), _typed(kind, inferred))
        for (name, kind), inferred in zip(described, kinds, strict=True)
    )
    return Bound(sql, columns, tuple(kind for _, kind in described), tuple(kinds))


def _typed(duck: str, inferred: str | None) -> str:
    # DuckDB has one type of text; which of Impala's three it is has been inferred.
    if inferred is not None and duck == "VARCHAR" and "char(" in inferred:
        return inferred
    return "boolean" if inferred == "null_type" else typenames.from_duck(duck)


def _lookup(scope: Scope) -> Callable[[exp.Table], Output]:
    def lookup(node: exp.Table) -> Output:
        return [(column.name, column.type) for column in _find(node, scope).columns]

    return lookup


def written(tree: exp.Expr) -> str:
    """*tree* in DuckDB's words."""
    return tree.sql("duckdb", identify=True, comments=False)


def presented(bound: Bound) -> str:
    """The query whose values are as the contract wants them."""
    cells = [_presented(f"c{n}", kind) for n, kind in enumerate(bound.duck_types, 1)]
    return f"SELECT {', '.join(cells)} FROM {numbered_columns(bound)}"


def numbered_columns(bound: Bound) -> str:
    """The query as a table whose columns are c1, c2, ...: a query may use a name twice."""
    names = ", ".join(f"c{number}" for number in range(1, len(bound.columns) + 1))
    return f"({bound.sql}) AS r({names})"


def _presented(cell: str, kind: str) -> str:
    impala = typenames.from_duck(kind)
    if impala == "timestamp":
        return f"impala_text({cell})"
    if impala.startswith(typenames.COMPLEX):
        return f"CAST(to_json({cell}) AS VARCHAR)"
    if is_fraction(impala):
        return f"regexp_replace(CAST({cell} AS VARCHAR), '^(-?)\\.', '\\10.')"
    if impala.startswith("decimal") or impala in ("date", "string"):
        return cell if kind == "VARCHAR" else f"CAST({cell} AS VARCHAR)"
    if impala == "bigint" and kind != "BIGINT":
        return f"CAST({cell} AS BIGINT)"
    return cell


def labelled(tree: exp.Expr) -> None:
    """Give the columns of the result the names that Impala gives them."""
    query = tree
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for item in list(query.expressions):
        if not isinstance(item, (exp.Alias, exp.Column, exp.Star)) and not item.is_star:
            label = item.sql(Impala, comments=False).lower()
            item.replace(exp.alias_(item.copy(), exp.to_identifier(label, quoted=True)))


def translate(tree: exp.Expr, scope: Scope) -> exp.Expr:
    """*tree* with everything of Impala's replaced by DuckDB's."""
    tables = [table for table in tree.find_all(exp.Table) if find_cte(table) is None]
    tree = Rewriting(Kinds(_lookup(scope)), scope.around).apply(tree)
    known = {_resolve(table, scope) for table in tables}
    for column in tree.find_all(exp.Column):
        if (column.text("db").lower(), column.table.lower()) in known:
            column.set("db", None)
    return tree


def _find(node: exp.Table, scope: Scope) -> Table:
    database = (node.db or scope.around.database).lower()
    found = scope.catalog.table(database, node.name.lower())
    if found is None:
        shown = f"{node.db}.{node.name}" if node.db else node.name
        raise ImpalaError(
            f"AnalysisException: Could not resolve table reference: '{shown.lower()}'"
        )
    return found


def scanned(tree: exp.Expr, scope: Scope) -> list[Table]:
    """The tables that *tree* reads, by itself or through views."""
    found = []
    for node in tree.find_all(exp.Table):
        if find_cte(node) is not None:
            continue
        table = _find(node, scope)
        if table.view is None:
            found.append(table)
        else:
            around = replace(scope.around, database=table.database)
            inner = Scope(scope.catalog, around, _deeper(table, scope))
            found += scanned(parse(table.view), inner)
    return found


def _deeper(view: Table, scope: Scope) -> int:
    if scope.depth > _VIEWS_DEEP:
        raise ImpalaError(f"AnalysisException: Views are nested too deeply: {view.full_name}")
    return scope.depth + 1


def _resolve(node: exp.Table, scope: Scope) -> tuple[str, str]:
    table = _find(node, scope)
    source = view_sql(table, scope) if table.view is not None else _scan(table, scope)
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
    subquery = exp.Subquery(this=exp.Var(this=source), alias=alias)
    for kept in ("joins", "laterals", "sample"):
        subquery.set(kept, node.args.get(kept))
    node.replace(subquery)
    return table.database, table.name


def _scan(table: Table, scope: Scope) -> str:
    return scan(table, scope.catalog.files(table))


def view_sql(table: Table, scope: Scope) -> str:
    """The query of a view, in DuckDB's words."""
    around = replace(scope.around, database=table.database)
    deeper = _deeper(table, scope)
    tree = parse(table.view or "")
    labelled(tree)
    inner = written(translate(tree, Scope(scope.catalog, around, deeper)))
    names = ", ".join(typenames.quote(column.name) for column in table.columns)
    return f"SELECT * FROM ({inner}) AS v({names})"


def _without_hints(tokens: list[Token]) -> Iterator[Token]:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        ahead = tokens[place + 1].text.upper() if place + 1 < len(tokens) else ""
        if token.token_type == TokenType.L_BRACKET and ahead in _HINTS:
            place += 3
            continue
        if token.token_type == TokenType.STRAIGHT_JOIN:
            place += 1
            continue
        yield token
        place += 1


def _told(error: ParseError, sql: str) -> ImpalaError:
    details = error.errors[0]
    lines = sql.split("\n")
    line, column = details.get("line") or 1, details.get("col") or 1
    end = sum(len(text) + 1 for text in lines[: line - 1]) + column
    missing = "Required keyword" in str(details.get("description"))
    place = end if missing else end - len(details.get("highlight") or "")
    if "SENTINEL" in str(details.get("description")):
        place = len(sql)
    return syntax_error(sql, max(place, 0), None)
