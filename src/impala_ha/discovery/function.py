"""A function of the caller's: ``connect(host=lambda: ["a", "b:21051"])``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from impala_ha.core.model import DEFAULT_PORT, Coordinator
from impala_ha.options.host_urls import INTERVAL, HostFunction
from impala_ha.options.hosts import parse_hosts


class Function:
    """Calls it, in the context of who connects."""

    def __init__(self, given: HostFunction):
        function = given.function
        self.interval = INTERVAL
        self.remedy = "see that function"
        self._given = given
        # One that cannot be hashed lives as long as this object, so its id is unique.
        hashable = isinstance(function, Hashable)
        self.key: Hashable = (function if hashable else id(function), given.port)
        self._name = getattr(function, "__qualname__", type(function).__qualname__)

    def resolve(self, limit: float) -> Sequence[Coordinator]:  # noqa: ARG002 - it takes none
        """See `HostSource`."""
        hosts = self._given.function()
        found, wrong = parse_hosts(hosts, self._given.port or DEFAULT_PORT)
        if wrong:
            raise ValueError("; ".join(wrong))
        return found

    def __str__(self) -> str:
        return f"host={self._name}"
