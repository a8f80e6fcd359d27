"""
From the options to a request: everything that is to be done, checked, with nothing opened.

The order is that of the user's patience: what the command line alone shows, then the script and
the output file, then what the library says to hosts and options, and only then a password is
asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impala_ha.auth import kerberos
from impala_ha.cli.connect import results
from impala_ha.cli.connect.arguments import connecting
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.look import SHELL_OPTIONS, Look
from impala_ha.cli.connect.notes import Verbosity
from impala_ha.cli.connect.script import ScriptStatement, assignments, decoded, read, statements
from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    from impala_ha.cli.connect.destination import Destination, WholeFile
    from impala_ha.cli.connect.output import Form

_FETCH_SIZE = 8192
_LOOK = frozenset(
    [
        *(option for option, _ in SHELL_OPTIONS.values()),
        *("hs2_fp_format", "print_header", "protocol", "quiet", "show_profiles"),
        "timestamp_unit",
    ]
)
_PATHS = frozenset(
    [
        "query_file",
        "output_file",
        "profile_output",
        "config_file",
        "keytab",
        "ca_cert",
        "client_cert",
        "client_key",
        "history_file",
        "rpc_file",
    ]
)


@dataclass(frozen=True, slots=True)
class Request:
    """
    What one run is to do.

    Attributes:
        script: The statements, in order.
        origin: Where they come from, for messages.
        connect: Arguments of ``impala_ha.connect()``; among them the password.
        query_options: Of the session, by name in upper case.
        form: Makes the form of a result from the names of its columns.
        destination: Where results go.
        fetch_size: Rows of one batch.
        database: The one that is to be there; "" if none was named.
        keep_going: Go on after a failed statement?
        verbosity: What goes to standard error.
        look: The options of the shell.
        variables: What ``${VAR:name}`` stands for, by name in upper case.
        refresh: Have the metadata loaded anew before the first statement?
        history: The file of the history, and how many statements are kept in it; None for
            a script, and not for a person at the prompt.
    """

    script: tuple[ScriptStatement, ...]
    origin: str
    connect: Mapping[str, Any] = field(repr=False)
    query_options: Mapping[str, str]
    form: Callable[[Sequence[str]], Form]
    destination: Destination | WholeFile
    fetch_size: int
    keep_going: bool
    verbosity: Verbosity
    database: str = ""
    look: Look = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    refresh: bool = False
    history: tuple[Path, int] | None = None


def request(**given: Any) -> Request:
    """
    Check what was given on the command line.

    Args:
        given: Every option by name, as `_options` declares them.

    Raises:
        BadInput: The first mistake found.
        impala_ha.errors.ConfigurationError: What the library has to say to hosts and options.
        MissingExtra: Kerberos without its library, Parquet or a prompt without its extra.
    """
    _check_texts(given)
    at_prompt = _is_at_prompt(given)
    look = _look(given, at_prompt=at_prompt)
    form, verbosity = results.form(look), results.verbosity(look)
    variables = assignments("--var", given["var"])
    query_options = given["config_file"] or {}
    query_options = {**query_options, **assignments("--query_option", given["query_option"])}
    text, origin, file = ("", "", None) if at_prompt else _script_text(given)
    script = statements(text, variables, origin)
    destination = results.destination(look, script, file)
    connect, options = connecting(given)
    if options.auth_mechanism == "GSSAPI":
        kerberos.check(options)
    return Request(
        script=script,
        origin=origin,
        connect=connect,
        query_options=query_options,
        form=form,
        destination=destination,
        fetch_size=given["fetch_size"] or _FETCH_SIZE,
        database=(options.database or "").strip("`"),
        keep_going=given["ignore_query_failure"],
        verbosity=verbosity,
        look=look,
        variables=variables,
        refresh=given["refresh_after_connect"],
        history=_history(given) if at_prompt else None,
    )


def _is_at_prompt(given: Mapping[str, Any]) -> bool:
    """Is there a person, and no script?"""
    sources = ("execute", "query", "query_file", "stdin")
    if any(given[name] is not None for name in sources):
        return False
    streams = (sys.stdin, sys.stdout)
    if not all(stream is not None and stream.isatty() for stream in streams):
        return False
    import_extra("prompt_toolkit", "cli")
    return True


def _look(given: Mapping[str, Any], *, at_prompt: bool) -> dict[str, Any]:
    """The options of the shell; at the prompt some are on that are off in a script."""
    look = {name: given[name] for name in _LOOK}
    if look["quiet"] and look["verbose"]:
        raise BadInput("--quiet and --verbose contradict each other")
    look["live_progress"] = at_prompt if look["live_progress"] is None else look["live_progress"]
    look["pager"] = at_prompt and look["pager"]
    look["profile_format"] = look["profile_format"] or "string"
    return look


def _history(given: Mapping[str, Any]) -> tuple[Path, int]:
    if named := given["history_file"] or os.environ.get("IMPALA_HISTFILE"):
        return Path(named).expanduser(), given["history_max"]
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state, "impala-ha", "history"), given["history_max"]


def _check_texts(given: Mapping[str, Any]) -> None:
    """Refuse what is not UTF-8; the name of a file may be anything."""
    for name, value in given.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and name not in _PATHS:
                decoded(os.fsencode(text), _SHORT.get(name, f"--{name}"))


_SHORT = {"execute": "-e", "query": "-q", "stdin": "argument"}


def _script_text(given: Mapping[str, Any]) -> tuple[str, str, Path | None]:
    """The SQL, its name for messages, and its file if it has one."""
    sources = {
        "-e": given["execute"],
        "-q": given["query"],
        "-f": given["query_file"],
        "-": given["stdin"],
    }
    chosen = [name for name, value in sources.items() if value is not None]
    if given["stdin"] not in {None, "-"}:
        raise BadInput(
            f"unexpected {given['stdin']!r}: SQL is given with -e, a file with -f, several hosts"
            " with commas (-i a,b)"
        )
    if len(chosen) > 1:
        raise BadInput(f"{' and '.join(chosen)} contradict each other: give the SQL once")
    if chosen and chosen[0] in {"-e", "-q"}:
        return sources[chosen[0]], chosen[0], None
    if not chosen and (sys.stdin is None or sys.stdin.isatty()):
        raise BadInput("nothing to run: give -e SQL, -f FILE, or SQL on standard input")
    if given["query_file"] in {None, "-"}:
        if sys.stdin is None:
            raise BadInput("standard input is closed")
        return decoded(sys.stdin.buffer.read(), "standard input"), "standard input", None
    file = Path(given["query_file"])
    return read(file, "-f"), str(file), file
