"""
A report as text: two or three lines for a healthy coordinator, a line a layer for another one.

A healthy cluster fits on one screen, so that a coordinator that is not is seen at once.  No colour
where the output goes into a file or a pipe, and nothing that a terminal without UTF-8 could not
show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from impala_ha.cli.connect.output import visible
from impala_ha.cli.doctor.facts import days
from impala_ha.cli.doctor.report import Layer, Report, Row, Status

_INDENT = 5
_STYLES = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
}
_MARKS = {
    Status.OK: "ok",
    Status.WARNING: "!",
    Status.FAILED: "FAIL",
    Status.SKIPPED: "-",
}
_KNOWN = frozenset({Layer.NAME})  # stands in the headline
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")


def show(console: Console, report: Report, *, whole: bool) -> None:
    """
    Print a report.

    Args:
        console: Where.
        report: What.
        whole: A line a layer for the healthy ones, too?
    """
    with console.capture() as printed:
        console.print(_headline(report), soft_wrap=True)
        body = _layers(report) if whole or not report.ok else _brief(report, console)
        console.print(Padding(body, (0, 0, 0, _INDENT), expand=False))
    for line in printed.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")
    console.file.flush()


def summary(reports: Sequence[Report], seconds: float) -> Text:
    """The last line."""
    failed = [report for report in reports if not report.ok]
    many = "coordinator" if len(reports) == 1 else "coordinators"
    if not failed:
        how = "healthy" if len(reports) == 1 else "all healthy"
        return Text(f"{len(reports)} {many}, {how} ({_took(seconds)})", "green")
    named = ", ".join(
        f"{report.coordinator} ({report.diagnosis.layer.value})"
        for report in failed
        if report.diagnosis
    )
    text = f"{len(failed)} of {len(reports)} {many} failed: {named} ({_took(seconds)})"
    return Text(text, "bold red")


def _headline(report: Report) -> Text:
    status = Status.OK if report.ok else Status.FAILED
    line = Text(f"{_MARKS[status]:<{_INDENT}}", _STYLES[status])
    line.append(str(report.coordinator), "bold")
    if report.diagnosis is not None:
        line.append(f": {report.diagnosis.layer.value}", _STYLES[status])
    return line.append(f"  {_took(report.seconds)}", "dim")


def _brief(report: Report, console: Console) -> Text:
    """Everything on few lines, which end between two layers."""
    between = Text(" · " if console.encoding.lower().replace("-", "") == "utf8" else " | ", "dim")
    lines = [Text()]
    for layer, row in report.shown():
        if layer in _KNOWN:
            continue
        part = _part(layer, row)
        if not lines[-1]:
            lines[-1] = part
        elif lines[-1].cell_len + len(between) + part.cell_len > console.width - _INDENT:
            lines.append(part)
        else:
            lines[-1] = Text.assemble(lines[-1], between, part)
    return Text("\n").join(lines)


def _part(layer: Layer, row: Row) -> Text:
    if layer in {Layer.HTTP, Layer.SESSION, Layer.PING, Layer.TCP}:
        text = layer.value
    elif layer is Layer.VERSION:
        found = _VERSION.search(row.text)
        text = f"version {found[0]}" if found else row.text
    elif layer is Layer.TLS:
        text = f"{row.facts['protocol']}"
        text += "" if row.facts["verified"] else ", not verified"
        text += f", {days(row.facts['days_left'])}" if "days_left" in row.facts else ""
    else:
        text = row.text or layer.value
    time = "" if row.seconds is None else f" {_took(row.seconds)}"
    doubt = row.status is Status.WARNING
    text = visible(text)
    part = Text(f"! {text}" if doubt else text, _STYLES[row.status] if doubt else "")
    return part.append(time, "dim")


def _layers(report: Report) -> RenderableType:
    """A line a layer, then what is wrong and what to do."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, width=4)
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, width=7, justify="right")
    table.add_column(overflow="fold")
    for layer, row in report.shown():
        if layer in _KNOWN or (row.status is Status.SKIPPED and not row.text):
            continue
        time = "" if row.seconds is None else _took(row.seconds)
        mark = Text(_MARKS[row.status], _STYLES[row.status])
        table.add_row(mark, layer.value, Text(time, "dim"), Text(visible(row.text)))
    return Group(table, *_footer(report))


def _footer(report: Report) -> Iterable[RenderableType]:
    skipped = [
        layer.value
        for layer, row in report.shown()
        if row.status is Status.SKIPPED and not row.text
    ]
    footer = Table.grid(padding=(0, 2))
    footer.add_column(no_wrap=True, width=4)
    footer.add_column(overflow="fold")
    if skipped:
        footer.add_row(Text("-", "dim"), Text(f"not reached: {', '.join(skipped)}", "dim"))
    if report.diagnosis is not None:
        footer.add_row(Text("why", "bold"), Text(visible(report.diagnosis.problem)))
        footer.add_row(Text("do", "bold"), Text(visible(report.diagnosis.advice)))
    if footer.row_count:
        yield footer


def _took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"  # noqa: PLR2004 - 10 ms
    return f"{seconds:.1f} s"
