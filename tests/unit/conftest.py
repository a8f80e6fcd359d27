"""What unit tests share: certificates made on the spot, and properties without a stop-watch."""

from __future__ import annotations

import ssl
from types import SimpleNamespace

import pytest
from hypothesis import settings

# How long an example takes says something of the machine, and nothing of the library.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """A server's context for 127.0.0.1, one for another name, and the file of their CA."""
    import trustme  # noqa: PLC0415  # its import costs more than most tests

    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    contexts = []
    for name in ("127.0.0.1", "elsewhere.example"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        contexts.append(context)
    here, elsewhere = contexts
    return SimpleNamespace(here=here, elsewhere=elsewhere, ca=str(folder / "ca.pem"))
