"""
One connection, one cursor, statement after statement: what a script and a prompt share.

One cursor, so that ``USE`` and ``SET`` hold for what follows, as in impala-shell.  Values are
not converted: what Impala writes (nanoseconds, decimals) is what the user reads.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect import reports, results
from impala_ha.cli.connect.bad_input import BadInput, CommandFailed
from impala_ha.cli.connect.look import Look
from impala_ha.cli.connect.notes import Verbosity
from impala_ha.cli.connect.output import text
from impala_ha.cli.connect.script import ScriptStatement, as_sql
from impala_ha.cli.connect.script_commands import ScriptCommands
from impala_ha.errors import Error
from impala_ha.sql.statement import Kind, Statement

if TYPE_CHECKING:
    from impala_ha.cli.connect.notes import Notes
    from impala_ha.cli.connect.progress import Progress
    from impala_ha.cli.connect.request import Request

# Impala opens the log of a statement with how far it has come, also when it is done.
_PROGRESS = re.compile(r"Query.*Complete \([0-9]* out of [0-9]*\)\n?")
_CANCELLED = "Cancelling Query: interrupted; its coordinator was asked to cancel the statement"
_SILENT = {"USE", "SET", "UNSET"}
_WITHOUT = {"COMPUTE", "SET", "USE"}  # of COMPUTE STATS the server tells nothing
_LINKED = {"SELECT", "INSERT", "UPSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "FROM"}


class Conversation:
    """
    What is done with a request, statement by statement.

    Args:
        request: What was asked for.
        connect: ``impala_ha.connect``, or what stands for it.
        notes: Where everything goes that is not a result.

    Attributes:
        cursor: The one cursor; None while there is no connection.
        arguments: Of ``connect``.
        options: Query options that were set, by name in upper case.
        variables: What ``${VAR:name}`` stands for, by name in upper case.
        database: The one that the session is in.
        look: The options of the shell.
        executed: Was a statement executed?
        commands: What carries out each command of the shell, by name.
    """

    def __init__(self, request: Request, connect: Callable[..., Any], notes: Notes) -> None:
        self.request = request
        self.notes = notes
        self.cursor: Any = None
        self.arguments = dict(request.connect)
        self.options = dict(request.query_options)
        self.variables = dict(request.variables)
        self.database = request.database
        self.look = request.look
        self.form = request.form
        self.destination = request.destination
        self._connect = connect
        self._connection: Any = None
        self._ended = 0.0
        self.executed = False
        self.commands = ScriptCommands(self).table

    def open(self) -> None:
        """
        Connect, and open the session; the one before is closed only when there is a new one.

        Raises:
            Error: No coordinator, or no session, could be had.
        """
        self.notes.detail(reports.start_message(self.arguments.get("auth_mechanism")))
        self.notes.wait()
        try:
            connection = self._connect(**self.arguments)
        finally:
            self.notes.answered()
        self.notes.detail(f"Connected to {connection.coordinator}")
        try:
            cursor = connection.cursor(
                configuration=dict(self.options) or None, convert_types=False
            )
        except BaseException:
            _close(connection)
            raise
        cursor.arraysize = self.request.fetch_size
        self.close()
        self._connection, self.cursor = connection, cursor

    def begin(self) -> Iterator[tuple[str, str]]:
        """
        What goes before the first statement: the option that wants it, and SQL.

        OpenSession takes database and query options with the session and is silent about what it
        does not know; these make the server say so.
        """
        if self.database:
            name = self.database.replace("`", "``")
            yield "-d", f"use `{name}`"
        for key, value in self.options.items():
            sql = f"SET {key}={value}"
            yield f"-Q {key}", as_sql(sql) or sql
        if self.request.refresh:
            yield "-r", "INVALIDATE METADATA"

    def rows_beside(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small query in a session of its own: the last statement stays the last."""
        with closing(self._connection.cursor(convert_types=False)) as cursor:
            cursor.execute(sql)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def see(self, look: Look) -> None:
        """
        Take over the options of the shell.

        Raises:
            CommandFailed: They contradict each other, or name a file that cannot be written.
        """
        try:
            form, destination = results.form(look), self.destination
            if any(look.get(name) != self.look.get(name) for name in ("output_file", "pager")):
                destination = results.destination(look, self.request.script, None)
                self.destination.close()
        except BadInput as error:
            raise CommandFailed(str(error)) from None
        self.destination = destination
        self.look, self.form = look, form
        self.notes.verbosity = results.verbosity(look)

    @property
    def coordinator(self) -> str:
        """Where the session is; "" for nowhere."""
        return str((self.cursor and self.cursor.coordinator) or "")

    def close(self) -> None:
        """End the session.  May be called twice."""
        connection, self._connection, self.cursor = self._connection, None, None
        self.executed = False
        if connection is not None:
            _close(connection)

    def execute(self, statement: ScriptStatement) -> None:
        """
        Do what *statement* says, and report how it ended.

        Raises:
            Error: The server's, or there is no coordinator.
            CommandFailed: A command of the shell could not be done.
            KeyboardInterrupt: After the running statement was cancelled.
            OSError: The output cannot be written; the statement was cancelled.
        """
        if statement.command:
            self.commands[statement.command](statement.text)
            return
        failure = None
        try:
            self.run(statement)
        except Error as error:
            failure = error
        self.notes.answered()
        if self.look.get("show_profiles"):
            self.commands["profile"]("")
        if failure is not None:
            raise failure

    def run(self, statement: ScriptStatement) -> None:
        """Run SQL, and report how it ended; errors as of `execute`."""
        cursor, notes = self.cursor, self.notes
        notes.detail(f"Query: {statement.text}")
        if _is_linked(statement):
            reports.tell_start(cursor, notes)
        self._ended = started = time.monotonic()
        self.executed = True
        try:
            self._submit(statement)
            notes.detail(f"Served by {cursor.coordinator}")
            self._ended = time.monotonic()
            rows = self._result(statement) if cursor.has_result_set else None
        except (KeyboardInterrupt, OSError) as error:
            if isinstance(error, Error):  # of a coordinator, not of the output
                raise
            # The library cancels what it is interrupted in; between two of its calls nobody has.
            with suppress(Error):
                cursor.cancel()
            if isinstance(error, KeyboardInterrupt):
                notes.error(_CANCELLED)
            raise
        self._remember(statement)
        elapsed = self._ended - started
        with suppress(Error):
            if log := _PROGRESS.sub("", cursor.get_log() or "").strip():
                notes.say(f"WARNINGS: {log}")
        if rows is not None:
            notes.say(f"Fetched {rows} row(s) in {elapsed:.2f}s")
        elif cursor.rowcount >= 0:
            notes.say(f"{reports.modified(cursor)} in {elapsed:.2f}s")
        elif statement.verb not in _SILENT:
            notes.say(f"Time elapsed: {elapsed:.2f}s")

    def _submit(self, statement: ScriptStatement) -> None:
        """Run the statement, and show where it is and how far, if that is wanted."""
        cursor, notes = self.cursor, self.notes
        with self._progress(statement.verb) as progress:
            if progress is None and notes.verbosity is not Verbosity.VERBOSE:
                cursor.execute(statement.text)
                return
            try:
                cursor.execute_async(statement.text)
            finally:
                reports.tell_query(cursor, notes, linked=_is_linked(statement))
            while progress is not None and cursor.is_executing():
                progress.update(cursor)
            cursor.finish()

    def _progress(self, verb: str) -> AbstractContextManager[Progress | None]:
        """What shows how far a statement is; nothing where nobody wants or can see it."""
        wanted = self.look.get("live_progress") or self.look.get("live_summary")
        if not wanted or verb in _WITHOUT or sys.stderr is None or not sys.stderr.isatty():
            return nullcontext()
        from impala_ha.cli.connect.progress import Progress  # noqa: PLC0415 - most do without

        return Progress.shown(self.look, self.notes.lost)

    def _remember(self, statement: ScriptStatement) -> None:
        setting = Statement.parse(statement.text).setting
        if setting is None:
            return
        name, value = setting[0].upper(), setting[1]
        if name == "USE:DATABASE":
            self.database = value
        elif value:
            self.options[name] = value
        else:
            self.options.pop(name, None)

    # Results.

    def _result(self, statement: ScriptStatement) -> int | None:
        """Write the result; the number of its rows.  A word on what was done is only said."""
        if self.destination.takes(statement):
            return self._write()
        for row in self.cursor.fetchall():
            self.notes.say("\t".join(map(text, row)))
        return None

    def _write(self) -> int:
        """Write the result, one batch in memory at a time, and return the number of its rows."""
        destination = self.destination
        with closing(self.form([column[0] for column in self.cursor.description])) as form:
            batch = form.read(self.cursor)
            out = destination.open()
            rows = 0
            try:
                form.write(batch, out)
                while batch:
                    rows += len(batch)
                    batch = form.read(self.cursor)
                    form.write(batch, out)
            except Error:
                self.notes.error(f"the result is incomplete: {destination.break_off(rows)}")
                raise
            form.end(out)
        self._ended = time.monotonic()  # a person may read it for a while
        destination.finish()
        return rows


def _close(connection: Any) -> None:
    # What is left of a lost session is the server's to clean up; it changes no result.
    with suppress(Error):
        connection.close()


def _is_linked(statement: ScriptStatement) -> bool:
    """Is it worth watching while it runs?"""
    return statement.verb in _LINKED or Statement.parse(statement.text).kind is Kind.CTAS
