"""Real servers for tests: a Kerberos realm, a directory, certificates, a HiveServer2.

All of them listen on loopback only, keep their files in private directories, and end with the
process that started them.  They need programs that `missing` names.
"""

from .certificates import Certificates
from .directory import Directory
from .jars import cache_directory, spark_jars
from .realm import Realm
from .requirements import missing
from .spark import SparkServer

__all__ = [
    "Certificates",
    "Directory",
    "Realm",
    "SparkServer",
    "cache_directory",
    "missing",
    "spark_jars",
]
