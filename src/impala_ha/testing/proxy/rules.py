"""What a proxy was told to do to the connections that pass through it.

A fault that is over by itself (a cut, a corrupted byte) is an order and happens once; what lasts
(a delay, a limit, silence) stands until it is called off.  All of it belongs to the one thread
that moves the bytes, so nothing here is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Callable
from dataclasses import dataclass

from pocket_impala.coordinator.faults import RPCS

TO_SERVER, TO_CLIENT = "to_server", "to_client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)
_KINDS = {"request", "response"}
_TALK = (*RPCS, "SASL", "HTTP")
_ENDS = {"fin", "rst", "silence"}
CORRUPT = "corrupt"
_PORTIONS_A_SECOND = 20


@dataclass(frozen=True, slots=True)
class ProxyFault:
    """One fault that a `FaultProxy` was told to make, or made.

    Attributes:
        where: ``"to_server"``, ``"to_client"``, ``"connect"`` or a phase.
        byte: How many bytes come before it, in the connection or in the message.
        how: ``"fin"``, ``"rst"``, ``"silence"`` or ``"corrupt"``.
        connection: Which connection, from 1; None, before it happened, for any.
        down: Whether new connections are refused from then on.
    """

    where: str
    byte: int
    how: str
    connection: int | None = None
    down: bool = False

    def __post_init__(self) -> None:
        check_place(self.where, *DIRECTIONS, "connect")
        if self.how not in {*_ENDS, CORRUPT}:
            raise ValueError(f"how must be 'fin', 'rst' or 'silence', not {self.how!r}")
        if self.byte < 0:
            raise ValueError(f"byte must be 0 or more, not {self.byte}")
        if self.connection is not None and self.connection < 1:
            raise ValueError(f"connections are counted from 1, not from {self.connection}")

    def lies_in(self, start: int, end: int, *, last: bool) -> bool:
        """Does it happen when the bytes from *start* to *end* pass, the *last* ones perhaps?"""
        if self.how == CORRUPT:
            return start <= self.byte < end
        return start <= self.byte and (self.byte <= end or last)


class Rules:
    """The faults of one proxy.

    Attributes:
        pending: Orders that have not happened yet.
        fired: Those that have, in order.
        refusing: Whether new connections are reset.
    """

    def __init__(self) -> None:
        self.pending: list[ProxyFault] = []
        self.fired: list[ProxyFault] = []
        self.refusing = False
        self._muted: set[str] = set()
        self._delays: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._changed = asyncio.Event()

    def mute(self, where: str, *, on: bool) -> None:
        """Hold back what passes there, or let it go."""
        if on:
            self._muted.add(where)
        else:
            self._muted.discard(where)
        self._wake()

    def delay(self, where: str, seconds: float) -> None:
        """Let what passes there wait *seconds*; 0 ends it."""
        self._delays[where] = seconds
        self._wake()

    def throttle(self, where: str, rate: float) -> None:
        """Let *rate* bytes a second pass there; 0 ends it."""
        self._rates[where] = rate
        self._wake()

    def heal(self) -> None:
        """Call everything off."""
        self.pending.clear()
        self.refusing = False
        self._muted.clear()
        self._delays.clear()
        self._rates.clear()
        self._wake()

    def take(
        self, where: str, connection: int, start: int, end: int, *, last: bool = False
    ) -> ProxyFault | None:
        """Return the first order for these bytes, once."""
        due = [
            order
            for order in self.pending
            if order.where == where
            and order.connection in {None, connection}
            and order.lies_in(start, end, last=last)
        ]
        if not due:
            return None
        order = min(due, key=lambda order: order.byte)
        self.pending.remove(order)
        self.fired.append(
            ProxyFault(order.where, order.byte, order.how, connection, down=order.down)
        )
        self.refusing = self.refusing or order.down
        return order

    def portion(self, where: str, size: int) -> int:
        """How many of *size* bytes may pass there at once."""
        rate = self._rates.get(where)
        return max(1, int(rate / _PORTIONS_A_SECOND)) if rate else size

    async def pace(self, where: str, size: int) -> None:
        """Return when *size* bytes that have passed there are paid for."""
        await self.wait(lambda: size / rate if (rate := self._rates.get(where)) else 0.0)

    async def permit(self, where: str) -> None:
        """Return when the next bytes may pass there."""
        await self.wait(lambda: self._delays.get(where, 0.0))
        while where in self._muted:
            await self._changed.wait()

    async def wait(self, seconds: Callable[[], float]) -> None:
        """Wait so many seconds, asked anew whenever a rule changes."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (left := began + seconds() - loop.time()) > 0:
            with contextlib.suppress(asyncio.TimeoutError):  # the time is over
                await asyncio.wait_for(self._changed.wait(), left)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check_place(where: str, *others: str) -> None:
    """Refuse a place that nothing ever passes.

    Raises:
        ValueError: It is neither a phase nor one of *others*.
    """
    rpc, _, kind = where.partition(":")
    if where in others or (rpc in _TALK and kind in _KINDS):
        return
    phases = [f"{name}:{kind}" for name in _TALK for kind in sorted(_KINDS)]
    near = difflib.get_close_matches(where, [*others, *phases], n=3)
    names = [*others, "RPC:request", "RPC:response"]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"where must be one of {', '.join(names)}, not {where!r}{hint}")
