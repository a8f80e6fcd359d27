"""What is wrong with this coordinator at the moment, by order of a test.

The control thread orders a fault, the service threads meet it: they wait here while the
coordinator is mute, take a cut that was armed for the message they read, or find the error that
the next statement is to be told.  One condition guards it all; whoever waits, waits on it, so that
`heal` wakes everybody at once.
"""

from __future__ import annotations

import difflib
import threading
import time
from dataclasses import dataclass

from impala._thrift_gen.ImpalaService.ImpalaHiveServer2Service import Processor

_AT = {"open": "OpenSession", "execute": "ExecuteStatement", "fetch": "FetchResults"}


RPCS = frozenset(Processor(None)._processMap)  # noqa: SLF001  # the only list of them at run time


@dataclass(frozen=True, slots=True)
class Cut:
    """An end of the connection that waits for its phase.

    Attributes:
        phase: ``"connect"``, or an RPC and a direction: ``"ExecuteStatement:response"``.
        byte: How many bytes of that message get through.
        how: ``"fin"`` or ``"rst"``.
    """

    phase: str
    byte: int
    how: str


@dataclass(frozen=True, slots=True)
class PlannedError:
    """A text that somebody will be told.

    Attributes:
        text: As Impala would say it.
        at: An RPC, or ``"status"``: the next statement is accepted and fails afterwards.
        ran: For ``"status"`` and ExecuteStatement: whether the statement does its work before it
            fails.
        exact: For ``"status"``: whether the client reads just that, without the query id.
    """

    text: str
    at: str
    ran: bool
    exact: bool


class Faults:
    """The faults of one coordinator."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._muted = False
        self._saturated = False
        self._draining_since: float | None = None
        self._delays: dict[str, float] = {}
        self._cuts: list[Cut] = []
        self._errors: list[PlannedError] = []
        self._cut_count = 0

    @property
    def draining_since(self) -> float | None:
        """Since when (monotonic seconds) the coordinator drains; None when it does not."""
        return self._draining_since

    @property
    def saturated(self) -> bool:
        """Whether every service thread is taken by order."""
        return self._saturated

    @property
    def cut_count(self) -> int:
        """How many ordered cuts have happened."""
        return self._cut_count

    def mute(self, on: bool) -> None:
        """Stop answering, or answer again."""
        with self._changed:
            self._muted = on
            self._changed.notify_all()

    def saturate(self, on: bool) -> None:
        """Take all service threads, or give them back."""
        with self._changed:
            self._saturated = on
            self._changed.notify_all()

    def drain(self, on: bool) -> None:
        """Refuse new sessions and statements, or take them again."""
        with self._changed:
            self._draining_since = time.monotonic() if on else None

    def delay(self, seconds: float, rpc: str | None) -> None:
        """Let every call of *rpc* (None: of all) wait *seconds* before it is done; 0 ends it."""
        check_rpc(rpc)
        with self._changed:
            self._delays.pop(rpc or "", None)
            if seconds > 0:
                self._delays[rpc or ""] = seconds
            self._changed.notify_all()

    def cut(self, phase: str, byte: int, how: str) -> None:
        """Arm one cut.

        Raises:
            ValueError: There is no such place on the wire.
        """
        rpc, _, direction = phase.partition(":")
        if phase != "connect" and (rpc not in RPCS or direction not in {"request", "response"}):
            raise ValueError(f"phase must be 'connect' or 'RPC:request|response', not {phase!r}")
        if byte < 0 or how not in {"fin", "rst"}:
            raise ValueError(f"byte {byte} must not be negative, how {how!r} must be fin or rst")
        with self._changed:
            self._cuts.append(Cut(phase, byte, how))

    def fail_next(self, text: str, at: str, *, ran: bool, exact: bool) -> None:
        """Plan one error."""
        at = _AT.get(at, at)
        if at != "status":
            check_rpc(at)
        with self._changed:
            self._errors.append(PlannedError(text, at, ran, exact))

    def heal(self) -> None:
        """Undo everything that was ordered and has not happened yet."""
        with self._changed:
            self._muted = self._saturated = False
            self._draining_since = None
            self._delays.clear()
            self._cuts.clear()
            self._errors.clear()
            self._changed.notify_all()

    def wait_while_mute(self) -> None:
        """Return when the coordinator answers."""
        with self._changed:
            self._changed.wait_for(lambda: not self._muted)

    def wait_delay(self, rpc: str) -> None:
        """Return when the delay ordered for *rpc* is over, or was called off."""
        began = time.monotonic()
        with self._changed:
            while True:
                ordered = self._delays.get(rpc, self._delays.get("", 0.0))
                left = began + ordered - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def take_cut(self, phase: str) -> Cut | None:
        """Return the cut armed for *phase*, once."""
        with self._changed:
            for index, cut in enumerate(self._cuts):
                if cut.phase == phase:
                    self._cut_count += 1
                    return self._cuts.pop(index)
        return None

    def take_error(self, at: str) -> PlannedError | None:
        """Return the error planned for *at*, once."""
        with self._changed:
            for index, error in enumerate(self._errors):
                if error.at == at:
                    return self._errors.pop(index)
        return None


def check_rpc(rpc: str | None) -> None:
    """Raise `ValueError` unless *rpc* is the name of a call, or None."""
    if rpc is not None and rpc not in RPCS:
        near = difflib.get_close_matches(rpc, RPCS, n=3) or sorted(RPCS)
        raise ValueError(f"unknown RPC {rpc!r}; did you mean {', '.join(near)}?")
