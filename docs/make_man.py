"""
Write the man pages of the programs, from what their ``--help`` says.

    python docs/make_man.py

It writes ``docs/man/impala-connect.1`` and ``docs/man/impala-ha.1`` anew.  A test fails while one
is not what this program would write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from impala_ha import __version__
from impala_ha.cli._command import LAST
from impala_ha.cli._commands import COMMANDS
from impala_ha.cli._commands import impala_ha as operator
from impala_ha.cli._options import command as connect_command
from impala_ha.cli.connect.commands import COMMANDS as SHELL_COMMANDS
from impala_ha.cli.connect.commands import SHORTCUTS, meaning

FOLDER = Path(__file__).parent / "man"
_SITE = "The documentation is in the folder docs of the source, and on the pages built from it."


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    return {
        "impala-connect.1": "\n".join(_connect()) + "\n",
        "impala-ha.1": "\n".join(_operator()) + "\n",
    }


def _connect() -> Iterator[str]:
    command = connect_command(lambda **_: None)
    yield from _head("impala-connect", command.help or "", "[\\fIOPTION\\fR]... [\\fB\\-\\fR]")
    yield from _options(command, level=".SH")
    yield ".SH COMMANDS AT THE PROMPT"
    for each in SHELL_COMMANDS.values():
        yield from _entry(f"\\fB{_plain(each.usage)}\\fR", each.help)
    for name in SHORTCUTS:
        yield from _entry(f"\\fB{_plain(name)}\\fR", meaning(name))
    yield ".SH FILES"
    yield from _entry(_plain("~/.config/impala-ha/config.toml"), "Profiles: named sets of options.")
    yield from _entry(_plain("/etc/impalarc, ~/.impalarc"), "Options, as impala-shell has them.")
    yield from _entry(_plain("~/.local/state/impala-ha/history"), "What was typed at the prompt.")
    yield ".SH EXIT STATUS"
    for line in (command.epilog or "").splitlines():
        if found := re.match(r"\s+(\d+)\s+(.*)", line):
            yield from _entry(found[1], found[2])
    yield ".SH SEE ALSO"
    yield f".BR impala-ha (1)\n.PP\n{_SITE}"


def _operator() -> Iterator[str]:
    yield from _head("impala-ha", operator.help or "", "\\fICOMMAND\\fR [\\fIARGUMENT\\fR]...")
    context = click.Context(operator)
    for name in sorted(COMMANDS):
        command = operator.get_command(context, name)
        assert command is not None
        yield f".SH {name.upper()}"
        yield from _prose(command.help or "")
        yield from _options(command, level=".SS")
    yield ".SH SEE ALSO"
    yield f".BR impala-connect (1)\n.PP\n{_SITE}"


def _head(name: str, about: str, usage: str) -> Iterator[str]:
    yield f'.TH {name.upper()} 1 "" "impala-ha {__version__}" "User Commands"'
    yield f".SH NAME\n{_plain(name)} \\- {_plain(about.rstrip('.'))}"
    yield f".SH SYNOPSIS\n\\fB{_plain(name)}\\fR {usage}"


def _prose(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):  # which click leaves as it is
            yield f".PP\n.nf\n{_plain(paragraph[1:].strip(chr(10)))}\n.fi"
        else:
            yield f".PP\n{_plain(paragraph)}"


def _options(command: click.Command, level: str) -> Iterator[str]:
    """The options, under the titles that ``--help`` has."""
    context = click.Context(command)
    title = ""
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is None or not isinstance(param, click.Option):
            continue
        section = getattr(param, "section", LAST if level == ".SH" else "Options")
        if section != title:
            title = section
            yield f"{level} {title.upper() if level == '.SH' else title}"
        names = re.sub(r"--?[A-Za-z][\w-]*", lambda found: f"\\fB{found[0]}\\fR", record[0])
        yield from _entry(_plain(names, keep="\\f"), record[1])


def _entry(name: str, text: str) -> Iterator[str]:
    yield f".TP\n{name}\n{_plain(text)}"


def _plain(text: str, keep: str = "") -> str:
    """*text* with what troff would take for its own."""
    text = re.sub(r"\\(?!f[BIR])" if keep else r"\\", r"\\e", text).replace("-", "\\-")
    return re.sub(r"(?m)^(?=[.'])", r"\\&", text)


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        FOLDER.joinpath(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
