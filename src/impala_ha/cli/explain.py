"""`impala-ha explain`: what happens when, from the rules that decide it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

import click

from impala_ha.core.fault_rules import FAULT_RULES
from impala_ha.core.faults import CredentialKind, Fault, Phase
from impala_ha.failover.attempts import doubtful_faults
from impala_ha.failover.decision_table import Decision, LoginDecision, logins, table
from impala_ha.sql.statement import Effect, Kind

_LOGIN = "login"
_KINDS = {
    Effect.READ: "a read",
    Effect.IDEMPOTENT: "an idempotent write",
    Effect.WRITE: "any other write",
}


@click.command()
@click.argument("faults", nargs=-1, metavar="[FAULT|login]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def explain(faults: tuple[str, ...], as_json: bool) -> None:
    """Show what happens in each fault: how it is known, whether it is retried, what is raised.

    Without FAULT all of them; a name is the one in the log and in `attempt.fault`. And login: what
    each end of a login means, after a Kerberos ticket, a password or nothing.
    """
    named = {_named(name) for name in faults if name.lower() != _LOGIN}
    wanted = named or set(() if faults else Fault)
    rows = [row for row in table() if row.fault in wanted]
    ends = list(logins()) if len(named) < len(faults) or not faults else []
    if as_json:
        for row in [*map(_data, rows), *map(_login_data, ends)]:
            click.echo(json.dumps(row))
        return
    for fault, about in groupby(rows, key=lambda row: row.fault):
        click.echo("\n".join(_lines(fault, list(about))) + "\n")
    if ends:
        click.echo("\n".join(_grid(ends)))


def _lines(fault: Fault, rows: list[Decision]) -> Iterator[str]:
    """What happens in *fault*; phases in which the same happens share a paragraph."""
    yield f"{fault.name}: the coordinator {fault.label}"
    known = [rule.name for rule in FAULT_RULES if fault in rule.faults]
    yield f"  known by: {', '.join(known) or 'no rule; it is what none of them knows'}"
    if kinds := [kind.value for kind in Kind if fault in doubtful_faults(kind)]:
        yield f"  may have run all the same, once sent: {', '.join(kinds)}"
    by_phase = {p: {r.effect: _words(r) for r in group} for p, group in groupby(rows, _phase)}
    for ends, phases in groupby(by_phase, by_phase.__getitem__):
        yield f"  {', '.join(phase.value for phase in phases)}:"
        if len(set(ends.values())) == 1:
            yield f"    {ends[Effect.READ]}"
            continue
        yield from (f"    {_KINDS[effect]}: {end}" for effect, end in ends.items())


def _phase(row: Decision) -> Phase:
    return row.phase


def _named(name: str) -> Fault:
    word = name.upper().replace("-", "_")
    if word not in Fault.__members__:
        known = ", ".join(Fault.__members__)
        raise click.BadParameter(f"no fault is called {name!r}; known are {known}")
    return Fault[word]


def _words(row: Decision) -> str:
    if row.again:
        return "tried again"
    if row.fenced:
        return f"tried again once it is certainly over; else {row.error}"
    return f"not tried again: {row.error}"


def _data(row: Decision) -> dict[str, object]:
    return {
        "fault": row.fault.name,
        "phase": row.phase.name,
        "statement": row.effect.name,
        "again": row.again,
        "fenced": row.fenced,
        "error": row.error,
    }


def _login_data(row: LoginDecision) -> dict[str, object]:
    return {
        "login": row.end,
        "credential": row.credential.name,
        "fault": row.fault.name,
        "whose": row.whose,
        "again": row.fault.retry,
        "ejects": row.fault.counts_against_host,
        "error": row.error,
    }


def _grid(rows: list[LoginDecision]) -> Iterator[str]:
    """How a login ended, by what was shown; and whose failure each fault is."""
    first = max(len(row.end) for row in rows)
    columns = {credential: max(len(credential.value), 11) for credential in CredentialKind}

    def line(begin: str, cells: dict[CredentialKind, str]) -> str:
        row = (f"{cells.get(credential, '-'):{width}}" for credential, width in columns.items())
        return f"  {begin:{first}}  {'  '.join(row)}".rstrip()

    yield "LOGINS: what each end of one means, after what was shown"
    yield line("", {credential: credential.value for credential in CredentialKind})
    for end, about in groupby(rows, key=lambda row: row.end):
        yield line(end, {row.credential: row.fault.name for row in about})
    yield ""
    for fault, row in {row.fault: row for row in rows}.items():
        yield f"  {fault.name:11}  {row.whose}; at the end {row.error}"
