"""
UPSERT, UPDATE and DELETE, and INSERT into a table with a primary key: Kudu and Iceberg.

Such a statement reads the table, writes what it shall be to new files, and lets the catalog list
those in place of the old ones, if the table is still as it was read.  Otherwise another statement
was faster, and this one begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql.catalog import Moved
from pocket_impala.sql.context import Context, no_table
from pocket_impala.sql.dialect import Impala
from pocket_impala.sql.duck import Lane
from pocket_impala.sql.jobs import WriteJob
from pocket_impala.sql.query import bind, parse
from pocket_impala.sql.reader import Reader, syntax_error, words
from pocket_impala.sql.tables import DataFile, Table
from pocket_impala.sql.typenames import cast_cell, quote
from pocket_impala.sql.warehouse import scan

_TRIES = 1000  # a statement that loses that often is told so


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What one try does.

    Attributes:
        query: The rows to be written.
        count: The query that tells how many rows the statement changed.
        keep: Whether the files that are there stay.
    """

    query: str
    count: str
    keep: bool = False


Planned: TypeAlias = Callable[[Table, Sequence[DataFile], Lane], Plan]


def changed(context: Context, table: Table, lane: Lane, planned: Planned) -> dict[str, int]:
    """Change the table as *planned* says; how many rows were changed."""
    for _ in range(_TRIES):
        lane.check()
        with context.warehouse.catalog.read() as catalog:
            now = catalog.table(table.database, table.name)
            if now is None or now.id != table.id:
                raise no_table(table.database, table.name)
            files = catalog.files(now)
        plan = planned(now, files, lane)
        count = int(str(lane.rows(plan.count)[0][0]))
        written = context.warehouse.write(lane.rows, plan.query, now)
        if _committed(context, now, () if plan.keep else files, written, lane):
            return {"": count}
        context.warehouse.discard(written)
    raise ImpalaError(f"Too many concurrent changes of {table.full_name}")


def _committed(
    context: Context,
    table: Table,
    old: Sequence[DataFile],
    new: Sequence[DataFile],
    lane: Lane,
) -> bool:
    try:
        lane.check()
        with context.warehouse.catalog.write() as catalog:
            catalog.touch(table, unchanged=True)
            catalog.remove_files(old)
            catalog.add_files(table, new)
    except Moved:
        return False
    except BaseException:
        context.warehouse.discard(new)
        raise
    return True


def put(
    context: Context, table: Table, lane: Lane, fresh: str, names: Sequence[str], *, over: bool
) -> dict[str, int]:
    """
    Put rows into a table with a primary key.

    Args:
        context: Where the statement was planned.
        table: The table.
        lane: What runs it.
        fresh: The query of the rows, with all columns of the table.
        names: The columns that the statement mentions.
        over: Whether a row takes the place of one with its key (UPSERT), or yields to it (INSERT).
    """
    _check_keys(table, names, over=over)
    keys = ", ".join(quote(key) for key in table.keys)
    _gather(lane, fresh, keys, over=over)

    def planned(now: Table, files: Sequence[DataFile], _: Lane) -> Plan:
        old = scan(now, files)
        if not over:
            new = f"SELECT * EXCLUDE impala_turn FROM fresh ANTI JOIN ({old}) AS o USING ({keys})"
            return Plan(new, f"SELECT count(*) FROM ({new})", keep=True)
        cells = ", ".join(
            f"{'f' if column.name in names else 'o'}.{quote(column.name)}" for column in now.columns
        )
        kept = f"SELECT o.* FROM ({old}) AS o ANTI JOIN fresh USING ({keys})"
        new = f"SELECT {cells} FROM fresh AS f LEFT JOIN ({old}) AS o USING ({keys})"
        return Plan(f"{kept} UNION ALL {new}", "SELECT count(*) FROM fresh")

    return changed(context, table, lane, planned)


def _check_keys(table: Table, names: Sequence[str], *, over: bool) -> None:
    missing = [key for key in table.keys if key not in names]
    if missing:
        raise ImpalaError(
            "AnalysisException: All primary key columns must be specified for "
            f"{'UPSERTing into' if over else 'INSERTing into'} Kudu tables. Missing columns are: "
            f"{', '.join(missing)}"
        )


def _gather(lane: Lane, fresh: str, keys: str, *, over: bool) -> None:
    """Make a table of the new rows; of several with one key the last wins an UPSERT."""
    lane.rows(
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT * EXCLUDE impala_place FROM"
        f" (SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY impala_turn"
        f" {'DESC' if over else 'ASC'}) AS impala_place FROM"
        f" (SELECT *, row_number() OVER () AS impala_turn FROM ({fresh})))"
        " WHERE impala_place = 1"
    )


def plan_update(reader: Reader, context: Context) -> Job:
    """Plan an UPDATE statement."""
    reader.expect("UPDATE")
    path = _path(reader)
    reader.expect("SET")
    values: dict[str, str] = {}
    while True:
        *owner, name = _path(reader)
        if owner and owner[-1] != path[-1]:
            raise ImpalaError(
                f"AnalysisException: Left-hand side column '{'.'.join([*owner, name])}' in "
                "assignment expression does not belong to target table"
            )
        reader.expect("=")
        values[name] = reader.upto(",", "WHERE", "FROM")
        if any(word.text.upper() == "SELECT" for word in words(values[name])):
            raise ImpalaError(
                "AnalysisException: Subqueries are not supported as update expressions for "
                f"column '{name}'"
            )
        if not reader.take(","):
            break
    table, source = _source(reader, context, path)
    _check_update(table, values)
    cells = {
        name: f"CASE WHEN {quote('impala hit')} THEN {quote(f'impala new {name}')}"
        f" ELSE {quote(name)} END"
        for name in values
    }
    return _rewriting(context, table, _question(table, path, values, source), cells, where="")


def plan_delete(reader: Reader, context: Context) -> Job:
    """Plan a DELETE statement."""
    reader.expect("DELETE")
    plain = reader.take("FROM")
    path = _path(reader)
    if plain and reader.sees("FROM"):
        reader.fail("WHERE")
    table, source = _source(reader, context, path)
    return _rewriting(
        context,
        table,
        _question(table, path, {}, source),
        {},
        where=' WHERE NOT coalesce("impala hit", false)',
    )


def _path(reader: Reader) -> list[str]:
    path = [reader.name()]
    while reader.take("."):
        path.append(reader.name())
    return path


def _source(reader: Reader, context: Context, path: Sequence[str]) -> tuple[Table, exp.Select]:
    """The table that *path* names, and the query of the rows that FROM and WHERE choose."""
    *owner, name = path
    if not reader.sees("FROM"):
        table = _mutable(context, (*owner, context.session.database)[0], name)
        written = f" FROM `{table.database}`.`{table.name}`"
        if reader.sees("WHERE"):
            written += f" {reader.rest()}"
        reader.end()
    else:
        written = reader.rest()
    source = parse(f"SELECT 1 {written}")
    if not isinstance(source, exp.Select):
        raise syntax_error(reader.sql, 0, None)
    target = next((one for one in _sources(source) if _is_called(one, path)), None)
    if target is None:
        shown = ".".join(path)
        raise ImpalaError(f"AnalysisException: '{shown}' is not a valid table alias or reference.")
    if not isinstance(target, exp.Table):
        raise ImpalaError(f"AnalysisException: Cannot modify view: '{target.sql(Impala)}'")
    table = _mutable(context, (target.db or context.session.database).lower(), target.name.lower())
    alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
    rows = exp.to_table("impala_target").copy()
    rows.set("alias", alias)
    for kept in ("joins", "laterals"):
        rows.set(kept, target.args.get(kept))
    target.replace(rows)
    return table, source


def _sources(source: exp.Select) -> list[exp.Expr]:
    """What stands in FROM, and in its joins."""
    found = [source.args["from_"].this]
    for one in found:
        found += [join.this for join in one.args.get("joins") or ()]
    return found + [join.this for join in source.args.get("joins") or ()]


def _is_called(one: exp.Expr, path: Sequence[str]) -> bool:
    *owner, name = path
    if one.alias_or_name.lower() != name:
        return False
    return not owner or (not one.alias and one.text("db").lower() in ("", owner[-1]))


def _question(
    table: Table, path: Sequence[str], values: Mapping[str, str], source: exp.Select
) -> str:
    """
    The query of all rows of the table, which it chose, and the values of these.

    Where several rows of a join belong to one of the table, one of them counts.
    """
    row = f"`{path[-1]}`.`impala row`"
    cells = [f"({value}) AS `impala new {name}`" for name, value in values.items()]
    cells += [
        f"{row} AS `impala row`",
        "true AS `impala hit`",
        f"row_number() OVER (PARTITION BY {row} ORDER BY {row}) AS `impala match`",
    ]
    source.set("expressions", parse(f"SELECT {', '.join(cells)}").expressions)
    columns = [f"t.`{column.name}`" for column in table.columns]
    columns += [f"p.`impala new {name}`" for name in values]
    return (
        "WITH impala_target AS (SELECT *, row_number() OVER () AS `impala row`"
        f" FROM `{table.database}`.`{table.name}`)"
        f" SELECT {', '.join(columns)}, p.`impala hit`"
        f" FROM impala_target AS t LEFT JOIN ({source.sql(Impala)}) AS p"
        " ON t.`impala row` = p.`impala row` AND p.`impala match` = 1"
    )


def _rewriting(
    context: Context, table: Table, question: str, cells: dict[str, str], where: str
) -> Job:
    columns = ", ".join(
        f"{cast_cell(cells.get(c.name, quote(c.name)), c.type)} AS {quote(c.name)}"
        for c in table.columns
    )

    def answer(lane: Lane) -> str:
        with context.warehouse.catalog.read() as catalog:
            return bind(parse(question), context.scope(lane, catalog), context.duck).sql

    def planned(_now: Table, _files: Sequence[DataFile], lane: Lane) -> Plan:
        rows = f"({answer(lane)}) AS q"
        hits = f'SELECT count(*) FROM {rows} WHERE "impala hit"'
        return Plan(f"SELECT {columns} FROM {rows}{where}", hits)

    with context.planning() as lane:
        answer(lane)
    return WriteJob(lane, lambda lane: changed(context, table, lane, planned))


def _mutable(context: Context, database: str, name: str) -> Table:
    table = context.table(database, name)
    if table.view is not None:
        raise ImpalaError(f"AnalysisException: Cannot modify view: '{table.full_name}'")
    if not table.mutable:
        raise ImpalaError(
            "AnalysisException: Impala only supports modifying Kudu and Iceberg tables, but the "
            f"following table is neither: {table.full_name}"
        )
    return table


def _check_update(table: Table, values: dict[str, str]) -> None:
    known = {column.name for column in table.columns}
    for name in values:
        if name not in known:
            raise ImpalaError(
                f"AnalysisException: Could not resolve column/field reference: '{name}'"
            )
        if name in table.keys:
            raise ImpalaError(f"AnalysisException: Key column '{name}' cannot be updated.")
