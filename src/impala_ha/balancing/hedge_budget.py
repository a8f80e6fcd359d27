"""How many opens of a cluster may be hedged."""

from __future__ import annotations


class HedgeBudget:
    """
    How many opens may be hedged: a second question does not help where all are slow.

    As gRPC throttles retries: a hedge takes a token; each open gives back a tenth of one, and each
    second a twentieth.
    """

    _TOKENS = 3.0

    def __init__(self) -> None:
        self._tokens = self._TOKENS
        self._filled = 0.0

    def deposit(self, now: float) -> None:
        """Note that an open begins, at *now* seconds of the clock."""
        self._tokens = min(self._TOKENS, self._tokens + 0.1 + 0.05 * (now - self._filled))
        self._filled = now

    def try_withdraw(self) -> bool:
        """Take a token for a hedge; False if there is none."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
