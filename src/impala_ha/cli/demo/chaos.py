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


class Action(NamedTuple):
    """*act* on one coordinator after *share* of the time; its process is then *process*."""

    share: float
    text: str
    coordinator: LocalCoordinator
    act: Callable[[], None]
    process: Process


def plan(cluster: LocalCluster, rng: random.Random) -> list[Action]:
    """Which coordinators fail when: two of the coordinators, by lot."""
    killed, hung = rng.sample(list(cluster), 2)
    return [
        Action(0.15, "SIGKILL: it is dead", killed, killed.kill, Process.KILLED),
        Action(0.35, "SIGSTOP: it hangs, and its socket stays open", hung, hung.hang, Process.HUNG),
        Action(0.55, "it was started again", killed, killed.restart, Process.RUNNING),
        Action(0.75, "SIGCONT: it goes on", hung, hung.resume, Process.RUNNING),
    ]


def run_actions(
    actions: list[Action], seconds: float, ledger: Ledger, over: threading.Event
) -> None:
    """Run each action at its time; return after the last one, or at once when it is over."""
    for action in actions:
        if over.wait(max(0.0, action.share * seconds - ledger.now())):
            return
        action.act()
        ledger.process(action.coordinator.address, action.process)
        ledger.log(
            f"{action.coordinator.address} {action.text}", bad=action.process is not Process.RUNNING
        )
