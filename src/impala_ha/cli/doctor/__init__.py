"""
`impala-ha doctor`: which layer is wrong, of which coordinator, and what to do.

All coordinators are checked at the same time, each in a thread of its own, so one that hangs
keeps nobody waiting for the others; they are shown in the order of the list.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import click

from impala_ha.cli import BY_CTRL_C
from impala_ha.cli._command import program, section
from impala_ha.cli._hosts import coordinators_of
from impala_ha.cli._options import connecting
from impala_ha.cli.connect.arguments import connecting as arguments_of
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.doctor.checks import CoordinatorCheck
from impala_ha.cli.doctor.context import Context
from impala_ha.cli.doctor.report import Report
from impala_ha.core.clock import SystemClock
from impala_ha.core.extras import MissingExtra, import_extra
from impala_ha.core.model import Coordinator
from impala_ha.errors import InterfaceError
from impala_ha.options import profiles
from impala_ha.options.settings import Settings

_WEB_PORT = 25000
_ABOUT = """\
Check each coordinator, layer by layer, and say which one is wrong and what to do.

It is opened as connect() opens it: name, addresses, TCP, TLS, ticket and service principal, login,
OpenSession; then a ping, the version, and whether it is being shut down."""
_EPILOG = """\
\b
Exit status:
    0  every coordinator is healthy
    1  at least one is not
    2  wrong usage; nothing was opened
  130  interrupted with Ctrl-C
"""


def _check_all(**given: Any) -> None:
    """Check all of them, and end."""
    try:
        ok = _all_ok(given)
    except KeyboardInterrupt:
        sys.exit(BY_CTRL_C)
    sys.exit(0 if ok else 1)


def _all_ok(given: dict[str, Any]) -> bool:
    """Are they?  Each is shown."""
    as_json, whole, web_port = given.pop("json"), given.pop("verbose"), given.pop("web_port")
    logging.getLogger("impala_ha").addHandler(logging.NullHandler())  # the reports say it all
    settings = _settings(given)
    coordinators = coordinators_of(settings)
    if settings.source is not None and not as_json:
        click.echo(f"{settings.source} names {', '.join(map(str, coordinators))}")
    context = Context(settings.options, SystemClock(), web_port, coordinators)
    start = time.monotonic()
    if as_json:
        reports = []
        for report in _reports(context, coordinators):
            reports.append(report)
            click.echo(json.dumps(report.as_data()))
    else:
        reports = _shown(_reports(context, coordinators), start, whole=whole)
    return all(report.ok for report in reports)


def _settings(given: dict[str, Any]) -> Settings:
    try:
        import_extra("rich", "cli")
        arguments, _ = arguments_of(given)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            settings = Settings.read(arguments, profiles.environment(arguments))
    except (BadInput, InterfaceError, MissingExtra) as error:
        raise click.UsageError(str(error)) from None
    for warning in heard:
        click.echo(f"impala-ha: warning: {warning.message}", err=True)
    return settings


def _reports(context: Context, coordinators: Sequence[Coordinator]) -> Iterator[Report]:
    """The reports, in order, each as soon as it and those before it are there."""
    ahead = [_begun(CoordinatorCheck(context, each)) for each in coordinators]
    for future in ahead:
        yield future.result()


def _begun(check: CoordinatorCheck) -> Future[Report]:
    """In a daemon's thread: who presses Ctrl-C does not wait for one that hangs."""
    future: Future[Report] = Future()

    def run() -> None:
        try:
            future.set_result(check.run())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return future


def _shown(reports: Iterator[Report], start: float, *, whole: bool) -> list[Report]:
    from rich.console import Console  # noqa: PLC0415 - it was just asked for

    from impala_ha.cli.doctor.render import show, summary  # noqa: PLC0415

    console = Console(highlight=False)
    shown = []
    for report in reports:
        show(console, report, whole=whole)
        shown.append(report)
    console.print(summary(shown, time.monotonic() - start), soft_wrap=True)
    return shown


_FLAG = {"is_flag": True}
_PORT = {"type": click.IntRange(0, 65535), "default": _WEB_PORT, "metavar": "PORT"}

doctor = program(
    "doctor",
    _check_all,
    [
        *connecting(),
        *section(
            "Output",
            (("--json",), "One JSON object a line and coordinator, for programs.", _FLAG),
            (("-V", "--verbose"), "A line a layer for those that are healthy, too.", _FLAG),
            (
                ("--web_port",),
                "Web page of one that says none; 0: nowhere. Default: 25000.",
                _PORT,
            ),
        ),
    ],
    (_ABOUT, _EPILOG),
)
