"""
What is done to the coordinators while the threads work, and when.

One is killed; while it is dead another one hangs, so that for a while a single coordinator of
three serves everybody; then both come back, one after the other.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from impala_ha.cli.demo.ledger import Ledger, Process
from impala_ha.testing import LocalCluster, LocalCoordinator


class Deed(NamedTuple):
    """*act* on one coordinator after *share* of the time; its process is then *process*."""

    share: float
    text: str
    victim: LocalCoordinator
    act: Callable[[], None]
    process: Process


def plan(cluster: LocalCluster, rng: random.Random) -> list[Deed]:
    """Who is hurt when: two of the coordinators, by lot."""
    killed, hung = rng.sample(list(cluster), 2)
    return [
        Deed(0.15, "SIGKILL: it is dead", killed, killed.kill, Process.KILLED),
        Deed(0.35, "SIGSTOP: it hangs, and its socket stays open", hung, hung.hang, Process.HUNG),
        Deed(0.55, "it was started again", killed, killed.restart, Process.RUNNING),
        Deed(0.75, "SIGCONT: it goes on", hung, hung.resume, Process.RUNNING),
    ]


def act_out(deeds: list[Deed], seconds: float, ledger: Ledger, over: threading.Event) -> None:
    """Do each deed at its time; return after the last one, or at once when it is over."""
    for deed in deeds:
        if over.wait(max(0.0, deed.share * seconds - ledger.now())):
            return
        deed.act()
        ledger.process(deed.victim.address, deed.process)
        ledger.say(f"{deed.victim.address} {deed.text}", bad=deed.process is not Process.RUNNING)
