"""
The commands of the shell: what may stand in a script or at the prompt and is not SQL.

They are impala-shell's, under its names.  What they do is in `conversation` and, for those of
a person at the prompt, in `prompt`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command of the shell.

    Attributes:
        usage: Its name and what may follow.
        help: What it does.
        needs_server: Does it need a connection?
        at_prompt: Is it for a person at the prompt, and refused in a script?
    """

    usage: str
    help: str
    needs_server: bool = False
    at_prompt: bool = False


#: By name.  ``option`` and ``variable`` are what ``set`` and ``unset`` of those come to.
COMMANDS = {
    "connect": Command("connect [HOSTS]", "Connect, to other coordinators if named.", False, True),
    "help": Command("help, ?", "Show this.", False, True),
    "history": Command("history", "Show what was typed, with numbers.", False, True),
    "option": Command("set OPTION=VALUE, unset OPTION", "Change a query or shell option."),
    "profile": Command("profile [all|latest|original]", "Show the last profile.", True),
    "quit": Command("exit, quit, Ctrl-D", "Leave."),
    "rerun": Command("rerun N, @N", "Run number N of the history again.", False, True),
    "set": Command("set [all]", "Show query options, shell options and variables.", True),
    "shell": Command("shell COMMAND, ! COMMAND", "Run a command of the system.", False, True),
    "source": Command("source FILE, src FILE", "Run the statements of a file."),
    "summary": Command("summary [all|latest|original]", "Show where its time was spent.", True),
    "variable": Command("set VAR:NAME=VALUE", "Set what ${VAR:NAME} stands for."),
    "version": Command("version", "Show the versions of program and server.", True),
}  # fmt: skip

#: At the prompt: what each stands for, alone and with an argument ("" where that cannot be).
SHORTCUTS = {
    "\\d": ("SHOW TABLES", "DESCRIBE {}"),
    "\\d+": ("SHOW TABLES", "DESCRIBE FORMATTED {}"),
    "\\dt": ("SHOW TABLES", "SHOW TABLES LIKE '{}'"),
    "\\dv": ("SHOW VIEWS", "SHOW VIEWS LIKE '{}'"),
    "\\df": ("SHOW FUNCTIONS", "SHOW FUNCTIONS LIKE '{}'"),
    "\\dp": ("SHOW TABLES", "SHOW PARTITIONS {}"),
    "\\ds": ("SHOW TABLES", "SHOW TABLE STATS {}"),
    "\\l": ("SHOW DATABASES", "SHOW DATABASES LIKE '{}'"),
    "\\c": ("USE default", "USE {}"),
    "\\i": ("", "source {}"),
    "\\!": ("", "shell {}"),
    "\\x": ("SET VERTICAL=true", "SET VERTICAL={}"),
    "\\s": ("history", ""),
    "\\q": ("quit", ""),
    "\\?": ("help", ""),
}


def meaning(shortcut: str) -> str:
    """What *shortcut* stands for, in words."""
    return " or ".join(form.format("NAME") for form in SHORTCUTS[shortcut] if form)
