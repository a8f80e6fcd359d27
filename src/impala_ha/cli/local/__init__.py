"""`impala-ha local`: a local cluster from the shell, and commands for one that runs.

The first form starts a cluster and stays until Ctrl-C.  The second (`--attach`) is for another
terminal: it makes one coordinator of that cluster die, hang, drain or lose its sessions.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from impala_ha.cli.local.commands import COMMANDS, run_command
from impala_ha.cli.local.security import hosts, login_flags, security_options
from impala_ha.core.extras import MissingExtra, import_extra
from impala_ha.testing import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType

_PORT = 21050
_FOLDER = click.Path(exists=True, file_okay=False, readable=True, resolve_path=True)
_HELP = "\b\nOrders for --attach:\n" + "\n".join(
    f"  {command.usage:<40}{command.help}" for command in COMMANDS.values()
)


def _flags(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    flags = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        flags[name.lstrip("-")] = value
    return flags


@click.command(epilog=_HELP)
@click.option("-n", "size", type=int, default=3, show_default=True, help="How many coordinators.")
@click.option("--data", type=_FOLDER, help="A folder whose CSV and Parquet files become tables.")
@click.option(
    "--warehouse",
    type=click.Path(file_okay=False, writable=True, resolve_path=True),
    help="The folder of the tables.  [default: one that is removed at the end]",
)
@click.option("--port", type=int, default=_PORT, show_default=True, help="The port of all.")
@click.option(
    "--flag",
    "flags",
    multiple=True,
    callback=_flags,
    metavar="NAME=VALUE",
    help="A start-up flag of impalad, such as fe_service_threads=4.",
)
@click.option(
    "--attach",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Give a command to the cluster that lives in DIR.",
)
@security_options
@click.argument("command", nargs=-1)
def local(
    *,
    size: int,
    data: str | None,
    warehouse: str | None,
    port: int,
    flags: dict[str, str],
    attach: str | None,
    command: tuple[str, ...],
    **secured: Any,
) -> None:
    """Run a local cluster of pocket Impalas until Ctrl-C.

    Each coordinator is a process with a loopback address of its own; all see the same tables.
    With --attach DIR COMMAND..., break or heal a cluster that runs.
    """
    if attach is not None:
        run_command(attach, command)
        return
    if command:
        raise click.UsageError(f"{command[0]!r} needs --attach DIR")
    try:
        for module in ("duckdb", "numpy", "sqlglot"):
            import_extra(module, "local")
        cluster = LocalCluster(
            size, data=data, warehouse=warehouse, port=port, flags=flags, **secured
        ).start()
    except (ValueError, OSError, RuntimeError, MissingExtra) as error:
        raise _NotStarted(str(error)) from error
    with cluster:
        over = _end_of_it()
        click.echo(_welcome(cluster, secured))
        over.wait()
    click.echo("All coordinators are stopped.", err=True)


class _NotStarted(click.ClickException):
    """Nothing was started, and this is why."""

    exit_code = 2


def _end_of_it() -> threading.Event:
    """Return what is set when somebody asks this program to end."""
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    return over


def _welcome(cluster: LocalCluster, secured: Mapping[str, Any]) -> str:
    first, directory = cluster[0], cluster.directory
    login = login_flags(secured["auth"], tls=bool(secured["tls"]))
    bare = "" if login else "\n  python -c 'import impala_ha; print(impala_ha.connect())'"
    http = f"\n  over HTTP: {cluster.http_hosts}" if secured["http"] else ""
    named = f" -b {first.kerberos_host}" if secured["auth"] == "GSSAPI" else ""
    rows = "\n".join(f"  {each.index}  {each.address:<22} pid {each.pid}" for each in cluster)
    return f"""\
A local cluster of {len(cluster)} is up:

{rows}

Connect:
  export IMPALA_HA_HOSTS={hosts(cluster, secured["auth"])}
  impala-connect{login} -e 'SHOW DATABASES'{bare}
  impala-shell --protocol=hs2 -i {first.address}{login}{named}{http}

Hurt it, from another terminal:
  kill -9 {first.pid}
  {_attached(directory, "restart 0")}
  {_attached(directory, "drain 0")}
  {_attached(directory, "heal")}
  {_attached(directory, "status")}
  impala-ha local --help                 (all commands)

Ctrl-C ends it."""


def _attached(directory: Path, command: str) -> str:
    return f"impala-ha local --attach {directory} {command}"
