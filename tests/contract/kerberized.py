"""What the tests of Kerberos share; their realm, tickets and coordinators are in ``conftest.py``."""

from __future__ import annotations

import pytest

from impala_ha.testing import LocalCluster
from real_servers import missing

_LACKS = missing("realm", "gssapi", "kerberos")
#: The marks of a file whose tests log in.
MARKS = [pytest.mark.servers, pytest.mark.skipif(bool(_LACKS), reason=_LACKS)]


def kerberized(realm, number=2, **more):
    """A local cluster whose coordinators ask for tickets of *realm*."""
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    return LocalCluster(number, auth="GSSAPI", **keys, **more)
