"""Deprecated: say `impala_ha.Cluster`."""

import warnings

from .balancing.cluster import Cluster

__all__ = ["Cluster"]

warnings.warn(
    "impala_ha.cluster is deprecated: Cluster is impala_ha.Cluster",
    DeprecationWarning,
    stacklevel=2,
)
