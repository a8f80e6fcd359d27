"""Real servers for tests: a Kerberos realm, a directory, certificates, a HiveServer2.

All of them listen on loopback only, keep their files in private directories, and end with the
process that started them.  They need the extra ``testing`` and programs that `missing` names.
"""

from impala_ha.testing.servers._certificates import Certificates
from impala_ha.testing.servers._directory import Directory
from impala_ha.testing.servers._jars import cache_directory, spark_jars
from impala_ha.testing.servers._missing import missing
from impala_ha.testing.servers._realm import Realm
from impala_ha.testing.servers._spark import SparkServer

__all__ = [
    "Certificates",
    "Directory",
    "Realm",
    "SparkServer",
    "cache_directory",
    "missing",
    "spark_jars",
]
