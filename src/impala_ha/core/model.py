"""Immutable values that all packages share: coordinators and attempts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from .faults import AFTER, Fault, Phase

DEFAULT_PORT = 21050  # Impala's --hs2_port
LAST_PORT = 65535  # of TCP
KRB_HOST = re.compile(r"[\w.\-]+")


def is_address(host: str) -> bool:
    """Is *host* an IPv4 or IPv6 address?"""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True, order=True)
class Coordinator:
    """
    An impalad that accepts clients.  Two are equal if host and port are.

    Attributes:
        host: Name or address.
        port: Port of HiveServer2; 21050 by default.
        weight: Its share of the connections, relative to the weights of the others; at least 1.
        zone: Its availability zone; a client prefers those in its own zone.
        krb_host: Host part of its Kerberos service principal; empty: that of the option
            `krb_host`.
        name: Name by which TLS and Kerberos know it, where *host* is an address that a look-up of
            that name found; empty: *host*.
        priority: Of several that are healthy, those with the lowest number are chosen from, as with
            SRV records.

    Raises:
        ValueError: An invalid attribute.
    """

    host: str
    port: int = DEFAULT_PORT
    weight: int = field(default=1, compare=False)
    zone: str = field(default="", compare=False)
    krb_host: str = field(default="", compare=False)
    name: str = field(default="", compare=False)
    priority: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise ValueError(f"a coordinator needs a host, a text, not {self.host!r}")
        for name in ("port", "weight", "priority"):
            number = getattr(self, name)
            if not isinstance(number, int):
                text = f"{name} of {self.host} must be a whole number, not {number!r}"
                raise ValueError(text)
        if not 0 < self.port <= LAST_PORT:
            raise ValueError(f"port of {self.host} must be within 1..65535, not {self.port}")
        if self.weight < 1:
            raise ValueError(f"weight of {self.host} must be at least 1, not {self.weight}")
        if self.priority < 0:
            raise ValueError(f"priority of {self.host} must be at least 0, not {self.priority}")
        if self.krb_host and not KRB_HOST.fullmatch(self.krb_host):
            raise ValueError(
                f"krb_host of {self.host} must be the name of a host, without service and realm, "
                f"not {self.krb_host!r}"
            )

    @property
    def is_address(self) -> bool:
        """Is the host an IPv4 or IPv6 address, and not a name?"""
        return is_address(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


# Answers that are about the statement itself, after its handle is known.
_ABOUT_STATEMENT = frozenset({Fault.QUERY, Fault.STALE, Fault.BUSY, Fault.NOT_REGISTERED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One try of one operation on one coordinator: for the log, the circuit breaker and the caller.

    Attributes:
        operation: ``"connect"``, ``"execute"``, ``"fetchall"``, ...
        number: Its number among the tries of one call, from 1.
        coordinator: The coordinator.
        elapsed: Seconds it took.
        fault: What its failure means; None if it succeeded.
        phase: How far it had come when it failed; None if it succeeded.
        error: The exception of Thrift, impyla or the system; None after unpickling.
        text: The text of *error*.
        hint: What to check, where the text does not say it.
        retry_after: Seconds to wait before the next try, as the server asked for; 0 if it did not.
        doubtful: Whether a statement of this kind may have run, although after this *fault* other
            kinds have not.
        ended: Whether the statement has certainly ended: its session was closed, or the process of
            the coordinator is gone.
        since: Seconds from the start of the call to the start of this try.
        options_key: The options that opening the connection depends on, see `Options.key`.
        may_be_options: Whether its failure may be due to these options: then it counts only for
            connections with the same ones.
        tag: The tag of the write that was sent, see `statement_tag`; None for none.
    """

    operation: str
    number: int
    coordinator: Coordinator
    elapsed: float
    fault: Fault | None = None
    phase: Phase | None = None
    error: BaseException | None = field(default=None, compare=False)
    text: str = ""
    hint: str = ""
    retry_after: float = 0.0
    doubtful: bool = False
    ended: bool = False
    since: float = field(default=0.0, compare=False)
    options_key: str = field(default="", compare=False, repr=False)
    may_be_options: bool = field(default=False, compare=False)
    tag: str | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"#{self.number} {self.summary}"

    @property
    def summary(self) -> str:
        """The coordinator, the duration and the result."""
        line = f"{self.coordinator} ({self.elapsed:.2f} s) {self.reason}"
        return line if self.fault is None else f"{line}: {self.text}"

    @property
    def reason(self) -> str:
        """What its failure means and how far it had come; ``"ok"`` if it succeeded."""
        if self.fault is None or self.phase is None:
            return "ok"
        return f"{self.fault.label} {self.phase.value}"

    @property
    def may_have_run(self) -> bool:
        """Whether the statement may have run in this try, although it failed."""
        if self.fault is None or self.phase is None or not self.phase.sent:
            return False
        if self.phase in AFTER and self.fault not in _ABOUT_STATEMENT:
            return True  # a refused login, say: only this call failed, and the statement goes on
        return self.fault.may_have_run or self.doubtful

    @property
    def table_key(self) -> str:
        """The options for whose connections alone its failure counts; empty: it counts for all."""
        return self.options_key if self.may_be_options else ""

    @property
    def counts(self) -> bool:
        """Whether it is a failure that counts, for all connections or for some."""
        fault = self.fault
        return fault is not None and (fault.counts_against_host or bool(self.table_key))

    def portable(self) -> Attempt:
        """The same without the exception object, which may not be picklable."""
        return self if self.error is None else replace(self, error=None)
