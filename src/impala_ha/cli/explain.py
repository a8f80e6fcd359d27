"""`impala-ha explain`: what happens when, from the rules that decide it."""

from __future__ import annotations

import json
from itertools import groupby

import click

from impala_ha._faults import Fault
from impala_ha._statement import Effect
from impala_ha._verdicts import Verdict, table

_KINDS = (Effect.READ, Effect.WRITE)


@click.command()
@click.argument("faults", nargs=-1, metavar="[FAULT]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def explain(faults: tuple[str, ...], as_json: bool) -> None:
    """Tell what happens in each fault: tried again or not, and what the caller is told.

    Without FAULT all of them; a name is the one in the log and in `attempt.fault`.
    """
    wanted = {_named(name) for name in faults} or set(Fault)
    rows = [row for row in table() if row.fault in wanted]
    if as_json:
        for row in rows:
            click.echo(_json(row))
        return
    for fault, about in groupby(rows, key=lambda row: row.fault):
        click.echo(f"{fault.name}: the coordinator {fault.label}")
        for phase, verdicts in groupby(about, key=lambda row: row.phase):
            told = {row.effect: _words(row) for row in verdicts}
            read, write = (told[kind] for kind in _KINDS)
            what = read if read == write else f"a read is {read}; a write is {write}"
            click.echo(f"  {phase.value}: {what}")
        click.echo()


def _named(name: str) -> Fault:
    word = name.upper().replace("-", "_")
    if word not in Fault.__members__:
        known = ", ".join(Fault.__members__)
        raise click.BadParameter(f"no fault is called {name!r}; known are {known}")
    return Fault[word]


def _words(row: Verdict) -> str:
    if row.again:
        return "tried again"
    return f"not tried again: {row.told}"


def _json(row: Verdict) -> str:
    return json.dumps(
        {
            "fault": row.fault.name,
            "phase": row.phase.name,
            "statement": row.effect.name,
            "again": row.again,
            "told": row.told,
        }
    )
