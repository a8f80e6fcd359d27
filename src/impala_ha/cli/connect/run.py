"""
A request carried out: one connection, one cursor, statement after statement.

One cursor, so that ``USE`` and ``SET`` hold for what follows, as in impala-shell.  Values are
not converted: what Impala writes (nanoseconds, decimals) is what the user reads.
"""

from __future__ import annotations

import re
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat

from impala_ha.cli.connect.notes import as_options
from impala_ha.cli.connect.output import text
from impala_ha.cli.connect.script import as_sql
from impala_ha.errors import Error, InterfaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impala_ha.cli.connect.notes import Notes
    from impala_ha.cli.connect.request import Profile, Request
    from impala_ha.cli.connect.script import ScriptStatement

SUCCESS, FAILURE, MISUSE = 0, 1, 2

# Impala opens the log of a statement with how far it has come, also when it is done.
_PROGRESS = re.compile(r"Query.*Complete \([0-9]* out of [0-9]*\)\n?")
_SILENT = {"USE", "SET", "UNSET"}


def run(request: Request, connect: Callable[..., Any], notes: Notes) -> int:
    """
    Run the statements of a request.

    Args:
        request: What to do.
        connect: ``impala_ha.connect``, or what stands for it.
        notes: Where everything goes that is not a result.

    Returns:
        The exit status: 0, 1 for a failed statement or connection, 2 for what the library calls
        a mistake of the caller before anything is opened.

    Raises:
        KeyboardInterrupt: After the running statement was cancelled.
        BrokenPipeError: Likewise, when nobody reads the output any more.
    """
    if not request.script:
        notes.warning(f"nothing to run: there is no statement in {request.origin}")
        request.destination.open()
        request.destination.close()
        return SUCCESS
    notes.wait()
    try:
        connection = connect(**request.connect)
    except Error as error:
        notes.answered()
        notes.error(as_options(str(error)))
        return MISUSE if isinstance(error, InterfaceError) else FAILURE
    notes.answered()
    notes.detail(f"Connected to {connection.coordinator}")
    try:
        return _converse(connection, request, notes)
    except Error as error:  # the cursor of the conversation could not be had
        option = "-d: " if "Database does not exist" in str(error) else ""
        notes.error(f"{option}{error}")
        return FAILURE
    except BrokenPipeError:
        raise
    except OSError as error:
        notes.error(f"the result cannot be written: {error.strerror or error}")
        return FAILURE
    finally:
        with suppress(OSError):  # it was closed where an error still counts, or has failed already
            request.destination.close()
        # What is left of a lost session is the server's to clean up; it changes no result.
        with suppress(Error):
            connection.close()


def _converse(connection: Any, request: Request, notes: Notes) -> int:
    """Run the script on one cursor."""
    cursor = connection.cursor(
        configuration=dict(request.query_options) or None, convert_types=False
    )
    cursor.arraysize = request.fetch_size
    if request.profile is not None and request.profile.path is not None:
        request.profile.path.open("w").close()
    status = SUCCESS
    option = ""
    try:
        for option, sql in _settings(request):  # noqa: B007 - it is shown
            cursor.execute(sql)
    except Error as error:
        notes.error(f"{option}: {error}")
        return FAILURE
    for number in range(len(request.script)):
        try:
            _execute(cursor, request, number, notes)
        except Error as error:
            notes.answered()
            notes.error(f"{_place(request, number)}{as_options(str(error))}")
            status = FAILURE
        _tell_query(cursor, notes)
        if request.profile is not None:
            _write_profile(cursor, request.profile, notes)
        if status == FAILURE and not request.keep_going:
            return FAILURE
    if status == SUCCESS:
        # A file of an earlier run must not pass for the result of a run that had none.
        request.destination.open()
    request.destination.close()
    return status


def _execute(cursor: Any, request: Request, number: int, notes: Notes) -> None:
    """Run one statement and report how it ended."""
    statement = request.script[number]
    notes.detail(f"Query: {statement.text}")
    started = time.monotonic()
    try:
        cursor.execute(statement.text)
        rows = _result(cursor, request, statement, notes) if cursor.has_result_set else None
    except (KeyboardInterrupt, OSError) as error:
        if isinstance(error, Error):  # of a coordinator, not of the output
            raise
        # The library cancels what it is interrupted in itself; between two of its calls nobody has.
        with suppress(Error):
            cursor.cancel()
        if isinstance(error, KeyboardInterrupt):
            notes.error("interrupted; its coordinator was asked to cancel the statement")
        raise
    elapsed = time.monotonic() - started
    with suppress(Error):
        if log := _PROGRESS.sub("", cursor.get_log() or "").strip():
            notes.say(f"WARNINGS: {log}")
    notes.detail(f"Served by {cursor.coordinator}")
    if rows is not None:
        notes.say(f"Fetched {rows} row(s) in {elapsed:.2f}s")
    elif cursor.rowcount >= 0:
        notes.say(f"Modified {cursor.rowcount} row(s) in {elapsed:.2f}s")
    elif statement.verb not in _SILENT:
        notes.say(f"Time elapsed: {elapsed:.2f}s")


def _result(cursor: Any, request: Request, statement: ScriptStatement, notes: Notes) -> int | None:
    """Write the result and return the number of its rows; a word on what was done is only said."""
    if request.destination.takes(statement):
        return _write(cursor, request, notes)
    for row in cursor.fetchall():
        notes.say("\t".join(map(text, row)))
    return None


def _write(cursor: Any, request: Request, notes: Notes) -> int:
    """Write the result, one batch in memory at a time, and return the number of its rows."""
    with closing(request.form([column[0] for column in cursor.description])) as form:
        batch = form.read(cursor)
        out = request.destination.open()
        rows = 0
        try:
            form.write(batch, out)
            while batch:
                rows += len(batch)
                batch = form.read(cursor)
                form.write(batch, out)
        except Error:
            notes.error(f"the result is incomplete: {request.destination.break_off(rows)}")
            raise
        form.end(out)
    request.destination.finish()
    return rows


def _settings(request: Request) -> Iterator[tuple[str, str]]:
    """
    What makes the server say that a database or a query option is none.

    OpenSession takes both with the session and is silent about what it does not know.
    """
    if request.database:
        name = request.database.replace("`", "``")
        yield "-d", f"USE `{name}`"
    for key, value in request.query_options.items():
        sql = f"SET {key}={value}"
        yield f"-Q {key}", as_sql(sql) or sql


def _tell_query(cursor: Any, notes: Notes) -> None:
    """The id of the last statement, and where it can be watched."""
    if cursor.query_id is not None:
        link = f" ({cursor.query_url})" if cursor.query_url else ""
        notes.detail(f"Query id: {cursor.query_id}{link}")


def _write_profile(cursor: Any, wanted: Profile, notes: Notes) -> None:
    """The profile of the statement that has just ended, well or not."""
    try:
        profile = cursor.get_profile(getattr(TRuntimeProfileFormat, wanted.form))
        if wanted.path is None:
            notes.out(f"Query Runtime Profile:\n{profile}")
            return
        with wanted.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"Query Runtime Profile:\n{profile}\n")
    except (Error, OSError) as error:
        notes.warning(f"the profile cannot be had: {error}")


def _place(request: Request, number: int) -> str:
    """Which statement it was, where there are several."""
    if len(request.script) == 1:
        return ""
    line = request.script[number].line
    return f"statement {number + 1} of {len(request.script)} ({request.origin}, line {line}): "
