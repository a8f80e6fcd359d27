"""TLS on the coordinator's side: one context a coordinator, for all of its ports."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from pocket_impala.coordinator.security import TLS_VERSIONS

if TYPE_CHECKING:
    from pocket_impala.coordinator.security import Security


def server_context(security: Security, index: int) -> ssl.SSLContext | None:
    """Return the certificate and the rules of coordinator *index*; None: it speaks no TLS.

    Raises:
        ssl.SSLError: A pem is not what it should be.
    """
    pem = security.certificate(index)
    if pem is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = TLS_VERSIONS[security.tls_minimum]
    context.load_cert_chain(pem)
    if security.client_ca is not None:
        context.load_verify_locations(security.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
