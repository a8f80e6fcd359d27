"""How long, how often, how far apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impala_ha.core.clock import Clock
from impala_ha.core.forks import importing

if TYPE_CHECKING:
    import tenacity


class DeadlineExceeded(Exception):
    """The deadline has ended the tries."""


@dataclass(frozen=True, slots=True)
class Retry:
    """
    The rules of one call's retries.

    Attributes:
        deadline: Seconds that one call may spend on failing over.
        runs: How often an idempotent statement is run when each run took its coordinator down or
            was lost: a statement that kills what it runs on must not be taken to all of them.
        backoff: Seconds to wait after the first round of failures; doubles each round.
        max_backoff: The most seconds to wait between two tries.
    """

    deadline: float = 60.0
    runs: int = 3
    backoff: float = 0.1
    max_backoff: float = 5.0

    def __post_init__(self) -> None:
        if not self.deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, not {self.deadline}")
        if self.runs < 1:
            raise ValueError(f"runs must be at least 1, not {self.runs}")
        if not 0 < self.backoff <= self.max_backoff:
            raise ValueError(
                f"backoff ({self.backoff}) must be above 0 and at most max_backoff "
                f"({self.max_backoff})"
            )

    def wait(self, rounds: int, rng: random.Random) -> float:
        """
        Seconds before the next try: none while *rounds* is 0 (a coordinator was not tried yet).

        Then full jitter: anything up to the exponential bound.
        """
        if rounds < 1:
            return 0.0
        return rng.uniform(0, min(self.max_backoff, self.backoff * 2 ** min(rounds - 1, 32)))

    def retrying(
        self,
        clock: Clock,
        again: Callable[[BaseException], bool],
        wait: Callable[[], float],
        deadline: Callable[[], float],
        sleep: Callable[[float], None] | None = None,
    ) -> tenacity.Retrying:
        """
        The loop of tenacity, with our rules.

        tenacity's own ``stop_after_delay`` reads the clock of the machine, so `deadline` (seconds
        of *clock*) is looked at here.

        Args:
            clock: Where time comes from.
            again: Whether to try again after the error that it is given.
            wait: Seconds to wait before.
            deadline: When to stop, in seconds of *clock*.
            sleep: How to wait; by default as *clock* does.
        """
        with importing():
            import tenacity  # noqa: PLC0415 - needed only after a failure

        return tenacity.Retrying(
            retry_error_cls=DeadlineExceeded,  # type: ignore[arg-type]  # any class will do
            sleep=sleep or clock.sleep,
            # The block swallows everything, Ctrl-C too, unless this is false.
            retry=lambda state: (
                state.outcome is not None
                and isinstance(error := state.outcome.exception(), Exception)
                and again(error)
            ),
            wait=lambda _: wait(),
            stop=lambda state: clock.now() + state.upcoming_sleep >= deadline(),
        )
