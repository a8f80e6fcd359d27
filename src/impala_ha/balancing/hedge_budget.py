"""How many opens of a cluster may be hedged: a token bucket."""

from __future__ import annotations


class HedgeBudget:
    """
    How many opens may be hedged: where all coordinators are slow, hedging makes it worse.

    As gRPC throttles retries: a hedge withdraws a token; each open deposits a tenth of one, and
    each second a twentieth.
    """

    _TOKENS = 3.0

    def __init__(self) -> None:
        self._tokens = self._TOKENS
        self._filled = 0.0

    def deposit(self, now: float) -> None:
        """Deposit for an open that begins at *now* seconds of the clock."""
        self._tokens = min(self._TOKENS, self._tokens + 0.1 + 0.05 * (now - self._filled))
        self._filled = now

    def try_withdraw(self) -> bool:
        """Withdraw a token for a hedge; False if there is none."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
