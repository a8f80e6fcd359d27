"""Tools for tests, ours and yours."""

from impala_ha.testing._impalad.journal import Event
from impala_ha.testing._local import LocalCluster
from impala_ha.testing._local_coordinator import LocalCoordinator
from impala_ha.testing._proxy import FaultProxy
from impala_ha.testing._proxy_connection import Message
from impala_ha.testing._proxy_rules import ProxyFault

__all__ = ["Event", "FaultProxy", "LocalCluster", "LocalCoordinator", "Message", "ProxyFault"]
