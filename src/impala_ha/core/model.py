"""The nouns: values that every room speaks of and none may change."""

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
    An impalad that takes clients.  Equal when host and port are.

    Attributes:
        host: Name or address.
        port: Of HiveServer2, 21050 unless told otherwise.
        weight: Its share of the connections, against the weights of the others; at least 1.
        zone: Where it stands; those in one's own zone come first.
        krb_host: Host part of its Kerberos service principal; empty: as the option `krb_host`
            says.
    """

    host: str
    port: int = DEFAULT_PORT
    weight: int = field(default=1, compare=False)
    zone: str = field(default="", compare=False)
    krb_host: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise ValueError(f"a coordinator needs a host, a text, not {self.host!r}")
        for name in ("port", "weight"):
            number = getattr(self, name)
            if not isinstance(number, int):
                text = f"{name} of {self.host} must be a whole number, not {number!r}"
                raise ValueError(text)
        if not 0 < self.port <= LAST_PORT:
            raise ValueError(f"port of {self.host} must be within 1..65535, not {self.port}")
        if self.weight < 1:
            raise ValueError(f"weight of {self.host} must be at least 1, not {self.weight}")
        if self.krb_host and not KRB_HOST.fullmatch(self.krb_host):
            raise ValueError(
                f"krb_host of {self.host} must be the name of a host, without service and realm, "
                f"not {self.krb_host!r}"
            )

    @property
    def is_address(self) -> bool:
        """Is the host an address and no name?"""
        return is_address(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


# What Impala says of a statement that it has accepted, and that has not run or has failed.
_SAID_OF_THE_STATEMENT = frozenset({Fault.QUERY, Fault.STALE, Fault.BUSY, Fault.NOT_REGISTERED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One try of one operation on one coordinator: told to the log, the breaker and the caller.

    Attributes:
        operation: ``"connect"``, ``"execute"``, ``"fetchall"``, ...
        number: Counts the tries of one call, from 1.
        coordinator: Where.
        elapsed: Seconds it took.
        fault: What its failure means, None if it went well.
        phase: How far it had come when it failed.
        error: What was raised, as the stack below us raised it.
        text: The words of *error*; what is left of it in a pickle.
        hint: What to look at, where these words do not say it.
        retry_after: Seconds to stay away, as the server asked for; 0 if it did not.
        doubtful: Whether a statement of this kind may have run although *fault* says of others
            that they have not.
        ended: Whether the coordinator certainly runs it no more: its session was closed, or its
            process is gone.
        since: Seconds from the beginning of the call to that of this try.
        form: The options that opening the connection depends on, see `Options.form`.
        may_be_options: Whether its failure may be due to these: it counts for connections with
            the same ones.
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
    form: str = field(default="", compare=False, repr=False)
    may_be_options: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"#{self.number} {self.summary}"

    @property
    def summary(self) -> str:
        """Where, how long and how it ended."""
        line = f"{self.coordinator} ({self.elapsed:.2f} s) {self.reason}"
        return line if self.fault is None else f"{line}: {self.text}"

    @property
    def reason(self) -> str:
        """What its failure means, and how far it had come."""
        if self.fault is None or self.phase is None:
            return "ok"
        return f"{self.fault.label} {self.phase.value}"

    @property
    def may_have_run(self) -> bool:
        """Whether the statement may have run in this try, although it failed."""
        if self.fault is None or self.phase is None or not self.phase.sent:
            return False
        if self.phase in AFTER and self.fault not in _SAID_OF_THE_STATEMENT:
            return True  # a refused login, say: it is about this call, and the statement goes on
        return self.fault.may_have_run or self.doubtful

    def portable(self) -> Attempt:
        """The same without the exception object, which pickle may not be able to carry."""
        return replace(self, error=None)
