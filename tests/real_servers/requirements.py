"""What this machine lacks for a real server, in one line that a skipped test can show."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal

Wanted = Literal[
    "realm",
    "directory",
    "spark",
    "spark-http",
    "names",
    "zookeeper",
    "kerberos",
    "gssapi",
    "dns",
    "kazoo",
]

_JAVA = "apt install default-jre-headless"
_PROGRAMS = {
    "realm": (
        ("krb5kdc", "kdb5_util", "kadmin.local", "kinit"),
        "apt install krb5-kdc krb5-admin-server krb5-user",
    ),
    "directory": (("slapd", "ldappasswd", "ldapwhoami"), "apt install slapd ldap-utils"),
    "spark": (("java",), _JAVA),
    "spark-http": (("java", "cc"), f"{_JAVA} gcc libc6-dev"),
    "names": (("dnsmasq", "unshare"), "apt install dnsmasq-base util-linux"),
    "zookeeper": (("java",), _JAVA),
}
#: The extra that brings a module.
_EXTRAS = {"kerberos": "kerberos", "gssapi": "testing", "dns": "srv", "kazoo": "zookeeper"}
# Debian keeps servers where ordinary users do not look.
_PLACES = os.pathsep.join(filter(None, [os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
# Older ones lack options that Spark needs; newer ones lack what Hadoop calls to know its user.
_JAVAS = range(11, 24)


def missing(*wanted: Wanted) -> str:
    """Say what is missing on this machine::

        pytestmark = pytest.mark.skipif(bool(missing("realm")), reason=missing("realm"))

    Args:
        wanted: ``"realm"`` for `Realm`, ``"directory"`` for `Directory`, ``"spark"`` for
            `SparkServer`, ``"spark-http"`` for one that speaks HTTP, ``"names"`` for `NameServer`,
            ``"zookeeper"`` for `ZooKeeperServer`, and the modules ``"kerberos"``, ``"gssapi"``,
            ``"dns"`` and ``"kazoo"``.

    Returns:
        One line that says what is missing and what to type, or an empty string when all is there.
    """
    lacks = []
    for name in wanted:
        programs, remedy = _PROGRAMS.get(name, ((), ""))
        absent = [program for program in programs if not shutil.which(program, path=_PLACES)]
        if absent:
            lacks.append(f"{', '.join(absent)}: {remedy}")
        elif "java" in programs and _java_version() not in _JAVAS:
            lacks.append(f"Java 17 (found {_java_version()}): {_JAVA}")
        elif name == "names" and os.geteuid():
            lacks.append("root, for port 53 and a resolv.conf of one's own")
        if name in _EXTRAS and find_spec(name) is None:
            lacks.append(f"{name}: pip install 'impala-ha[{_EXTRAS[name]}]'")
    return "; ".join(f"missing {lack}" for lack in dict.fromkeys(lacks))


def find_program(name: str) -> str:
    """Return the path of the program *name*.

    Raises:
        OSError: It is not installed.
    """
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise OSError(f"{name} is not installed")
    return found


@lru_cache
def _java_version() -> int:
    """Return the major version of the Java on ``PATH``; 0 when it does not say."""
    done = subprocess.run(
        ["java", "-version"],  # the one that a server would use
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else 0
