"""What a coordinator knows of the others of its cluster: who is there, and what they do.

It asks them through their control sockets, which need no service thread.  One that is dead refuses
at once and is left out.  One that does not answer in time hangs: Impala's statestore needs ten
missed heartbeats to give it up, so it still counts as there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pocket_impala.coordinator import control
from pocket_impala.coordinator.pages import Backend

if TYPE_CHECKING:
    from pocket_impala.coordinator.contract import Cells
    from pocket_impala.coordinator.layout import Layout

# Seconds that one peer may take.
_PATIENCE = 0.5


def running(layout: Layout) -> list[Cells]:
    """Return what runs on any of them, as rows of ``sys.impala_query_live``."""
    found: list[Cells] = []
    for index in range(layout.size):
        with contextlib.suppress(OSError, ValueError):
            found += control.ask(layout.control(index), "running", within=_PATIENCE)
    return found


def find_peers(layout: Layout) -> list[Backend]:
    """Return the coordinators that are there."""
    found = []
    for index, (host, _) in enumerate(layout.addresses):
        try:
            draining = bool(control.ask(layout.control(index), "draining", within=_PATIENCE))
        except TimeoutError:
            draining = False
        except (OSError, ValueError):
            continue
        found.append(Backend(host, layout.web_address(index), draining))
    return found
