"""`impala-ha reset`: forget what the processes of this machine hold against a coordinator."""

from __future__ import annotations

import os
import sys

import click

from impala_ha.cli._hosts import coordinators_of
from impala_ha.cli.status.machine import reset as forget
from impala_ha.errors import InterfaceError
from impala_ha.options.settings import Settings


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
def reset(hosts: tuple[str, ...]) -> None:
    """Let the programs of this user on this machine use HOST again at once.

    They find it with their next connection. HOST is as in -i of impala-connect: a name, name:port,
    several with commas, or where they come from (dns://NAME, file:///PATH, ...). What holds for
    connections with certain options alone is forgotten for those of the environment
    (IMPALA_HA_USE_SSL and so on).

    Exit status: 0, also if nothing was held against it; 1 where the state cannot be written.
    """
    try:
        given = hosts[0] if len(hosts) == 1 else list(hosts)
        settings = Settings.read({"host": given}, os.environ)
    except InterfaceError as error:
        raise click.UsageError(str(error)) from None
    options, coordinators = settings.options, coordinators_of(settings)
    held = forget(coordinators, options.key) if options.share_state else None
    if held is None:
        click.echo(
            "impala-ha: no state is shared on this machine, or it cannot be written", err=True
        )
        sys.exit(1)
    for each in coordinators:
        what = "may be used again" if each in held else "nothing was held against it"
        click.echo(f"{each}: {what}")
