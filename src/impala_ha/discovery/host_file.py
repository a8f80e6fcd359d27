"""``file:///path``: a line a coordinator, read again when the file changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable, Sequence

from impala_ha.core.model import DEFAULT_PORT, Coordinator
from impala_ha.options.host_urls import HostURL
from impala_ha.options.hosts import parse_hosts

_INTERVAL = 5.0  # seconds: a look at a file that did not change takes microseconds


class HostFile:
    """
    Reads a file in the form of `host`, on several lines; a line ends at a ``#``.

    One that is empty, or has a mistake, is being written: the list of before stays.
    """

    def __init__(self, url: HostURL):
        self.key: Hashable = url
        self.interval = url.refresh or _INTERVAL
        self.remedy = "a line a coordinator: host, host:port or [ipv6]:port"
        self._url = url
        self._stamp: tuple[int, ...] = ()
        self._found: Sequence[Coordinator] = ()

    def resolve(self, limit: float) -> Sequence[Coordinator]:  # noqa: ARG002 - a file has no limit
        """See `HostSource`."""
        about = os.stat(self._url.path)
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
            raise ValueError("it is no file")
        stamp = about.st_mtime_ns, about.st_ino, about.st_size
        if stamp != self._stamp:
            with open(self._url.path, encoding="utf-8-sig") as file:
                items = [line.partition("#")[0] for line in file]
            if not any(item.strip() for item in items):
                raise ValueError("the file is empty")
            found, wrong = parse_hosts(items, self._url.port or DEFAULT_PORT)
            if wrong:
                raise ValueError("; ".join(wrong))
            self._stamp, self._found = stamp, found
        return self._found

    def __str__(self) -> str:
        return str(self._url)
