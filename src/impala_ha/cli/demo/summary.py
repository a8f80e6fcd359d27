"""The demo's last words: the numbers, and whether it was well."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from impala_ha.cli.demo.verdict import Verdict

_MOST = 5  # statements that are named of each kind of trouble


def summary(verdict: Verdict) -> RenderableType:
    """Show the numbers of *verdict*, then in one line whether it was well."""
    table = Table(box=SIMPLE_HEAD, show_header=False, padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    for name, value, good in _numbers(verdict):
        table.add_row(name, Text(value, style="bold" if good else "bold red"))
    return Group(table, *_unknown(verdict), *_trouble(verdict), _closing(verdict))


def _numbers(verdict: Verdict) -> list[tuple[str, str, bool]]:
    longest = verdict.longest
    return [
        ("statements", f"{verdict.statements}", longest is not None),
        ("of these, INSERTs", f"{verdict.inserts}", True),
        ("INSERTs that the servers ran", f"{verdict.counted}", True),
        ("failures seen by the caller", f"{len(verdict.failed)}", not verdict.failed),
        ("statements that ran twice", f"{len(verdict.twice)}", not verdict.twice),
        ("INSERTs reported as done and missing", f"{len(verdict.missing)}", not verdict.missing),
        ("longest wait", f"{longest.wait:.2f} s" if longest else "-", True),
    ]


def _unknown(verdict: Verdict) -> list[Text]:
    """INSERTs whose coordinator was lost under them: nobody could know, so somebody looked."""
    if not verdict.unknown:
        return []
    not_done = verdict.unknown - verdict.looked_up_done
    lines = [f" outcome unknown, looked up: {verdict.looked_up_done} done, {not_done} not done"]
    if verdict.done_later:
        lines.append(
            f" {verdict.done_later} of the latter ran when the hung coordinator went on: "
            "a blind retry would have made it two."
        )
    return [Text(line) for line in [*lines, ""]]


def _trouble(verdict: Verdict) -> list[Text]:
    lines = [f"failed: {entry.sql}: {entry.error}" for entry in verdict.failed[:_MOST]]
    lines += [f"ran twice: {sql}" for sql in verdict.twice[:_MOST]]
    lines += [f"missing: {sql}" for sql in verdict.missing[:_MOST]]
    return [Text(f" {line}", style="red") for line in lines]


def _closing(verdict: Verdict) -> Text:
    if verdict.good and verdict.unknown:
        one = verdict.unknown == 1
        lost = "one INSERT was" if one else f"{verdict.unknown} INSERTs were"
        text = (
            f" One coordinator was killed, one hung; {lost} of unknown outcome, all else was done."
        )
        return Text(text, "bold green")
    if verdict.good:
        return Text(" One coordinator was killed, one hung, and no statement failed.", "bold green")
    return Text(" This is a bug of the library: please report the lines above.", "bold red")
