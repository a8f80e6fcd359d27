"""What this machine knows: the state that its processes share, and its TCP connections."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from impala_ha.balancing.circuit_breaker import CircuitBreaker, Health, State
from impala_ha.balancing.shared_file import SharedFile
from impala_ha.balancing.shared_folder import folders
from impala_ha.balancing.shared_records import Record, key_of, loads_of
from impala_ha.core.model import Coordinator

_LONGEST = 86_400.0  # seconds of an ejection; what lasts longer is another clock's
_ESTABLISHED = "01"  # in /proc/net/tcp
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_OWN = "impala-ha"  # the folder of a state, below one that is a user's
_RECENT = 86_400.0  # seconds; a state of one's own that was not written since is of no interest


@dataclass(frozen=True, slots=True)
class Known:
    """
    What the processes of the machine know of a coordinator.

    Attributes:
        state: Its state for connections with the options in question.
        since: Seconds since it was ejected; None if it is not.
        next_try: Seconds until its next trial; None if it is not ejected.
        tries: How often in a row it failed.
        why: What its failure means; empty if it is not ejected.
        connect_time: Seconds that opening a connection takes; None if that is not known.
        load: The connections that went to it in the last seconds, by weight.
    """

    state: State = State.HEALTHY
    since: float | None = None
    next_try: float | None = None
    tries: int = 0
    why: str = ""
    connect_time: float | None = None
    load: float = 0.0


def known(coordinators: Sequence[Coordinator], options_key: str) -> dict[Coordinator, Known] | None:
    """What is known of each, for connections with those options; None: nothing is shared here."""
    file = SharedFile()
    pairs = {each: (key_of(each), key_of(each, options_key)) for each in coordinators}
    view = file.read([key for both in pairs.values() for key in both])
    if view is None:
        return None
    loads: dict[bytes, float] = {}
    with suppress(OSError), file.turns() as turns:
        loads = loads_of(turns.read(view.added)[0], view.now)
    found = {}
    for each, (for_all, own) in pairs.items():
        records = [view.records[key] for key in (for_all, own) if key in view.records]
        load = loads.get(for_all, 0.0) + sum(
            r.load_at(view.now) for r in records if r.key == for_all
        )
        found[each] = _known(records, view.now, load)
    return found


def _known(records: Sequence[Record], now: float, load: float) -> Known:
    """What *records* say of one coordinator: that for all connections, and that for some."""
    times = [each.connect_time for each in records if each.connect_time]
    connect_time = times[0] if times else None
    out = [(each.health(0.0, now, _LONGEST), each) for each in records]
    ejected = [(health, each) for health, each in out if health.ejected_until is not None]
    if not ejected:
        tries = max((health.failures for health, _ in out), default=0)
        return Known(tries=tries, connect_time=connect_time, load=max(0.0, load))
    health, record = max(ejected, key=lambda pair: pair[0].ejected_until or 0.0)
    until = health.ejected_until or now
    return Known(
        state=CircuitBreaker().state(health, now),
        since=max(0.0, now - (until - record.ejected_for)),
        next_try=max(0.0, until - now),
        tries=health.failures,
        why=record.fault.label if record.fault else "failed",
        connect_time=connect_time,
        load=max(0.0, load),
    )


def states_not_shown() -> tuple[list[str], list[str]]:
    """
    The states on this machine besides that of `known`, which programs find that run differently.

    Returns:
        The users that have one; and the folders of this user's own that were lately written to, by
        programs with another ``XDG_RUNTIME_DIR`` or ``TMPDIR``.
    """
    shared = Path("/dev/shm"), Path(tempfile.gettempdir())  # noqa: S108 - read, and never written
    places = {*Path("/run/user").glob(f"*/{_OWN}")}
    for folder in (found for place in shared for found in place.glob(f"{_OWN}-*")):
        if folder.name.removeprefix(f"{_OWN}-").isdecimal():  # a user's number
            places.add(folder)
    shown = next((Path(each) for each in folders() if Path(each).is_dir()), None)
    users, own = set(), set()
    for place in places - {shown}:
        with suppress(OSError, KeyError, ValueError):  # gone, of nobody, empty
            if place.stat().st_uid != os.geteuid():
                users.add(place.owner())
            elif time.time() - max(each.stat().st_mtime for each in place.iterdir()) < _RECENT:
                own.add(str(place))
    return sorted(users), sorted(own)


def reset(coordinators: Iterable[Coordinator], options_key: str) -> set[Coordinator] | None:
    """
    Forget what is held against *coordinators*, for all connections and for those with the options.

    Returns:
        Those against whom something was held; None if the shared state cannot be written.
    """
    places = {key_of(c, scope): c for c in coordinators for scope in ("", options_key)}
    held: set[Coordinator] = set()

    def change(now: float, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            if record.failures or record.ejected_until or record.next_try:
                held.add(places[record.key])
                yield record.with_health(Health(), 0.0, now, None)

    if not SharedFile().update(places, lambda view: [*change(view.now, view.records.values())]):
        return None
    return held


def connections(coordinators: Iterable[Coordinator]) -> dict[Coordinator, int]:
    """How many TCP connections this machine has to each; none of it where that is not known."""
    if sys.platform != "linux":
        return {}
    peers: Counter[tuple[bytes, int]] = Counter()
    for table in _TABLES:
        with suppress(OSError, ValueError):
            peers.update(_peers(Path(table).read_text("ascii")))
    return {each: sum(peers[peer] for peer in _addresses(each)) for each in coordinators}


def _peers(table: str) -> Iterator[tuple[bytes, int]]:
    """Address and port at the other end of each connection in a *table* of the kernel."""
    for line in table.splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        if state == _ESTABLISHED:
            address, _, port = remote.partition(":")
            yield _packed(address), int(port, 16)


def _packed(address: str) -> bytes:
    """An address as `socket.inet_pton` has it: the kernel prints words of its own byte order."""
    words = [address[at : at + 8] for at in range(0, len(address), 8)]
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return packed.removeprefix(_MAPPED)


_MAPPED = bytes(10) + b"\xff\xff"  # before an IPv4 address in IPv6


def _addresses(coordinator: Coordinator) -> set[tuple[bytes, int]]:
    found = set()
    with suppress(OSError, UnicodeError):
        for family, *_, address in socket.getaddrinfo(
            coordinator.host, coordinator.port, type=socket.SOCK_STREAM
        ):
            host = str(address[0]).partition("%")[0]
            found.add((socket.inet_pton(family, host), coordinator.port))
    return found
