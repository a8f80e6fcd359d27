"""
A policy of one's own: the big machine first, as long as it is well.

IMPALA_HA_HOSTS=127.0.0.1,127.0.0.2,127.0.0.3 python examples/own_policy.py

A policy is anything with ``choose(candidates)``.  It is handed those that may be chosen (who is
dead or was tried already is not among them), so it needs to know nothing of failures.
"""

import os
from collections.abc import Sequence

import impala_ha
from impala_ha.balancing.policies import Candidate


class BiggestFirst:
    """The one with the greatest weight; of equals the one with the fewest connections."""

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Pick it."""
        return max(candidates, key=lambda c: (c.coordinator.weight, -c.connections))


cluster = impala_ha.Cluster(
    [
        impala_ha.Coordinator(host, int(port or 21050), weight=3 - position)
        for position, item in enumerate(os.environ["IMPALA_HA_HOSTS"].split(","))
        for host, _, port in [item.partition(":")]
    ],
    policy=BiggestFirst(),
)
with impala_ha.connect(cluster) as connection:
    print(f"connected to {connection.coordinator}, of {cluster}")
