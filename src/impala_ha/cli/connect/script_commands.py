"""The commands of the shell that a script may have, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.cli.connect import reports, results
from impala_ha.cli.connect.bad_input import CommandFailed
from impala_ha.cli.connect.look import SHELL_OPTIONS, changed
from impala_ha.cli.connect.script import ScriptStatement
from impala_ha.cli.connect.version import program_version
from impala_ha.errors import Error

if TYPE_CHECKING:
    from impala_ha.cli.connect.conversation import Conversation


class ScriptCommands:
    """
    What carries them out.

    Args:
        conversation: In which they are given.

    Attributes:
        table: By name, a function that takes what follows the name.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._talk = conversation
        self._old_file = conversation.look.get("profile_output")  # has profiles of an earlier run
        self.table: dict[str, Callable[[str], None]] = {
            "option": self._set_option,
            "profile": self._show_profile,
            "set": self._show_options,
            "summary": self._show_summary,
            "variable": self._set_variable,
            "version": self._show_version,
        }

    def _set_option(self, argument: str) -> None:
        name, equals, value = argument.partition("=")
        if name == "ALL":
            for option in list(self._talk.options):
                if self._talk.cursor is not None:
                    self._talk.cursor.execute(f"SET {option}=''")
                del self._talk.options[option]
            return
        option = SHELL_OPTIONS[name][0]
        if equals:
            self._talk.see(changed(self._talk.look, name, value))
            self._talk.notes.detail(f"{name} set to {value}")
        else:
            self._talk.see({**self._talk.look, option: self._talk.request.look.get(option)})
            self._talk.notes.out(f"Unsetting shell option {name}")

    def _set_variable(self, argument: str) -> None:
        name, equals, value = argument.partition("=")
        if equals:
            self._talk.variables[name] = value
            self._talk.notes.detail(f"Variable {name} set to {value}")
        elif self._talk.variables.pop(name, None) is not None:
            self._print(f"Unsetting variable {name}")
        else:
            self._print(f"No variable called {name} is set")

    def _show_options(self, level: str) -> None:
        """As impala-shell prints them; where a program reads, the rows of the server."""
        sql = f"SET {level}".strip()
        if results.is_for_programs(self._talk.look):
            self._talk.run(ScriptStatement(sql, 1, "SET"))
            return
        rows = self._talk.rows_beside(sql)
        talk = self._talk
        self._print(reports.options(rows, talk.options, talk.variables, talk.look))

    def _show_profile(self, which: str) -> None:
        if not self._talk.executed:
            raise CommandFailed("No previous query available to profile")
        attempt = reports.check_attempt(which)
        try:
            profile = reports.profile(self._talk.cursor, self._talk.look, attempt)
        except Error as error:
            self._talk.notes.warning(f"the profile cannot be had: {error}")
            return
        path = self._talk.look.get("profile_output")
        if path is None:
            self._print(profile)
            return
        mode, self._old_file = "w" if path == self._old_file else "a", None
        try:
            with Path(path).open(mode, encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{profile}\n")
        except OSError as error:
            self._talk.notes.warning(f"the profile cannot be written: {error.strerror or error}")

    def _show_summary(self, which: str) -> None:
        if not self._talk.executed:
            raise CommandFailed("Could not retrieve summary: no previous query.")
        attempt = reports.check_attempt(which)
        if text := reports.summary(self._talk.cursor, attempt):
            self._print(text)
        else:
            self._talk.notes.say("Summary not available")

    def _show_version(self, _: str) -> None:
        ((server,),) = self._talk.rows_beside("SELECT version()")
        self._print(f"{program_version()}\nServer version: {server}")

    def _print(self, lines: str) -> None:
        """To standard output, on a terminal by pages."""
        results.to_stdout(lines, self._talk.look)
