"""What becomes of results, from the options: their form, and where they go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.destination import Destination, WholeFile
from impala_ha.cli.connect.output import Delimited, Form, Table, Vertical, delimiter
from impala_ha.cli.connect.parquet import Parquet
from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from impala_ha.cli.connect.script import ScriptStatement

_OF_BEESWAX = "16G"
_NOT_OF_PARQUET = {"delimited": "-B", "vertical": "-E", "hs2_fp_format": "--hs2_fp_format"}


def form(given: Mapping[str, Any]) -> Callable[[Sequence[str]], Form]:
    """
    What makes the form of a result from the names of its columns.

    Raises:
        BadInput: Options that contradict each other, or have no such value.
        MissingExtra: Parquet without its extra.
    """
    char, fp_format = delimiter(given["output_delimiter"]), _fp_format(given)
    if _is_parquet(given):
        for name, option in _NOT_OF_PARQUET.items():
            if given[name]:
                raise BadInput(f"-o {given['output_file']} is Parquet, and {option} is for text")
        import_extra("pyarrow.parquet", "arrow")
        unit = given["timestamp_unit"] or "ns"
        return lambda _: Parquet(unit)
    if given["timestamp_unit"]:
        raise BadInput("--timestamp_unit needs Parquet: -o FILE.parquet")
    if given["delimited"]:
        header = given["print_header"]
        return partial(Delimited, delimiter=char, header=header, fp_format=fp_format)
    return partial(Vertical if given["vertical"] else Table, fp_format=fp_format)


def destination(
    given: Mapping[str, Any], script: Sequence[ScriptStatement], file: Path | None
) -> Destination | WholeFile:
    """
    Where results go.

    Args:
        given: Every option by name.
        script: The statements.
        file: The one that they come from.

    Raises:
        BadInput: A place that cannot be; a file of Parquet for more than one result, or for none.
    """
    output = given["output_file"]
    if not _is_parquet(given):
        return Destination(Path(output) if output not in {None, "-"} else None, file)
    if (queries := sum(statement.is_query for statement in script)) != 1:
        raise BadInput(f"-o {output}: Parquet takes the result of one query, not of {queries}")
    return WholeFile(Path(output), file)


def _is_parquet(given: Mapping[str, Any]) -> bool:
    return (given["output_file"] or "").lower().endswith(".parquet")


def _fp_format(given: Mapping[str, Any]) -> str:
    asked = given["hs2_fp_format"]
    if asked is None:
        return _OF_BEESWAX if given["protocol"] == "beeswax" else ""
    try:
        format(0.0, asked)
    except ValueError as error:
        raise BadInput(f"--hs2_fp_format: {asked!r} is not a format: {error}") from None
    return str(asked)
