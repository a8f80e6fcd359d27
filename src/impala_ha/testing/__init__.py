"""Tools for tests, ours and yours."""

from impala_ha.testing.proxy import FaultProxy
from impala_ha.testing.proxy.connection import Message
from impala_ha.testing.proxy.rules import ProxyFault
from pocket_impala.coordinator.journal import Event
from pocket_impala.local_cluster import LocalCluster
from pocket_impala.local_coordinator import LocalCoordinator

__all__ = ["Event", "FaultProxy", "LocalCluster", "LocalCoordinator", "Message", "ProxyFault"]
