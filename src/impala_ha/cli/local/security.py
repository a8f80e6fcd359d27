"""The flags of `impala-ha local` that are about Kerberos, TLS, passwords and tokens.

Secrets come from files, never from the command line, which everybody on the machine can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from impala_ha.testing import LocalCluster

_FILE = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True)


def _users(_: click.Context, __: click.Parameter, given: Any) -> dict[str, str] | None:
    """Read ``NAME:PASSWORD`` lines."""
    if given is None:
        return None
    users = {}
    for number, line in enumerate(given.read().splitlines(), 1):
        name, colon, password = line.partition(":")
        if not colon:
            # The line itself may be a password.
            raise click.BadParameter(f"line {number} is not NAME:PASSWORD")
        users[name] = password
    return users


def _text(_: click.Context, __: click.Parameter, given: Any) -> str | None:
    return None if given is None else str(given.read().strip())


def _some(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str] | None:
    return list(given) or None


_OPTIONS = (
    click.option(
        "--auth",
        type=click.Choice(["NOSASL", "PLAIN", "LDAP", "GSSAPI", "JWT"]),
        default="NOSASL",
        show_default=True,
        help="How clients log in; PLAIN without --users takes any user and password.",
    ),
    click.option(
        "--users",
        type=click.File(),
        callback=_users,
        help="A file of NAME:PASSWORD lines, for PLAIN and LDAP.",
    ),
    click.option("--keytab", type=_FILE, help="The keys of all coordinators, for GSSAPI."),
    click.option(
        "--krb5-config",
        "krb5_config",
        type=_FILE,
        help="Their krb5.conf.  [default: the machine's]",
    ),
    click.option(
        "--principals",
        default="impala/coord{}.test",
        show_default=True,
        help="The service of each coordinator; {} is its number, from 1.",
    ),
    click.option(
        "--qop",
        type=click.Choice(["auth", "auth-int", "auth-conf"]),
        default="auth",
        show_default=True,
        help="What Kerberos does with each frame: nothing, sign, encrypt.",
    ),
    click.option(
        "--tls",
        type=_FILE,
        multiple=True,
        callback=_some,
        help="A PEM with key and chain: one for all, or one for each, in their order.",
    ),
    click.option(
        "--client-ca",
        "client_ca",
        type=_FILE,
        help="A PEM: clients must show a certificate that is signed by it.",
    ),
    click.option(
        "--tls-minimum",
        "tls_minimum",
        type=click.Choice(["TLSv1.2", "TLSv1.3"]),
        default="TLSv1.2",
        show_default=True,
        help="The oldest version of TLS.",
    ),
    click.option(
        "--jwt-key",
        "jwt_key",
        type=click.File(),
        callback=_text,
        help="A file with the key that tokens are verified with, for JWT.",
    ),
    click.option("--http", is_flag=True, help="HiveServer2 over HTTP too, on a second port."),
)


def security_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* these flags, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def login_flags(auth: str, *, tls: bool) -> str:
    """Return what `impala-connect` and `impala-shell` need to log in over the binary port.

    Args:
        auth: How clients log in.
        tls: Whether it speaks TLS.
    """
    flags = {"PLAIN": " -l -u NAME", "LDAP": " -l -u NAME", "GSSAPI": " -k"}.get(auth, "")
    if tls:
        return f"{flags} --ssl --ca_cert CA.pem"
    return f"{flags} --auth_creds_ok_in_clear" if " -l" in flags else flags


def hosts(cluster: LocalCluster, auth: str) -> str:
    """Return the list of hosts, with Kerberos names where they are needed."""
    return cluster.kerberos_hosts if auth == "GSSAPI" else cluster.hosts
