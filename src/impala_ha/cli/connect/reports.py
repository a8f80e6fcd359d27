"""What is shown of a statement besides its result: where it runs, its profile, its summary."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat

from impala_ha.cli.connect.bad_input import CommandFailed
from impala_ha.cli.connect.look import Look, shown
from impala_ha.cli.connect.output import Table

if TYPE_CHECKING:
    from impala_ha.cli.connect.notes import Notes

_ATTEMPTS = ("all", "latest", "original")
_SUMMARY = (
    *("Operator", "#Hosts", "#Inst", "Avg Time", "Max Time", "#Rows", "Est. #Rows"),
    *("Peak Mem", "Est. Peak Mem", "Detail"),
)
_LOGINS = {
    "GSSAPI": "with Kerberos authentication",
    "LDAP": "with LDAP-based authentication",
    "JWT": "with JWT-based authentication",
}
_LEVELS = {
    "REGULAR": "",
    "ADVANCED": "\nAdvanced Query Options:",
    "DEVELOPMENT": "\nDevelopment Query Options:",
    "DEPRECATED": "\nDeprecated Query Options:",
}


def start_message(mechanism: str | None) -> str:
    """How it is going to log in, in impala-shell's words."""
    return f"Starting impala-connect {_LOGINS.get(mechanism or '', 'with no authentication')}"


def tell_start(cursor: Any, notes: Notes) -> None:
    """When a statement is sent, and to whom."""
    session = getattr(cursor, "session", None)
    web = (session.config or {}).get("http_addr") if session is not None else None
    at = f" (Coordinator: http://{web})" if web else ""
    notes.detail(f"Query submitted at: {time.strftime('%Y-%m-%d %H:%M:%S')}{at}")


def tell_query(cursor: Any, notes: Notes, *, linked: bool) -> None:
    """The id of the last statement, and where it can be watched if that is worth it."""
    if cursor.query_id is None:
        return
    notes.detail(f"Query id: {cursor.query_id}")
    if cursor.query_url and linked:
        notes.detail(f"Query state can be monitored at: {cursor.query_url}")


def modified(cursor: Any) -> str:
    """How many rows a write changed, and could not change (Kudu)."""
    changed, failed = cursor.rowcount, max(0, cursor.rowcounts[1])
    return f"Modified {changed} row(s)" + (f", {failed} row error(s)" if failed else "")


def profile(cursor: Any, look: Look, attempt: str) -> str:
    """
    The profile of the last statement.

    Args:
        cursor: Which ran it.
        look: The options of the shell.
        attempt: As `check_attempt` returns it; the original is the latest where there was no other.

    Raises:
        Error: Its coordinator has it no more.
    """
    form = look.get("profile_format", "string").upper()
    wanted = getattr(TRuntimeProfileFormat, form)
    head = "Query Runtime Profile:\n"
    if form == "BASE64":  # as impala-profile-tool reads it
        head = f"{int(time.time())} {cursor.query_id} "
    failed = cursor.get_profile(wanted, failed=True) if attempt != "latest" else None
    if attempt == "original" and failed is not None:
        return f"{head}{failed}"
    latest = f"{head}{cursor.get_profile(wanted)}"
    if attempt == "all" and failed is not None:
        return f"{latest}\nFailed Query Runtime Profile(s):\n{failed}"
    return latest


def check_attempt(which: str) -> str:
    """
    Which run of a statement that Impala ran again is meant.

    Raises:
        CommandFailed: None of them.
    """
    word = which.lower() or "latest"
    if word not in _ATTEMPTS:
        valid = " | ".join(_ATTEMPTS).upper()
        raise CommandFailed(
            f"Invalid value for query attempt display mode: '{word}'. Valid values are [{valid}]"
        )
    return word


def summary(cursor: Any, attempt: str) -> str:
    """
    What each operator of the last statement took, as tables; "" for one without a plan.

    Args:
        cursor: Which ran it.
        attempt: As `check_attempt` returns it.

    Raises:
        Error: Its coordinator has it no more.
    """
    latest = summary_rows(cursor, cursor.get_summary())
    if not latest or attempt == "latest":
        return summary_table(latest) if latest else ""
    failed = summary_rows(cursor, cursor.get_summary(failed=True))
    if attempt == "original":
        return summary_table(failed) if failed else "No failed summary found"
    text = f"Query Summary:\n{summary_table(latest)}"
    return f"{text}\nFailed Query Summary:\n{summary_table(failed)}" if failed else text


def summary_rows(cursor: Any, found: Any) -> list[list[object]]:
    """What each operator took, from the summary *found*; empty for a statement without a plan."""
    rows: list[list[object]] = []
    if found is not None and found.nodes is not None:
        cursor.build_summary_table(found, rows)
    return rows


def summary_table(rows: Sequence[Sequence[object]]) -> str:
    """The rows of a summary as a table."""
    out, table = StringIO(), Table(_SUMMARY)
    table.write([tuple(map(str, row)) for row in rows], out)
    table.end(out)
    return out.getvalue().rstrip("\n")


def options(
    rows: Sequence[Sequence[Any]],
    changed: Mapping[str, str],
    variables: Mapping[str, str],
    look: Look,
) -> str:
    """
    What is set, as impala-shell prints it.

    Args:
        rows: Query options of a new session: name, value and perhaps level.
        changed: Those that were set in this one.
        variables: What ``${VAR:name}`` stands for.
        look: The options of the shell.
    """
    lines = ["Query options (defaults shown in []):"]
    levels: dict[str, list[str]] = {}
    for name, value, *level in rows:
        text = changed.get(name.upper(), f"[{value}]")
        levels.setdefault(level[0] if level else "REGULAR", []).append(f"\t{name}: {text}")
    for name, title in _LEVELS.items():
        if name in levels:
            lines += [*([title] if title else []), *levels[name]]
    set_ = [f"\t{name}: {value}" for name, value in sorted(variables.items())]
    lines += ["\nShell Options", shown(look)]
    lines += ["\nVariables:", *(set_ or ["\tNo variables defined."])]
    return "\n".join(lines)
