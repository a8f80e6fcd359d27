"""USE and SET: what changes the session."""

from __future__ import annotations

from pocket_impala.coordinator.contract import Column, Job
from pocket_impala.sql.context import Context
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.options import OPTIONS, check_range, checked, memory
from pocket_impala.sql.reader import Reader

_OPTION = tuple(Column(name, "string") for name in ("option", "value", "level"))


def plan_use(reader: Reader, context: Context) -> Job:
    """Plan a USE statement."""
    reader.expect("USE")
    name = reader.name()
    reader.end()
    context.database(name)

    def use() -> None:
        context.session.database = name

    return TableJob("DDL", (), use)


def plan_set(reader: Reader, context: Context) -> Job:
    """Plan a SET statement."""
    reader.expect("SET")
    shown = {"REGULAR", "ADVANCED"}
    if reader.ended:
        return _shown(context, [name for name in OPTIONS if OPTIONS[name][1] in shown])
    if reader.take("ALL"):
        reader.end()
        return _shown(context, list(OPTIONS))
    word = reader.word
    reader.name()
    name = checked(word.text if word is not None else "")
    if not reader.take("="):
        reader.end()
        return _shown(context, [name] if name in OPTIONS else [])
    value = reader.value()
    memory({name: value})
    check_range(name, value)

    def change() -> None:
        if value == "":
            context.session.options.pop(name, None)
        else:
            context.session.options[name] = value

    return TableJob("SET", (), change)


def _shown(context: Context, names: list[str]) -> Job:
    own = {key.upper(): value for key, value in context.session.options.items()}

    def rows() -> list[tuple[str, str, str]]:
        return [(name, own.get(name, OPTIONS[name][0]), OPTIONS[name][1]) for name in names]

    return TableJob("SET", _OPTION, rows)
