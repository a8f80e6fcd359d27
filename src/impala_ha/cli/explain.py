"""`impala-ha explain`: what happens when, from the rules that decide it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

import click

from impala_ha._attempts import doubtful_faults
from impala_ha._fault_rules import FAULT_RULES
from impala_ha._faults import Fault, Phase
from impala_ha._statement import Effect, Kind
from impala_ha._verdicts import Verdict, table

_KINDS = {
    Effect.READ: "a read",
    Effect.HARMLESS: "an idempotent write",
    Effect.WRITE: "any other write",
}


@click.command()
@click.argument("faults", nargs=-1, metavar="[FAULT]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def explain(faults: tuple[str, ...], as_json: bool) -> None:
    """Tell what happens in each fault: how it is known, whether it is tried again, what is told.

    Without FAULT all of them; a name is the one in the log and in `attempt.fault`.
    """
    wanted = {_named(name) for name in faults} or set(Fault)
    rows = [row for row in table() if row.fault in wanted]
    if as_json:
        for row in rows:
            click.echo(_json(row))
        return
    for fault, about in groupby(rows, key=lambda row: row.fault):
        click.echo("\n".join(_lines(fault, list(about))) + "\n")


def _lines(fault: Fault, rows: list[Verdict]) -> Iterator[str]:
    """What happens in *fault*; phases in which the same happens share a paragraph."""
    yield f"{fault.name}: the coordinator {fault.label}"
    known = [rule.name for rule in FAULT_RULES if fault in rule.faults]
    yield f"  known by: {', '.join(known) or 'no rule; it is what none of them knows'}"
    if kinds := [kind.value for kind in Kind if fault in doubtful_faults(kind)]:
        yield f"  may have run all the same, once sent: {', '.join(kinds)}"
    by_phase = {p: {r.effect: _words(r) for r in group} for p, group in groupby(rows, _phase)}
    for told, phases in groupby(by_phase, by_phase.__getitem__):
        yield f"  {', '.join(phase.value for phase in phases)}:"
        if len(set(told.values())) == 1:
            yield f"    {told[Effect.READ]}"
            continue
        yield from (f"    {_KINDS[effect]}: {words}" for effect, words in told.items())


def _phase(row: Verdict) -> Phase:
    return row.phase


def _named(name: str) -> Fault:
    word = name.upper().replace("-", "_")
    if word not in Fault.__members__:
        known = ", ".join(Fault.__members__)
        raise click.BadParameter(f"no fault is called {name!r}; known are {known}")
    return Fault[word]


def _words(row: Verdict) -> str:
    if row.again:
        return "tried again"
    if row.fenced:
        return f"tried again once it is certainly over; else told: {row.told}"
    return f"not tried again; told: {row.told}"


def _json(row: Verdict) -> str:
    return json.dumps(
        {
            "fault": row.fault.name,
            "phase": row.phase.name,
            "statement": row.effect.name,
            "again": row.again,
            "fenced": row.fenced,
            "told": row.told,
        }
    )
