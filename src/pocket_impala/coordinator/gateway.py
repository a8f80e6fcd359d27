"""What a gateway before the coordinator answers in its place, by order of a test.

impalad itself answers 200 or 401 and nothing else; who answers 429, 502, 503 or 504 to clients of
Impala, or sends them elsewhere, is a proxy, an ingress or a load balancer.  It may do so before
the coordinator has heard of the call, or after it has done it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocket_impala.coordinator.faults import check_rpc

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINAL = range(200, 600)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a gateway.

    Attributes:
        status: The number.
        headers: What it says besides.
        body: What a person would read.
        call: To which RPC it is given; None: to any.
        ran: Whether the coordinator does the call before.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    call: str | None
    ran: bool


class Gateway:
    """The answers that were ordered and not yet given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Answer] = []

    def order(
        self,
        status: int,
        headers: Mapping[str, str],
        body: str,
        *,
        times: int,
        call: str | None,
        ran: bool,
    ) -> None:
        """Plan the next *times* answers.

        Raises:
            ValueError: There is no such status or RPC, or *times* is not positive.
        """
        check_rpc(call)
        if status not in _FINAL or times < 1:
            raise ValueError(f"status {status} must be 200 to 599, times {times} at least 1")
        answer = Answer(status, tuple(headers.items()), body.encode(), call, ran)
        with self._lock:
            self._planned += [answer] * times

    def clear(self) -> None:
        """Give none of the answers that are left."""
        with self._lock:
            self._planned.clear()

    def waits_for_a_call(self) -> bool:
        """Whether an answer is planned that is for one RPC only."""
        with self._lock:
            return any(answer.call is not None for answer in self._planned)

    def take(self, call: str | None) -> Answer | None:
        """Return the answer that is planned for *call*, once; None asks for one to any call."""
        with self._lock:
            for index, answer in enumerate(self._planned):
                if answer.call == call:
                    return self._planned.pop(index)
        return None
