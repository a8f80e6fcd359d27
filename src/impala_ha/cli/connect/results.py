"""What becomes of results, from the options: their form, and where they go."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.destination import Destination, WholeFile
from impala_ha.cli.connect.look import Look
from impala_ha.cli.connect.notes import Verbosity
from impala_ha.cli.connect.output import Delimited, Form, Table, Vertical, delimiter, visible
from impala_ha.cli.connect.pager import Screen
from impala_ha.cli.connect.parquet import Parquet
from impala_ha.cli.connect.records import JsonLines, Markdown
from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impala_ha.cli.connect.script import ScriptStatement

_OF_BEESWAX = "16G"
_NOT_OF_PARQUET = {
    "delimited": "-B",
    "vertical": "-E",
    "hs2_fp_format": "--hs2_fp_format",
    "output_format": "--output_format",
}


def form(look: Look) -> Callable[[Sequence[str]], Form]:
    """
    What makes the form of a result from the names of its columns.

    Raises:
        BadInput: Options that contradict each other, or have no such value.
        MissingExtra: Parquet without its extra.
    """
    char, fp_format = delimiter(look["output_delimiter"]), _fp_format(look)
    if _is_parquet(look):
        for name, option in _NOT_OF_PARQUET.items():
            if look[name]:
                raise BadInput(f"-o {look['output_file']} is Parquet, and {option} is for text")
        import_extra("pyarrow.parquet", "arrow")
        unit = look["timestamp_unit"] or "ns"
        return lambda _: Parquet(unit)
    if look["timestamp_unit"]:
        raise BadInput("--timestamp_unit needs Parquet: -o FILE.parquet")
    name = _name(look)
    if name == "delimited":
        header = look["print_header"]
        return partial(Delimited, delimiter=char, header=header, fp_format=fp_format)
    if name == "json":
        if look["hs2_fp_format"]:
            raise BadInput("--hs2_fp_format is for text, and JSON has numbers of its own")
        return JsonLines
    forms = {"vertical": Vertical, "markdown": Markdown, "table": Table}
    return partial(forms[name], fp_format=fp_format)


def _name(look: Look) -> str:
    """Which form of text: the present one, or -B and -E, of which -B wins."""
    short = "delimited" if look["delimited"] else "vertical" if look["vertical"] else ""
    named = look["output_format"]
    if short and named and named != short:
        flag = {"delimited": "-B", "vertical": "-E"}[short]
        raise BadInput(f"{flag} and --output_format={named} contradict each other")
    return named or short or "table"


def is_for_programs(look: Look) -> bool:
    """Is it a program that reads the results, and not a person?"""
    return _is_parquet(look) or _name(look) in {"delimited", "json", "vertical"}


def destination(
    look: Look, script: Sequence[ScriptStatement], file: Path | None
) -> Destination | WholeFile:
    """
    Where results go.

    Args:
        look: The options of the shell.
        script: The statements.
        file: The one that they come from.

    Raises:
        BadInput: A place that cannot be; a file of Parquet for more than one result, or for none.
    """
    output = look["output_file"]
    if output in {None, "-"} and look.get("pager"):
        return Screen()
    if not _is_parquet(look):
        return Destination(Path(output) if output not in {None, "-"} else None, file)
    if (queries := sum(statement.is_query for statement in script)) != 1:
        raise BadInput(f"-o {output}: Parquet takes the result of one query, not of {queries}")
    return WholeFile(Path(output), file)


def to_stdout(lines: str, look: Look) -> None:
    """Show what a command of the shell says; on a terminal by pages."""
    place = Screen() if look.get("pager") else None
    out = place.open() if place is not None else sys.stdout
    out.write("\t".join(map(visible, f"{lines}\n".split("\t"))))
    if place is None:
        out.flush()
    else:
        place.finish()


def verbosity(look: Look) -> Verbosity:
    """What goes to standard error."""
    if look["quiet"]:
        return Verbosity.QUIET
    return Verbosity.VERBOSE if look["verbose"] else Verbosity.NORMAL


def _is_parquet(look: Look) -> bool:
    return (look["output_file"] or "").lower().endswith(".parquet")


def _fp_format(look: Look) -> str:
    asked = look["hs2_fp_format"]
    if asked is None:
        return _OF_BEESWAX if look["protocol"] == "beeswax" else ""
    try:
        format(0.0, asked)
    except ValueError as error:
        raise BadInput(
            f"--hs2_fp_format: Invalid floating point format specification: {asked} ({error})"
        ) from None
    return str(asked)
