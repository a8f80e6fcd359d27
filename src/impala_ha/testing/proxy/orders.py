"""The faults that a proxy can be told to make.

A fault that is over by itself (a cut, a corrupted byte) happens once, at the next connection that
comes to its place; one that lasts has an order that ends it.  `heal` ends them all.
"""

from __future__ import annotations

from typing import Literal, Protocol

from impala_ha.testing.proxy.rules import (
    CORRUPT,
    DIRECTIONS,
    TO_CLIENT,
    ProxyFault,
    Rules,
    check_place,
)
from impala_ha.testing.proxy.server import ProxyServer


class Orders(Protocol):
    """The orders to a `FaultProxy`."""

    _rules: Rules

    def cut(
        self,
        where: str,
        byte: int = 0,
        how: Literal["fin", "rst", "silence"] = "fin",
        *,
        connection: int | None = None,
        down: bool = False,
    ) -> None:
        """Break the next connection that comes to a place; once.

        Args:
            where: A direction, a phase, or ``"connect"``.
            byte: How many bytes get through; in a phase, a number behind the end of the message
                cuts after its last byte.
            how: ``"fin"``: both sides read an end of file; ``"rst"``: a reset; ``"silence"``: both
                hear nothing any more, and not that the other has gone, until `heal` or
                `disconnect`.
            connection: Only this one, counted from 1; see `connections`.
            down: Whether new connections are reset from then on, as by `refuse`.

        Raises:
            ValueError: There is no such place, or a number is out of range.
        """
        self._order(ProxyFault(where, byte, how, connection, down))

    def corrupt(self, where: str, byte: int, *, connection: int | None = None) -> None:
        """Turn all bits of one byte over; once.  Arguments as for `cut`."""
        self._order(ProxyFault(where, byte, CORRUPT, connection))

    def delay(self, seconds: float, where: str = TO_CLIENT) -> None:
        """Let bytes wait: each chunk of a direction, or each message of a phase; 0 ends it."""
        _at_least_0("seconds", seconds)
        check_place(where, *DIRECTIONS)
        self._running().do(lambda: self._rules.delay(where, seconds))

    def throttle(self, bytes_per_second: float, direction: str = TO_CLIENT) -> None:
        """Limit a direction of each connection to so many bytes a second; 0 ends it."""
        _at_least_0("bytes_per_second", bytes_per_second)
        if direction not in DIRECTIONS:
            raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
        self._running().do(lambda: self._rules.throttle(direction, bytes_per_second))

    def mute(self, where: str = TO_CLIENT) -> None:
        """Hold back a direction, or the messages of a phase, until `unmute`."""
        check_place(where, *DIRECTIONS)
        self._running().do(lambda: self._rules.mute(where, on=True))

    def unmute(self, where: str = TO_CLIENT) -> None:
        """Let it pass again, with what was held back."""
        check_place(where, *DIRECTIONS)
        self._running().do(lambda: self._rules.mute(where, on=False))

    def refuse(self) -> None:
        """Reset new connections, until `heal`."""
        self._running().do(lambda: setattr(self._rules, "refusing", True))

    def disconnect(self, how: Literal["fin", "rst"] = "fin") -> int:
        """End all open connections; return how many there were."""
        server = self._running()
        return server.do(lambda: server.end_all(how))

    def heal(self) -> None:
        """Call off all that was ordered; connections that fell silent stay so."""
        self._running().do(self._rules.heal)

    def _order(self, order: ProxyFault) -> None:
        self._running().do(lambda: self._rules.pending.append(order))

    def _running(self) -> ProxyServer: ...


def _at_least_0(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
