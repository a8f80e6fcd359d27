"""
One run of the demo: the threads, the actions, the picture, and the comparison at the end.

The picture is drawn by the main thread; each worker and the one that runs the actions has a thread
of its own, and an error in any of them ends the run at once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live

from impala_ha import connect
from impala_ha.cli.demo.chaos import plan, run_actions
from impala_ha.cli.demo.data import READS
from impala_ha.cli.demo.ledger import Ledger
from impala_ha.cli.demo.picture import Picture
from impala_ha.cli.demo.verdict import Verdict, sum_up
from impala_ha.cli.demo.work import COUNT, CREATE, OPTIONS, Worker
from impala_ha.testing import LocalCluster

THREADS = 4
_FRAME = 0.1  # seconds
_LINE = 2.0  # seconds between two plain lines on how everyone is


@dataclass(slots=True)
class Show:
    """
    One run of the demo.

    Attributes:
        cluster: The coordinators.
        console: Where it is shown.
        seconds: How long the threads work.
        seed: Of every choice.
        frame: Called with the picture and the time, ten times a second, by who wants to keep one.
    """

    cluster: LocalCluster
    console: Console
    seconds: float
    seed: int
    frame: Callable[[Picture, float], None] = lambda _picture, _time: None

    def run(self) -> Verdict:
        """Let the threads work while coordinators fail; then compare."""
        with connect(self.cluster.hosts, **OPTIONS) as connection, connection.cursor() as cursor:
            cursor.execute(CREATE)
            known = connection.cluster
        ledger, over = Ledger(), threading.Event()
        picture = Picture(known, ledger, THREADS, self.seconds)
        with ThreadPoolExecutor(THREADS + 1) as pool:
            try:
                running = self._start(pool, ledger, over)
                self._show(picture, ledger, running)
            finally:
                over.set()
        for future in running:
            future.result()
        with connect(self.cluster.hosts, **OPTIONS) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT)
            rows: dict[int, int] = dict(cursor.fetchall())
        return sum_up(ledger.entries, ledger.lookups, self.cluster.journal(), rows)

    def _start(
        self, pool: ThreadPoolExecutor, ledger: Ledger, over: threading.Event
    ) -> list[Future[None]]:
        actions = plan(self.cluster, random.Random(self.seed))  # noqa: S311 - chance, not secrecy
        running = [pool.submit(run_actions, actions, self.seconds, ledger, over)]
        for number in range(1, THREADS + 1):
            rng = random.Random(self.seed * THREADS + number)  # noqa: S311
            worker = Worker(number, self.cluster.hosts, READS, ledger, over, rng)
            running.append(pool.submit(worker.run))
        return running

    def _show(self, picture: Picture, ledger: Ledger, running: list[Future[None]]) -> None:
        """Show what happens until the time is over, or until a thread of ours breaks."""
        if self.console.is_terminal:
            with Live(picture, console=self.console, auto_refresh=False) as live:
                while self._goes_on(ledger, running):
                    picture.look()
                    live.refresh()
                    self.frame(picture, ledger.now())
            return
        printed, next_line = 0, 0.0
        while self._goes_on(ledger, running):
            picture.look()
            for message in ledger.messages[printed:]:
                self._plain(f"{message.time:5.1f} s  {message.text}")
                printed += 1
            if ledger.now() >= next_line:
                for line in picture.lines():
                    self._plain(f"{ledger.now():5.1f} s  {line}")
                next_line += _LINE

    def _goes_on(self, ledger: Ledger, running: list[Future[None]]) -> bool:
        done = wait(running, _FRAME, FIRST_EXCEPTION).done
        broken = any(future.exception() for future in done)
        return ledger.now() < self.seconds and not broken

    def _plain(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
