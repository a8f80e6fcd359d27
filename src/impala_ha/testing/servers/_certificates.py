"""A private certificate authority, and a certificate for each host, with trustme.

with Certificates() as certificates:
    pem = certificates.of("coord1.test", "127.0.0.2")
    ssl.create_default_context(cafile=certificates.ca)
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
import weakref
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.core.extras import import_extra

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_OLD = timedelta(days=30)
_EXPIRED_FOR = timedelta(days=1)


class Certificates:
    """Certificates from an authority that exists only here.

    Their files lie in a private directory, which goes away with `close`, at the end of the
    ``with`` block, or with the object.

    Attributes:
        ca: The file (PEM) with the certificate of the authority: what a client trusts.

    Raises:
        MissingExtra: The extra ``testing`` is not installed.
    """

    def __init__(self) -> None:
        trustme = import_extra("trustme", "testing")
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._key_type = trustme.KeyType.ECDSA
        self._directory = Path(tempfile.mkdtemp(prefix="impala-ha-certificates-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        self._number = 0
        self.ca = str(self._directory / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Certificates ca={self.ca!r}>"

    def close(self) -> None:
        """Remove the files."""
        self._remove()

    def of(self, *names: str, expired: bool = False) -> str:
        """Make a certificate for a server.

        Args:
            names: Its host names and IP addresses.
            expired: Whether it ended yesterday.

        Returns:
            A file (PEM, readable for its owner only) with the key and the chain of certificates.
        """
        now = datetime.now(timezone.utc)
        validity = {"not_before": now - _OLD, "not_after": now - _EXPIRED_FOR} if expired else {}
        return self._write(
            self._authority.issue_cert(
                *names, common_name=names[0], key_type=self._key_type, **validity
            )
        )

    def client(self, name: str) -> str:
        """Make a certificate that a client shows.

        Args:
            name: Who it says the client is, such as ``etl``: its common name.

        Returns:
            A file (PEM, readable for its owner only) with the key and the chain of certificates.
        """
        return self._write(self._authority.issue_cert(common_name=name, key_type=self._key_type))

    def context(self, pem: str) -> ssl.SSLContext:
        """Return what a server needs in order to show the certificate in the file *pem*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _write(self, certificate: object) -> str:
        self._number += 1
        path = self._directory / f"{self._number}.pem"
        path.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)  # type: ignore[attr-defined]  # trustme is there on request only
        return str(path)
