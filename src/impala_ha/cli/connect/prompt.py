"""
The shell of a person at a terminal.

prompt_toolkit reads what is typed; what is done with it is up to the same `Conversation` that
scripts use.  Nothing but the person ends it: a coordinator that is lost, a statement that fails and
Ctrl-C lead back to the prompt.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from impala_ha.cli.connect.bad_input import BadInput, CommandFailed
from impala_ha.cli.connect.commands import COMMANDS, SHORTCUTS, meaning
from impala_ha.cli.connect.completion import SqlCompleter
from impala_ha.cli.connect.conversation import Conversation
from impala_ha.cli.connect.history import BoundedHistory
from impala_ha.cli.connect.names import Names
from impala_ha.cli.connect.notes import Notes, as_options
from impala_ha.cli.connect.request import Request
from impala_ha.cli.connect.script import ScriptStatement, is_complete, statements
from impala_ha.cli.connect.version import program_version
from impala_ha.errors import Error

_CHANGES_NAMES = frozenset({"ALTER", "CREATE", "DROP", "INVALIDATE", "REFRESH"})


class Prompt:
    """
    One session of a person.

    Args:
        request: Whom to connect to, and how results look.
        connect: ``impala_ha.connect``.
        notes: Where everything goes that is not a result.
    """

    def __init__(self, request: Request, connect: Callable[..., Any], notes: Notes) -> None:
        assert request.history is not None
        self._notes = notes
        self._left = False
        self._conversation = Conversation(request, connect, notes)
        self._conversation.commands |= {
            "connect": self._connect,
            "help": self._help,
            "history": self._show_history,
            "quit": self._quit,
            "rerun": self._rerun,
            "shell": self._shell,
        }
        self._history = BoundedHistory(*request.history, notes.warning)
        self._names = Names(self._conversation, connect)
        incomplete = Condition(lambda: not is_complete(self._session.default_buffer.text))
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=has_focus(DEFAULT_BUFFER) & incomplete,
            prompt_continuation=lambda width, _number, _wraps: "> ".rjust(width),
            history=self._history,
            completer=SqlCompleter(self._names),
            complete_while_typing=False,
            enable_open_in_editor=True,
            lexer=PygmentsLexer(SqlLexer),
        )

    def run(self) -> int:
        """
        Do what is typed until the person leaves.

        Returns:
            The exit status.
        """
        self._notes.say(f"{program_version()}: help shows the commands, Ctrl-D leaves")
        try:
            self._guarded(self._open)
            while not self._left:
                try:
                    text = self._session.prompt()
                except KeyboardInterrupt as stop:
                    if type(stop) is not KeyboardInterrupt:  # a signal that asks to end
                        raise
                    continue
                except EOFError:
                    break
                self._guarded(lambda: self._obey(text))  # noqa: B023 - it is called at once
        finally:
            self._conversation.close()
        return 0

    def _message(self) -> str:
        where = self._conversation.coordinator
        return f"[{where or 'not connected'}] {self._conversation.database or 'default'}> "

    def _guarded(self, act: Callable[[], object]) -> None:
        """Do something; whatever goes wrong is told, and leads back to the prompt."""
        notes, destination = self._notes, self._conversation.destination
        try:
            act()
        except (BadInput, CommandFailed, Error) as error:
            notes.error(as_options(str(error)))
        except KeyboardInterrupt as stop:
            if type(stop) is not KeyboardInterrupt:
                raise
            notes.out("")  # below the ^C of the terminal
        except BrokenPipeError:  # who left the pager has seen enough
            pass
        except OSError as error:
            notes.error(f"the result cannot be written: {error.strerror or error}")
        else:
            return
        notes.answered()
        with suppress(OSError):  # it was told
            destination.close()

    def _open(self) -> None:
        """Connect, and say what of database and query options the server does not know."""
        conversation, notes = self._conversation, self._notes
        if conversation.database:
            conversation.arguments["database"] = conversation.database
        try:
            conversation.open()
        except Error as error:
            if "Database does not exist" not in str(error):
                raise
            notes.error(f"-d: {error}")
            conversation.database = ""
            del conversation.arguments["database"]
            conversation.open()
        notes.say(f"Connected to {conversation.coordinator}")
        for option, sql in list(conversation.begin()):
            self._begin(option, sql)

    def _begin(self, option: str, sql: str) -> None:
        """Have the server say whether it knows what was given as *option*."""
        try:
            self._conversation.cursor.execute(sql)
        except Error as error:
            self._notes.error(f"{option}: {as_options(str(error))}")
            self._conversation.options.pop(option.removeprefix("-Q "), None)

    def _obey(self, text: str) -> None:
        """Do what was typed, up to the first failure."""
        for statement in statements(text, self._conversation.variables, "input", at_prompt=True):
            self._do(statement)
            if self._left:
                return

    def _do(self, statement: ScriptStatement) -> None:
        if statement.needs_server and self._conversation.cursor is None:
            self._open()
        try:
            self._conversation.execute(statement)
        finally:
            if statement.verb in _CHANGES_NAMES:
                self._names.forget()

    # Commands.

    def _connect(self, hosts: str) -> None:
        """To *hosts*; where they cannot be had the connection stays as it is."""
        before = dict(self._conversation.arguments)
        if hosts:
            self._conversation.arguments["host"] = hosts
        try:
            self._open()
        except BaseException:
            self._conversation.arguments = before
            raise
        self._names.forget()

    def _help(self, about: str) -> None:
        wanted = about.strip().lower()
        lines = [f"  {c.usage:31}{c.help}" for name, c in COMMANDS.items() if wanted in ("", name)]
        if not wanted:
            lines += [f"  {name:31}{meaning(name)}" for name in SHORTCUTS]
            lines.append("All else is SQL, up to its semicolon. Tab completes, Ctrl-C cancels.")
        self._notes.out("\n".join(lines or [f"there is no command {about!r}"]))

    def _show_history(self, _: str) -> None:
        for number, text in enumerate(self._history.get_strings(), 1):
            self._notes.out(f"[{number}]: {text}")

    def _rerun(self, number: str) -> None:
        texts = self._history.get_strings()[:-1]  # without this command
        try:
            wanted = int(number)
            text = texts[wanted - 1 if wanted > 0 else wanted] if wanted else None
        except (ValueError, IndexError):
            text = None
        if text is None:
            raise CommandFailed(f"rerun takes a number of the history, 1 to {len(texts)}")
        self._notes.say(f"Rerunning {text}")
        self._obey(text)

    def _shell(self, command: str) -> None:
        subprocess.run(command, shell=True, check=False)  # noqa: S602 - that is the command

    def _quit(self, _: str) -> None:
        self._left = True
