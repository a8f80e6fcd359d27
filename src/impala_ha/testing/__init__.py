"""Tools for tests, ours and yours."""

from impala_ha.testing._impalad.journal import Event
from impala_ha.testing._local import LocalCluster
from impala_ha.testing._local_coordinator import LocalCoordinator

__all__ = ["Event", "LocalCluster", "LocalCoordinator"]
