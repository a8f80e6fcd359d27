"""A local cluster of coordinators that speak as Impala's do; see `impala_ha.testing`."""
