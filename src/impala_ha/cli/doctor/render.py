"""
A chart for the eyes: two or three lines for who is well, a line a layer for who is not.

A cluster that is well fits on one screen, so that the one who is not is seen at once.  No colour
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
from impala_ha.cli.doctor.report import Chart, Condition, Layer, Row

_INDENT = 5
_STYLES = {
    Condition.WELL: "green",
    Condition.DOUBTFUL: "yellow",
    Condition.ILL: "bold red",
    Condition.UNTRIED: "dim",
}
_MARKS = {
    Condition.WELL: "ok",
    Condition.DOUBTFUL: "!",
    Condition.ILL: "ILL",
    Condition.UNTRIED: "-",
}
_KNOWN = frozenset({Layer.NAME})  # stands in the headline
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")


def show(console: Console, chart: Chart, *, whole: bool) -> None:
    """
    Print a chart.

    Args:
        console: Where.
        chart: What.
        whole: A line a layer for the well ones as well?
    """
    with console.capture() as printed:
        console.print(_headline(chart), soft_wrap=True)
        body = _ladder(chart) if whole or not chart.well else _brief(chart, console)
        console.print(Padding(body, (0, 0, 0, _INDENT), expand=False))
    for line in printed.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")
    console.file.flush()


def summary(charts: Sequence[Chart], seconds: float) -> Text:
    """The last line."""
    ill = [chart for chart in charts if not chart.well]
    many = "coordinator" if len(charts) == 1 else "coordinators"
    if not ill:
        how = "well" if len(charts) == 1 else "all well"
        return Text(f"{len(charts)} {many}, {how} ({_took(seconds)})", "green")
    named = ", ".join(
        f"{chart.coordinator} ({chart.diagnosis.layer.value})" for chart in ill if chart.diagnosis
    )
    return Text(f"{len(ill)} of {len(charts)} {many} ill: {named} ({_took(seconds)})", "bold red")


def _headline(chart: Chart) -> Text:
    condition = Condition.WELL if chart.well else Condition.ILL
    line = Text(f"{_MARKS[condition]:<{_INDENT}}", _STYLES[condition])
    line.append(str(chart.coordinator), "bold")
    if chart.diagnosis is not None:
        line.append(f": {chart.diagnosis.layer.value}", _STYLES[condition])
    return line.append(f"  {_took(chart.seconds)}", "dim")


def _brief(chart: Chart, console: Console) -> Text:
    """Everything on few lines, which end between two layers."""
    between = Text(" · " if console.encoding.lower().replace("-", "") == "utf8" else " | ", "dim")
    lines = [Text()]
    for layer, row in chart.told():
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
    doubt = row.condition is Condition.DOUBTFUL
    text = visible(text)
    part = Text(f"! {text}" if doubt else text, _STYLES[row.condition] if doubt else "")
    return part.append(time, "dim")


def _ladder(chart: Chart) -> RenderableType:
    """A line a layer, then what is wrong and what to do."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, width=3)
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, width=7, justify="right")
    table.add_column(overflow="fold")
    for layer, row in chart.told():
        if layer in _KNOWN or (row.condition is Condition.UNTRIED and not row.text):
            continue
        time = "" if row.seconds is None else _took(row.seconds)
        mark = Text(_MARKS[row.condition], _STYLES[row.condition])
        table.add_row(mark, layer.value, Text(time, "dim"), Text(visible(row.text)))
    return Group(table, *_last_words(chart))


def _last_words(chart: Chart) -> Iterable[RenderableType]:
    untried = [
        layer.value
        for layer, row in chart.told()
        if row.condition is Condition.UNTRIED and not row.text
    ]
    words = Table.grid(padding=(0, 2))
    words.add_column(no_wrap=True, width=3)
    words.add_column(overflow="fold")
    if untried:
        words.add_row(Text("-", "dim"), Text(f"not come to: {', '.join(untried)}", "dim"))
    if chart.diagnosis is not None:
        words.add_row(Text("why", "bold"), Text(visible(chart.diagnosis.problem)))
        words.add_row(Text("do", "bold"), Text(visible(chart.diagnosis.advice)))
    if words.row_count:
        yield words


def _took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"  # noqa: PLR2004 - 10 ms
    return f"{seconds:.1f} s"
