"""
TLS: whom we believe, and as whom we come.

What each option means is impyla's: `use_ssl` alone encrypts and believes whoever answers,
`ca_cert` and `verify_cert` verify the certificate and the name of each coordinator.  Two things
are added: nothing below TLS 1.2, and a certificate of the client's own.

Loading the CAs of a system takes up to 0.2 s, so a context is kept until one of its files changes;
certificates that are renewed while the program runs are thus taken up by the next connection.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from impala_ha import errors
from impala_ha.core import logs

if TYPE_CHECKING:
    from impala_ha.core.model import Coordinator
    from impala_ha.options.options import Options


_Stamp = tuple[tuple[int, int, int] | None, ...]
_KEPT: dict[tuple[object, ...], tuple[_Stamp, ssl.SSLContext]] = {}
_WARNED: set[frozenset[str]] = set()


def context(options: Options) -> ssl.SSLContext:
    """
    The context of connections with these *options*.

    Raises:
        ConfigurationError: A file is not what it should be, and never was.
    """
    key = (options.ca_cert, options.verify_cert, options.client_cert, options.client_key)
    stamp = tuple(_stamp(path) for path in _files(options))
    kept = _KEPT.get(key)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    try:
        made = _made(options)
    except errors.ConfigurationError as error:
        if kept is None:
            raise
        # A certificate and its key are two files: between the two writes they do not fit.
        logs.warning("the files of TLS changed, and cannot be used as they are: %s", error)
        return kept[1]
    _KEPT[key] = stamp, made
    return made


def prepare(options: Options, coordinators: Iterable[Coordinator]) -> None:
    """
    Make the context, and warn, once in a process and cluster, where it verifies nothing.

    Raises:
        ConfigurationError: A file is not what it should be.
    """
    cluster = frozenset(map(str, coordinators))
    if context(options).verify_mode is ssl.CERT_NONE and cluster not in _WARNED:
        _WARNED.add(cluster)
        logs.warning(
            "TLS encrypts, but nobody verifies who answers at %s: use_ssl or web_ssl alone do not, "
            "as in impyla; give ca_cert=FILE, or verify_cert=True for the CAs of the system",
            ", ".join(sorted(cluster)),
            extra={"notice": True},  # for people in front of a terminal too
        )


def _files(options: Options) -> list[str | None]:
    files = [options.ca_cert, options.client_cert, options.client_key]
    if options.verify_cert and not options.ca_cert:
        system = ssl.get_default_verify_paths()
        files += [system.cafile, system.capath]
    return files


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    """What changes when a file does."""
    try:
        found = os.stat(path or "")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _made(options: Options) -> ssl.SSLContext:
    if options.ca_cert or options.verify_cert:
        try:
            made = ssl.create_default_context(cafile=options.ca_cert)
        except OSError as error:
            text = f"ca_cert must be a file with certificates in PEM form: {options.ca_cert}"
            raise errors.ConfigurationError([f"{text} ({error})"]) from error
    else:
        # Not the default one, which loads the CAs of the system to believe anybody.
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    made.minimum_version = max(made.minimum_version, ssl.TLSVersion.TLSv1_2)
    if options.client_cert:
        _come_as(made, options.client_cert, options.client_key)
    return made


def _come_as(made: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        made.load_cert_chain(certificate, key, _no_passphrase)
    except (OSError, ValueError) as error:
        where = f"client_cert={certificate!r}" + (f" and client_key={key!r}" if key else "")
        text = f"{where}: a certificate and the key that belongs to it are needed, in PEM form"
        raise errors.ConfigurationError([f"{text} ({error})"]) from error


def _no_passphrase() -> NoReturn:
    """Without it OpenSSL would ask on the terminal, and wait."""
    raise ValueError("the key is protected by a passphrase; store it without")
