"""
`impala-ha demo`: watch statements go on while coordinators are killed and hang.

Three local coordinators, four threads with connections of their own, a stream of reads and
INSERTs; one coordinator is killed and one stopped, and both come back.  On a terminal a picture
of it is drawn, elsewhere plain lines are written.  The exit status is the verdict: 0 only if no
statement failed and none ran twice, as counted on the servers.  Then fresh processes connect, which
share their turns.
"""

from __future__ import annotations

import random

import click

from impala_ha.core.extras import import_extra

_COORDINATORS = 3


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(5, 600),
    default=18.0,
    show_default=True,
    help="How long the threads work.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Repeat the choices of another run: who fails, who runs what.  [default: any]",
)
def demo(seconds: float, seed: int | None) -> None:
    """Kill one of three local coordinators, hang another, and watch the statements go on.

    Four threads read and write on connections of their own meanwhile.  The summary compares what
    they got to know with what the coordinators wrote down.  At the end nine fresh processes
    connect, and the share of each coordinator is shown.

    Exits with 1 if a statement failed or ran twice, with 2 if it broke off.
    """
    for module in ("rich", "duckdb", "numpy", "sqlglot"):
        import_extra(module, "local")
    from rich.console import Console  # noqa: PLC0415 - these need what was just asked for

    from impala_ha.cli.demo.data import folder  # noqa: PLC0415
    from impala_ha.cli.demo.shares import shares, told  # noqa: PLC0415
    from impala_ha.cli.demo.show import Show  # noqa: PLC0415
    from impala_ha.cli.demo.summary import summary  # noqa: PLC0415
    from impala_ha.testing import LocalCluster  # noqa: PLC0415

    console = Console(highlight=False)
    seed = random.Random().randrange(10_000) if seed is None else seed  # noqa: S311 - chance, not secrecy
    console.print(f"Starting {_COORDINATORS} local coordinators (seed {seed}) ...")
    try:
        with LocalCluster(_COORDINATORS, data=folder()) as cluster:
            verdict = Show(cluster, console, seconds, seed).run()
            console.print(summary(verdict))
            console.print(told(shares([each.address for each in cluster])))
    except (OSError, RuntimeError) as error:
        raise _NotShown(f"the demo broke off: {error}") from error
    raise SystemExit(0 if verdict.good else 1)


class _NotShown(click.ClickException):
    """The demo broke off, and this is why."""

    exit_code = 2
