"""The options of logging in: TLS, passwords, tokens, and Kerberos; see `options.options`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import converters as read
from .converters import MECHANISMS, option
from .kerberos_names import read as read_names


@dataclass(frozen=True)
class Security:
    """Who is there, and who comes."""

    use_ssl: bool = option(read.flag, False, "Encrypt with TLS.")
    ca_cert: str | None = option(read.file, None, "File with the CA that signed the certificates.")
    verify_cert: bool = option(
        read.flag, False, "Verify certificates by the CAs of the system; `ca_cert` verifies anyway."
    )
    client_cert: str | None = option(
        read.file, None, "File with a certificate to show to coordinators that ask for one (TLS)."
    )
    client_key: str | None = option(
        read.file, None, "File with the key of `client_cert`, where that does not hold it as well."
    )
    auth_mechanism: str = option(
        read.mechanism, "NOSASL", f"One of {', '.join(MECHANISMS)}; upper or lower case."
    )
    user: str | None = option(read.name, None, "User name; by default the name in the system.")
    password: Any = option(
        read.secret,
        None,
        "Password of PLAIN and LDAP: a text, or a function that returns it, which is called once a "
        "connection, and again when its password was refused.",
        secret=True,
    )
    password_cmd: str | None = option(
        read.command,
        None,
        "Command that prints the password, within `connect_timeout`; it is run without a shell.",
        secret=True,
    )
    jwt: Any = option(
        read.secret,
        None,
        "JSON Web Token, with JWT over HTTP: a text, or a function that returns it, which is "
        "called once a connection, and again when its token was refused.",
        secret=True,
    )
    jwt_cmd: str | None = option(
        read.command,
        None,
        "Command that prints the token, within `connect_timeout`; it is run without a shell.",
        secret=True,
    )
    doas_user: str | None = option(
        read.text, None, "User to act for (`impala.doas.user`), where the coordinators allow it."
    )
    kerberos_service_name: str = option(
        read.text, "impala", "First part of the service principal of every coordinator."
    )
    krb_host: Any = option(
        read_names,
        None,
        "Host part of the service principal, where it is not the coordinator's own name: one name "
        "for all (clusters set up for a load balancer accept only the balancer's), a pattern such "
        "as `_HOST.example.com`, or a mapping from hosts to names (as a text: `a=x,b=y`).",
    )
    krb_canonicalize: bool = option(
        read.flag,
        False,
        "Look up the name of a coordinator that is given by its address, for its service principal "
        "(a reverse look-up, which the name service must be trusted with).",
    )
    principal: str | None = option(
        read.text,
        None,
        "Kerberos principal to log in as, of the credential cache or of `keytab`.",
    )
    keytab: str | None = option(
        read.file,
        None,
        "File with the key of `principal` (by default of its first one): tickets are acquired with "
        "it in this process, for it alone, and renewed before they end. Needs the package gssapi.",
    )
    kerberos_backend: str = option(
        read.backend,
        "auto",
        "Package that speaks with Kerberos: `kerberos`, `gssapi`, or `auto`, which is kerberos "
        "where it is installed and can do it.",
    )
