"""Real servers for tests: a Kerberos realm, a directory, certificates, a HiveServer2, a name server,
ZooKeeper.

All of them listen on loopback only, keep their files in private directories, and end with the
process that started them.  They need programs that `missing` names.
"""

from .certificates import Certificates
from .directory import Directory
from .dns_server import NameServer
from .jars import cache_directory, spark_jars
from .realm import Realm
from .requirements import missing
from .spark import SparkServer
from .zookeeper_server import ZooKeeperServer

__all__ = [
    "Certificates",
    "Directory",
    "NameServer",
    "Realm",
    "SparkServer",
    "ZooKeeperServer",
    "cache_directory",
    "missing",
    "spark_jars",
]
