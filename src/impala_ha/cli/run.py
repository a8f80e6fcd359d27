"""`impala-ha run`: a program, unchanged, on several coordinators."""

from __future__ import annotations

import os
import signal
import sys

import click

from impala_ha.dbapi.patching import for_children

_NOT_FOUND, _NOT_RUNNABLE = 127, 126


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run COMMAND with its connections to Impala made by this library.

    What COMMAND and the programs that it starts open with impala.dbapi.connect goes to several
    coordinators if the host is a list (coord1,coord2), or if IMPALA_HA_HOSTS is set and the call
    names no host, one of that list, or one of IMPALA_HA_INSTEAD_OF (a load balancer, say). Nothing
    else changes. impala-ha must be installed in the environment of COMMAND.

    Exit status: that of COMMAND, which takes the place of this process; 127 if there is no such
    program, 126 if it cannot be run.
    """
    for_children(os.environ)
    for name in ("SIGPIPE", "SIGXFSZ"):  # which Python ignores, and a program of its own would, too
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - it is what was asked for
    except OSError as error:
        click.echo(f"impala-ha run: {command[0]}: {error.strerror}", err=True)
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE)
