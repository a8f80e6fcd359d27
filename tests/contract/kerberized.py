"""What the tests of Kerberos share; their realm, tickets and coordinators are in ``conftest.py``."""

from __future__ import annotations

import pytest

from impala_ha.testing import LocalCluster
from real_servers import missing

_LACKS = missing("realm", "gssapi")
#: The marks of a file whose tests log in.
MARKS = [pytest.mark.servers, pytest.mark.skipif(bool(_LACKS), reason=_LACKS)]


def backends(*ways):
    """Parameters with the name of a backend in each, skipped where there is no such package."""
    lacks = {way: missing(*{"gssapi", "kerberos"}.intersection(way.split())) for way in ways}
    return [
        pytest.param(way, marks=pytest.mark.skipif(bool(why), reason=why))
        for way, why in lacks.items()
    ]


BACKENDS = backends("system", "gssapi", "kerberos")


def kerberized(realm, number=2, **more):
    """A local cluster whose coordinators ask for tickets of *realm*."""
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    return LocalCluster(number, auth="GSSAPI", **keys, **more)


def acceptor(keytab, name="impala/coord1.test"):
    """A security context of who has the keys."""
    import gssapi  # noqa: PLC0415 - the marks above have looked for it

    keys = gssapi.Credentials(
        name=gssapi.Name(name, gssapi.NameType.kerberos_principal),
        usage="accept",
        store={"keytab": keytab},
    )
    return gssapi.SecurityContext(creds=keys, usage="accept")


def exchange(context, token, other):
    """Establish *context*, whose first *token* has been made, with *other*."""
    while token and (token := other.step(token)):
        token = context.step(token)
