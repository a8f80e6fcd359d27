"""Commands for a local cluster of another process: `impala-ha local --attach DIR COMMAND`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from impala_ha.testing import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impala_ha.testing import LocalCoordinator


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        usage: How it is typed, with its name first.
        help: What it does, in a few words.
        kinds: What each argument after the coordinator is made into.
        required: How many of these must be given.
    """

    usage: str
    help: str
    kinds: Sequence[Callable[[str], Any]] = ()
    required: int = 0


def _header(word: str) -> dict[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not NAME=VALUE")
    return {name: value}


COMMANDS = {
    command.usage.split()[0]: command
    for command in (
        Command("status", "show every coordinator"),
        Command("heal [COORDINATOR]", "undo everything, on all or on one"),
        Command("kill COORDINATOR", "kill it with SIGKILL"),
        Command("restart COORDINATOR", "start it again at its address"),
        Command("hang COORDINATOR", "stop its process with SIGSTOP"),
        Command("resume COORDINATOR", "let it go on"),
        Command("mute COORDINATOR", "let it accept and never answer"),
        Command("unmute COORDINATOR", "let it answer again"),
        Command("saturate COORDINATOR", "take all its service threads"),
        Command("unsaturate COORDINATOR", "give them back"),
        Command("drain COORDINATOR", "begin a graceful shutdown"),
        Command("undrain COORDINATOR", "take new work again"),
        Command("lose-sessions COORDINATOR", "forget all sessions"),
        Command("disconnect COORDINATOR", "close all its connections"),
        Command("queue-full COORDINATOR", "reject the next statement"),
        Command("delay COORDINATOR SECONDS [RPC]", "let calls wait; 0 ends it", (float, str), 1),
        Command("lag COORDINATOR SECONDS", "hear late of others' tables; 0 ends it", (float,), 1),
        Command("cut COORDINATOR PHASE [BYTE [HOW]]", "cut one connection", (str, int, str), 1),
        Command("fail-next COORDINATOR TEXT [AT]", "refuse the next call", (str, str), 1),
        Command("forget-cookies COORDINATOR", "take no cookie of its HTTP clients"),
        Command("answer-http COORDINATOR STATUS [HEADER]", "as a gateway: 503", (int, _header), 1),
    )
}
_WITHOUT_COORDINATOR = {"status", "heal"}


def run_command(directory: str, words: Sequence[str]) -> None:
    """Run one command on the cluster that lives in *directory*.

    Raises:
        click.ClickException: The command is wrong, or the cluster is gone.
    """
    if not words:
        raise click.UsageError(f"--attach needs a command: {', '.join(COMMANDS)}")
    name, *rest = words
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=3) or list(COMMANDS)
        raise click.UsageError(f"no such command {name!r}; did you mean {', '.join(near)}?")
    try:
        cluster = LocalCluster.attach(directory)
        if name == "status":
            click.echo("\n".join(_status(coordinator) for coordinator in cluster))
        elif name == "heal" and not rest:
            cluster.heal()
        else:
            _run(COMMANDS[name], name, cluster, rest)
    except FileNotFoundError as error:
        raise click.UsageError(f"no local cluster lives in {directory!r}") from error
    except OSError as error:
        raise click.ClickException(f"the cluster does not answer: {error}") from error


def _run(command: Command, name: str, cluster: LocalCluster, rest: Sequence[str]) -> None:
    if not 1 + command.required <= len(rest) <= 1 + len(command.kinds):
        raise click.UsageError(f"usage: {command.usage}")
    coordinator = _find(cluster, rest[0])
    try:
        arguments = [kind(word) for kind, word in zip(command.kinds, rest[1:], strict=False)]
        getattr(coordinator, name.replace("-", "_"))(*arguments)
    except ValueError as error:
        raise click.UsageError(f"{command.usage}: {error}") from error


def _find(cluster: LocalCluster, word: str) -> LocalCoordinator:
    """Find a coordinator by its number, its host or its address."""
    for coordinator in cluster:
        if word in {str(coordinator.index), coordinator.address}:
            return coordinator
        if word == coordinator.host and len({each.host for each in cluster}) == len(cluster):
            return coordinator
    known = ", ".join(f"{each.index} ({each.address})" for each in cluster)
    raise click.UsageError(f"no such coordinator {word!r}; there are {known}")


def _status(coordinator: LocalCoordinator) -> str:
    line = f"{coordinator.index}  {coordinator.address:<22} "
    pid = coordinator.pid
    if pid is None:
        return line + "dead"
    if coordinator.hangs:
        return line + f"pid {pid}, hangs"
    return line + (
        f"pid {pid}, {coordinator.connections} connections, "
        f"{len(coordinator.sessions)} sessions, {len(coordinator.queries)} queries"
    )
