"""The commands of `impala-ha`, each loaded when it is called."""

from __future__ import annotations

import difflib
from importlib import import_module

import click

#: Name, the module with the click command of that name, and the line in the list of commands.
COMMANDS = {
    "demo": (
        "impala_ha.cli.demo",
        "Kill a local coordinator, hang another, and watch the statements go on.",
    ),
    "doctor": (
        "impala_ha.cli.doctor",
        "Examine each coordinator: which layer is wrong, and what to do.",
    ),
    "explain": ("impala_ha.cli.explain", "Tell what happens in each fault."),
    "local": ("impala_ha.cli.local", "Run a local cluster of pocket Impalas."),
    "reset": (
        "impala_ha.cli.reset",
        "Let the programs of this machine use a coordinator again at once.",
    ),
    "run": (
        "impala_ha.cli.run",
        "Run a program, unchanged, on several coordinators.",
    ),
    "status": (
        "impala_ha.cli.status",
        "Show each coordinator: its state here, since when and why, and if it answers.",
    ),
}


class _Commands(click.Group):
    """A group whose commands are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command *cmd_name*, or name those that are near."""
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=3) or sorted(COMMANDS)
            ctx.fail(f"No such command {cmd_name!r}. Did you mean {', '.join(near)}?")
        module = import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="impala-ha", prog_name="impala-ha")
def impala_ha() -> None:
    """Look after several Apache Impala coordinators."""
