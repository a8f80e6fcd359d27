"""
`impala-ha status`: a coordinator a line, as this machine sees it and as it answers now.

What the processes of the machine know is read from the state that they share; nothing is changed
there.  Each coordinator is asked at the same time, in a thread of its own.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Thread
from typing import Any

import click

from impala_ha.cli import BY_CTRL_C
from impala_ha.cli._command import program, section
from impala_ha.cli._hosts import coordinators_of
from impala_ha.cli._options import connecting
from impala_ha.cli.connect.arguments import connecting as arguments_of
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.doctor.context import Context
from impala_ha.cli.status.asking import Answer, LoadReader, ask
from impala_ha.cli.status.machine import connections, known, states_not_shown
from impala_ha.cli.status.table import Row, table
from impala_ha.core.clock import SystemClock
from impala_ha.core.extras import MissingExtra
from impala_ha.core.model import Coordinator
from impala_ha.errors import InterfaceError
from impala_ha.options import profiles
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings

_WITHIN = 3.0  # seconds for a coordinator to answer, unless connect_timeout is given
_PAUSE = 5.0  # seconds between two looks
_WIDTH = 80  # columns, where the output is no terminal
_CLEAR = "\x1b[H\x1b[J"  # of a terminal
_ABOUT = """\
Show each coordinator: its state here, since when and why, and whether it answers now.

The state is that which the programs of this user on this machine share. A coordinator is asked as
connect() opens it, and for its version."""
_EPILOG = """\
\b
Exit status:
    0  every coordinator is healthy and answers
    1  at least one is not, or does not
    2  wrong usage; nothing was opened
  130  interrupted with Ctrl-C
"""


def _show(**given: Any) -> None:
    """Show them, and end."""
    as_json, watch = given.pop("json"), given.pop("watch")
    logging.getLogger("impala_ha").addHandler(logging.NullHandler())  # the lines say it all
    settings = _settings(given)
    coordinators: Sequence[Coordinator] = ()
    try:
        while True:
            coordinators = coordinators_of(settings, coordinators)
            rows, shared = _rows(coordinators, settings.options)
            _print(rows, shared=shared, as_json=as_json, clear=watch)
            if not watch:
                sys.exit(0 if all(row.is_well for row in rows) else 1)
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        sys.exit(BY_CTRL_C)


def _settings(given: Mapping[str, Any]) -> Settings:
    try:
        arguments, _ = arguments_of(given)
        settings = Settings.read(arguments, profiles.environment(arguments))
    except (BadInput, InterfaceError, MissingExtra) as error:
        raise click.UsageError(str(error)) from None
    if given["connect_timeout"] or given["client_connect_timeout_ms"]:
        return settings
    return replace(settings, options=replace(settings.options, connect_timeout=_WITHIN))


def _rows(coordinators: Sequence[Coordinator], options: Options) -> tuple[list[Row], bool]:
    """A row for each coordinator, and whether there is a shared state."""
    counts = connections(coordinators)  # before there are those of this program
    context = Context(options, SystemClock(), 0, coordinators)
    loads = LoadReader(context)
    asked = [_begun(context, loads, each) for each in coordinators]
    held = known(coordinators, options.key) if options.share_state else None
    rows = [
        Row(where, (held or {}).get(where), future.result(), counts.get(where))
        for where, future in zip(coordinators, asked, strict=True)
    ]
    return rows, held is not None


def _begun(context: Context, loads: LoadReader, coordinator: Coordinator) -> Future[Answer]:
    """In a daemon's thread: who presses Ctrl-C does not wait for one that hangs."""
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask(context, loads, coordinator))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            future.set_exception(error)

    Thread(target=run, name="status", daemon=True).start()
    return future


def _print(rows: Sequence[Row], *, shared: bool, as_json: bool, clear: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(row.as_data()))
        return
    columns = shutil.get_terminal_size((_WIDTH, 0)).columns if sys.stdout.isatty() else _WIDTH
    text = "\n".join(table(rows, columns, shared=shared, hidden=states_not_shown()))
    if clear:
        text = f"{time.strftime('%H:%M:%S')}\n{text}"
    click.echo(f"{_CLEAR}{text}" if clear and sys.stdout.isatty() else text)


_FLAG = {"is_flag": True}

status = program(
    "status",
    _show,
    [
        *connecting(),
        *section(
            "Output",
            (("--watch",), "Again every 5 seconds, until Ctrl-C.", _FLAG),
            (("--json",), "One JSON object a line and coordinator, for programs.", _FLAG),
        ),
    ],
    (_ABOUT, _EPILOG),
)
