"""Orders for a local cluster that another process runs: `impala-ha local --attach DIR ORDER`."""

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
class Order:
    """One order.

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


ORDERS = {
    order.usage.split()[0]: order
    for order in (
        Order("status", "show every coordinator"),
        Order("heal [COORDINATOR]", "undo everything, on all or on one"),
        Order("kill COORDINATOR", "kill it with SIGKILL"),
        Order("restart COORDINATOR", "start it again at its address"),
        Order("hang COORDINATOR", "stop its process with SIGSTOP"),
        Order("resume COORDINATOR", "let it go on"),
        Order("mute COORDINATOR", "let it accept and never answer"),
        Order("unmute COORDINATOR", "let it answer again"),
        Order("saturate COORDINATOR", "take all its service threads"),
        Order("unsaturate COORDINATOR", "give them back"),
        Order("drain COORDINATOR", "begin a graceful shutdown"),
        Order("undrain COORDINATOR", "take new work again"),
        Order("lose-sessions COORDINATOR", "forget all sessions"),
        Order("disconnect COORDINATOR", "close all its connections"),
        Order("queue-full COORDINATOR", "reject the next statement"),
        Order("delay COORDINATOR SECONDS [RPC]", "let calls wait; 0 ends it", (float, str), 1),
        Order("lag COORDINATOR SECONDS", "hear late of others' tables; 0 ends it", (float,), 1),
        Order("cut COORDINATOR PHASE [BYTE [HOW]]", "cut one connection", (str, int, str), 1),
        Order("fail-next COORDINATOR TEXT [AT]", "refuse the next call", (str, str), 1),
        Order("forget-cookies COORDINATOR", "take no cookie of its HTTP clients"),
        Order("answer-http COORDINATOR STATUS [HEADER]", "as a gateway: 503", (int, _header), 1),
    )
}
_WITHOUT_COORDINATOR = {"status", "heal"}


def obey(directory: str, words: Sequence[str]) -> None:
    """Give one order to the cluster that lives in *directory*.

    Raises:
        click.ClickException: The order makes no sense, or the cluster is gone.
    """
    if not words:
        raise click.UsageError(f"--attach needs an order: {', '.join(ORDERS)}")
    name, *rest = words
    if name not in ORDERS:
        near = difflib.get_close_matches(name, ORDERS, n=3) or list(ORDERS)
        raise click.UsageError(f"no such order {name!r}; did you mean {', '.join(near)}?")
    try:
        cluster = LocalCluster.attach(directory)
        if name == "status":
            click.echo("\n".join(_status(coordinator) for coordinator in cluster))
        elif name == "heal" and not rest:
            cluster.heal()
        else:
            _give(ORDERS[name], name, cluster, rest)
    except FileNotFoundError as error:
        raise click.UsageError(f"no local cluster lives in {directory!r}") from error
    except OSError as error:
        raise click.ClickException(f"the cluster does not answer: {error}") from error


def _give(order: Order, name: str, cluster: LocalCluster, rest: Sequence[str]) -> None:
    if not 1 + order.required <= len(rest) <= 1 + len(order.kinds):
        raise click.UsageError(f"usage: {order.usage}")
    coordinator = _find(cluster, rest[0])
    try:
        arguments = [kind(word) for kind, word in zip(order.kinds, rest[1:], strict=False)]
        getattr(coordinator, name.replace("-", "_"))(*arguments)
    except ValueError as error:
        raise click.UsageError(f"{order.usage}: {error}") from error


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
