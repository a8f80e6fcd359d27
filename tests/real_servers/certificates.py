"""A private certificate authority, and a certificate for each host, with trustme.

with Certificates() as certificates:
    pem = certificates.of("coord1.test", "127.0.0.2")
    ssl.create_default_context(cafile=certificates.ca)
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone

import trustme

from .private_files import PrivateFiles

_OLD = timedelta(days=30)
_EXPIRED_FOR = timedelta(days=1)


class Certificates(PrivateFiles):
    """Certificates from an authority that exists only here.

    Attributes:
        ca: The file (PEM) with the certificate of the authority: what a client trusts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._number = 0
        self.ca = str(self.directory / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca)

    def __repr__(self) -> str:
        return f"<Certificates ca={self.ca!r}>"

    def of(self, *names: str, expired: bool = False) -> str:
        """Make a certificate for a server.

        Args:
            names: Its host names and IP addresses.
            expired: Whether it ended yesterday.

        Returns:
            A file (PEM, readable for its owner only) with the key and the chain of certificates.
        """
        now = datetime.now(timezone.utc)
        return self._write(
            self._authority.issue_cert(
                *names,
                common_name=names[0],
                key_type=trustme.KeyType.ECDSA,
                not_before=now - _OLD if expired else None,
                not_after=now - _EXPIRED_FOR if expired else None,
            )
        )

    def client(self, name: str) -> str:
        """Make a certificate that a client shows.

        Args:
            name: Who it says the client is, such as ``etl``: its common name.

        Returns:
            A file (PEM, readable for its owner only) with the key and the chain of certificates.
        """
        return self._write(
            self._authority.issue_cert(common_name=name, key_type=trustme.KeyType.ECDSA)
        )

    def context(self, pem: str) -> ssl.SSLContext:
        """Return what a server needs in order to show the certificate in the file *pem*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _write(self, certificate: trustme.LeafCert) -> str:
        self._number += 1
        path = self.directory / f"{self._number}.pem"
        path.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)
