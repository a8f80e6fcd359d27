"""INSERT: into a table or over it, with static and dynamic partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from pocket_impala.coordinator.contract import ImpalaError, Job
from pocket_impala.sql import typenames
from pocket_impala.sql.arithmetic import digits, is_decimal, is_number, is_text
from pocket_impala.sql.catalog import Moved
from pocket_impala.sql.change import put
from pocket_impala.sql.clauses import read_names, read_partition
from pocket_impala.sql.column_options import check_given, filler, without_nulls
from pocket_impala.sql.context import Context, no_table
from pocket_impala.sql.duck import Lane
from pocket_impala.sql.jobs import WriteJob
from pocket_impala.sql.query import (
    Bound,
    Scope,
    bind,
    numbered_columns,
    parse,
    translate,
    written,
)
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import DataFile, Table
from pocket_impala.sql.typenames import INTEGERS
from pocket_impala.sql.warehouse import partition_spec


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where rows of an INSERT go.

    Attributes:
        names: The columns that the query's columns fill, in their order.
        fixed: Static partition columns and the text of their values.
        overwrite: Whether the rows take the place of those that are there.
        upsert: Whether each row takes the place of the one with its key.
    """

    table: Table
    names: Sequence[str]
    fixed: Mapping[str, str]
    overwrite: bool
    upsert: bool


def plan_insert(reader: Reader, context: Context) -> Job:
    """Plan an INSERT, also one with a WITH clause before it."""
    target, tree = read_insert(reader, context)
    with context.planning() as lane:
        scope = context.scope(lane)
        query = _filling(target, bind(tree, scope, context.duck), scope)
        context.duck.describe(query)
    table = target.table
    if table.keys and not target.overwrite:
        return WriteJob(
            lane,
            lambda lane: put(context, table, lane, query, target.names, over=target.upsert),
        )
    return WriteJob(lane, lambda lane: _write(context, target, query, lane))


def read_insert(reader: Reader, context: Context) -> tuple[Target, exp.Expr]:
    """Where rows go, and the query that makes them."""
    opening = reader.start
    if reader.take("WITH"):
        reader.seek("INSERT", "UPSERT")
    cut = reader.start
    target = _target(reader, context)
    sql = reader.sql[:cut] + _blank(reader.sql[cut : reader.start]) + reader.sql[reader.start :]
    return target, parse(sql, opening if opening < cut else reader.start)


def _blank(text: str) -> str:
    return "".join("\n" if char == "\n" else " " for char in text)


def _target(reader: Reader, context: Context) -> Target:
    upsert = reader.take("UPSERT")
    if not upsert:
        reader.expect("INSERT")
    overwrite = not upsert and reader.take("OVERWRITE")
    if not overwrite:
        reader.expect("INTO")
    else:
        reader.take("INTO")
    reader.take("TABLE")
    table = context.table(*reader.qualified(context.session.database))
    if upsert and not table.keys:
        raise ImpalaError("AnalysisException: UPSERT is only supported for Kudu tables")
    if table.view is not None:
        raise ImpalaError(
            f"AnalysisException: Impala does not support INSERTing into views: {table.full_name}"
        )
    named = read_names(reader) if reader.sees("(") and reader.names_only() else None
    parts = read_partition(reader) if reader.take("PARTITION") else []
    fixed = {name: value for name, value in parts if value is not None}
    dynamic = [name for name, value in parts if value is None]
    if named is None:
        named = [column.name for column in table.plain_columns]
        if not parts and table.partitioned_by:
            raise ImpalaError(
                "AnalysisException: Not enough partition columns mentioned in query. Missing "
                f"columns are: {', '.join(column.name for column in table.partition_columns)}"
            )
    _known([*named, *(name for name, _ in parts)], table)
    if reader.take("["):
        reader.any()
        reader.expect("]")
    return Target(table, [*named, *dynamic], fixed, overwrite, upsert)


def _known(names: Sequence[str], table: Table) -> None:
    known = {column.name for column in table.columns}
    for name in names:
        if name not in known:
            raise ImpalaError(f"AnalysisException: Unknown column '{name}' in column permutation")


def _filling(target: Target, bound: Bound, scope: Scope) -> str:
    table, has, wants = target.table, len(bound.columns), len(target.names)
    if has != wants:
        raise ImpalaError(
            f"AnalysisException: Target table '{table.full_name}' has "
            f"{'more' if wants > has else 'fewer'} columns ({wants + len(target.fixed)}) than the "
            f"SELECT / VALUES clause {'and PARTITION clause return' if target.fixed else 'returns'}"
            f" ({has + len(target.fixed)})"
        )
    _check_types(target, bound)
    if not target.upsert:
        check_given(table, [*target.names, *target.fixed])
    place = {name: f"c{number}" for number, name in enumerate(target.names, 1)}
    for name, value in target.fixed.items():
        constant = parse(f"SELECT {value}").expressions[0]
        place[name] = written(translate(constant, scope))
    cells = ", ".join(
        f"{typenames.cast_cell(place.get(column.name) or filler(column), column.type)}"
        f" AS {typenames.quote(column.name)}"
        for column in table.columns
    )
    return without_nulls(table, f"SELECT {cells} FROM {numbered_columns(bound)}")


def _check_types(target: Target, bound: Bound) -> None:
    """Refuse what Impala does not convert by itself."""
    types = {column.name: column.type for column in target.table.columns}
    for name, source, kind in zip(target.names, bound.columns, bound.kinds, strict=True):
        if kind is None:
            continue
        where = f"column '{name}' (type: {types[name].upper()})"
        expression = f"Expression '{source.name}' (type: {kind.upper()})"
        if is_text(kind) != is_text(types[name]) and (is_number(kind) or is_number(types[name])):
            raise ImpalaError(
                f"AnalysisException: Target table '{target.table.full_name}' is incompatible with "
                f"source expressions.\n{expression} is not compatible with {where}\n"
            )
        if _loses(kind, types[name]):
            raise ImpalaError(
                "AnalysisException: Possible loss of precision for target table "
                f"'{target.table.full_name}'.\n{expression} would need to be cast to "
                f"{types[name].upper()} for column '{name}'"
            )


def _loses(source: str, target: str) -> bool:
    """Whether a value of *source* may not fit into *target*, which then takes a CAST."""
    if source in INTEGERS and target in INTEGERS:
        return INTEGERS.index(source) > INTEGERS.index(target)
    if is_decimal(target):
        if source not in INTEGERS and not is_decimal(source):
            return is_number(source)
        (has, places), (room, scale) = digits(source), digits(target)
        return places > scale or has - places > room - scale
    if not is_text(source) or target == "string" or not is_text(target):
        return False
    fits = source.startswith("char") or (source.startswith("varchar") and target[0] == "v")
    return not fits or _width(source) > _width(target)


def _width(kind: str) -> int:
    return int(kind[kind.find("(") + 1 : -1])


def _write(context: Context, target: Target, query: str, lane: Lane) -> dict[str, int]:
    warehouse, table = context.warehouse, target.table
    files = warehouse.write(lane.rows, query, table)
    counted = _counted(files)
    if len(target.fixed) == table.partitioned_by:
        counted = counted or {_fixed_spec(target, lane): 0}
    try:
        lane.check()
        with warehouse.catalog.write() as catalog:
            if target.overwrite:
                gone = set(counted) if table.partitioned_by else {""}
                catalog.remove_files(f for f in catalog.files(table) if f.partition in gone)
            catalog.touch(table, unchanged=False)
            catalog.add_files(table, files)
            for spec in counted if table.partitioned_by else ():
                catalog.add_partition(table, spec)
    except BaseException as error:
        warehouse.discard(files)
        if isinstance(error, Moved):
            raise no_table(table.database, table.name) from error
        raise
    return counted


def _counted(files: Sequence[DataFile]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for file in files:
        counted[file.partition] = counted.get(file.partition, 0) + file.rows
    return counted


def _fixed_spec(target: Target, lane: Lane) -> str:
    if not target.fixed:
        return ""
    cells = ", ".join(
        f"CAST(CAST({target.fixed[column.name]} AS {typenames.to_duck(column.type)}) AS VARCHAR)"
        for column in target.table.partition_columns
    )
    row = lane.rows(f"SELECT {cells}")[0]
    names = [column.name for column in target.table.partition_columns]
    keys = {name: None if v is None else str(v) for name, v in zip(names, row, strict=True)}
    return partition_spec(target.table, keys)
