"""
``zookeeper://h1,h2/path``: where HiveServer2, Spark's and Kyuubi register.

Each has a node below the path, ``serverUri=host:10000;version=4.0.0;sequence=0000000007``, which
is gone with it.  (Older releases of Kyuubi begin it with ``serviceUri=``.)  Its name says all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

from impala_ha.core.clock import SystemClock
from impala_ha.core.extras import import_extra
from impala_ha.core.model import Coordinator
from impala_ha.options.host_urls import INTERVAL, HostURL
from impala_ha.options.hosts import parse_hosts

_NODE = re.compile(r"(?:server|service)Uri=(?P<place>[^;]+:\d+)(?:;.*)?")
_QUIET = logging.getLogger("impala_ha.kazoo")  # what it would say is in the error
_QUIET.setLevel(logging.CRITICAL + 1)
_LEAST = 0.001  # seconds


class ZooKeeper:
    """Asks by kazoo, whose threads end before the answer is handed on."""

    def __init__(self, url: HostURL):
        self.key: Hashable = url
        self.interval = url.refresh or INTERVAL
        self._url = url
        self._servers = ",".join(map(str, url.places))
        self.remedy = f"see `zkCli.sh -server {self._servers} ls {url.path}`"
        self._kazoo = import_extra("kazoo.client", "zookeeper")
        self._errors = import_extra("kazoo.exceptions", "zookeeper")
        self._clock = SystemClock()

    def resolve(self, limit: float) -> Sequence[Coordinator]:
        """See `HostSource`."""
        end = self._clock.now() + limit
        client = self._kazoo.KazooClient(
            self._servers, timeout=limit, read_only=True, logger=_QUIET
        )
        try:
            client.start(limit)
            asked = client.get_children_async(self._url.path)
            nodes = asked.get(timeout=max(_LEAST, end - self._clock.now()))
        except self._errors.NoNodeError as error:
            raise LookupError(f"there is no {self._url.path}") from error
        finally:
            client.stop()
            client.close()
        found = [each for node in sorted(nodes) if (each := self._coordinator(node))]
        return list(dict.fromkeys(found))

    def _coordinator(self, node: str) -> Coordinator | None:
        """That which *node* is about; others there keep other things beside them."""
        match = _NODE.fullmatch(node)
        places, wrong = parse_hosts(match["place"]) if match else ((), ())
        if len(places) != 1 or wrong:
            return None
        return replace(places[0], zone=self._url.zone, krb_host=self._url.krb_host)

    def __str__(self) -> str:
        return str(self._url)
