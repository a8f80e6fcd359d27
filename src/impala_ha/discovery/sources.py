"""From what `host` says to the source that is asked."""

from __future__ import annotations

from collections.abc import Callable

from impala_ha.balancing.host_source import HostSource
from impala_ha.options.host_urls import HostFunction, HostURL
from impala_ha.options.options import Options

from .backends import Backends
from .function import Function
from .host_file import HostFile
from .name_service import NameService
from .srv_records import SrvRecords
from .zookeeper import ZooKeeper


def make_source(hosts: HostURL | HostFunction, options: Options) -> HostSource:
    """
    The source that *hosts* describes.  Nothing is asked yet.

    Args:
        hosts: A URL, or a function.
        options: How web servers are asked, and whether HTTP is spoken with the coordinators.

    Raises:
        MissingExtra: A package that it needs is not installed.
        ConfigurationError: A file of TLS is not what it should be.
    """
    if isinstance(hosts, HostFunction):
        return Function(hosts)
    if hosts.scheme == "backends":
        return Backends(hosts, options)
    return _KINDS[hosts.scheme](hosts)


_KINDS: dict[str, Callable[[HostURL], HostSource]] = {
    "dns": NameService,
    "srv": SrvRecords,
    "file": HostFile,
    "zookeeper": ZooKeeper,
}
