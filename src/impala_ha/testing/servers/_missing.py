"""What this machine lacks for a real server, in one line that a skipped test can show."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import Literal

Wanted = Literal["realm", "certificates", "spark", "kerberos", "gssapi"]

_PROGRAMS = {
    "realm": (
        ("krb5kdc", "kdb5_util", "kadmin.local", "kinit"),
        "apt install krb5-kdc krb5-admin-server krb5-user",
    ),
    "spark": (("java",), "apt install default-jre-headless"),
}
_MODULES = {
    "realm": ("k5test", "testing"),
    "certificates": ("trustme", "testing"),
    "spark": ("cryptography", "testing"),
    "kerberos": ("kerberos", "kerberos"),
    "gssapi": ("gssapi", "testing"),
}
# Debian keeps the KDC where ordinary users do not look.
_PLACES = os.pathsep.join(filter(None, [os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def missing(*wanted: Wanted) -> str:
    """Say what is missing on this machine::

        pytestmark = pytest.mark.skipif(bool(missing("realm")), reason=missing("realm"))

    Args:
        wanted: ``"realm"`` for `Realm`, ``"certificates"`` for `Certificates`, ``"spark"`` for
            `SparkServer`, ``"kerberos"`` and ``"gssapi"`` for the modules of these names.

    Returns:
        One line that says what is missing and what to type, or an empty string when all is there.
    """
    lacks = []
    for name in wanted:
        programs, remedy = _PROGRAMS.get(name, ((), ""))
        absent = [program for program in programs if not shutil.which(program, path=_PLACES)]
        if absent:
            lacks.append(f"{', '.join(absent)}: {remedy}")
        module, extra = _MODULES[name]
        if find_spec(module) is None:
            lacks.append(f"{module}: pip install 'impala-ha[{extra}]'")
    return "; ".join(f"missing {lack}" for lack in dict.fromkeys(lacks))
